#include "adapters/transport/layer_stack.hpp"

#include <algorithm>
#include <utility>

namespace gw::transport {

void LayerScratch::trim() {
    constexpr std::size_t kept_bytes_max = 1 << 20;
    for (ByteBuffer* const buffer : {&up[0], &up[1], &wrapped[0], &wrapped[1], &down}) {
        if (buffer->capacity() > kept_bytes_max) {
            buffer->release();
        }
    }
}

void LayerStack::push(std::unique_ptr<StreamLayer> layer) {
    GW_ASSERT(is_open());
    layers_.push_back(std::move(layer));
    open_count_ = layers_.size();
}

LayerStack::Received LayerStack::receive(Bytes bytes, LayerScratch& scratch, ByteBuffer& wire) {
    return receive_from(0, bytes, scratch, wire);
}

LayerStack::Received LayerStack::receive_at_top(Bytes bytes, LayerScratch& scratch,
                                                ByteBuffer& wire) {
    GW_ASSERT(!layers_.empty());
    return receive_from(layers_.size() - 1, bytes, scratch, wire);
}

LayerStack::Received LayerStack::receive_from(std::size_t first, Bytes bytes, LayerScratch& scratch,
                                              ByteBuffer& wire) {
    Bytes current = bytes;
    for (std::size_t i = first; i < layers_.size() && !current.empty(); ++i) {
        ByteBuffer& up = scratch.up[i % 2];
        ByteBuffer& down = i == 0 ? wire : scratch.down;
        up.clear();
        scratch.down.clear();
        const Status status = layers_[i]->on_received(current, up, down);
        if (i != 0 && !down.empty()) {
            send_below(i, down.view(), scratch, wire);
        }
        if (status != Status::opening && (status == Status::open || !up.empty())) {
            open_count_ = std::max(open_count_, i + 1);
        }
        if (status == Status::ended || status == Status::failed) {
            note_end(i, status);
        }
        current = up.view();
    }
    if (!is_open()) {
        return {status_, {}};
    }
    return {has_ended() ? status_ : Status::open, current};
}

/// What a layer sends from now on would break its own rules; those below it still work.
void LayerStack::note_end(std::size_t layer, Status status) {
    if (layer >= able_count_) {
        return;
    }
    // Having been told goodbye, a layer still answers it; having met nonsense, it has said so.
    able_count_ = status == Status::ended ? layer + 1 : layer;
    status_ = status;
    failure_ = layers_[layer]->failure();
}

void LayerStack::send(Bytes bytes, LayerScratch& scratch, ByteBuffer& wire) {
    if (!has_ended()) {
        send_below(layers_.size(), bytes, scratch, wire);
    }
}

void LayerStack::send_below(std::size_t layer, Bytes bytes, LayerScratch& scratch,
                            ByteBuffer& wire) {
    if (layer == 0) {
        wire.append(bytes);
        return;
    }
    Bytes current = bytes;
    for (std::size_t i = layer; i-- > 0;) {
        ByteBuffer& wrapped = i == 0 ? wire : scratch.wrapped[i % 2];
        if (i != 0) {
            wrapped.clear();
        }
        layers_[i]->on_send(current, wrapped);
        current = wrapped.view();
    }
}

void LayerStack::say_goodbye(LayerScratch& scratch, ByteBuffer& wire) {
    for (std::size_t i = std::min(std::exchange(able_count_, 0), open_count_); i-- > 0;) {
        if (i == 0) {
            layers_[i]->on_close(wire);
        } else {
            scratch.down.clear();
            layers_[i]->on_close(scratch.down);
            send_below(i, scratch.down.view(), scratch, wire);
        }
    }
}

void LayerStack::on_shutdown() {
    for (const auto& layer : layers_) {
        layer->on_shutdown();
    }
}

MonotonicTime LayerStack::next_deadline() const {
    MonotonicTime next = never;
    if (!has_ended()) {
        for (const auto& layer : layers_) {
            next = std::min(next, layer->next_deadline());
        }
    }
    return next;
}

void LayerStack::on_deadline(MonotonicTime now, LayerScratch& scratch, ByteBuffer& wire) {
    for (std::size_t i = 0; i < layers_.size() && !has_ended(); ++i) {
        if (layers_[i]->next_deadline() > now) {
            continue;
        }
        scratch.down.clear();
        layers_[i]->on_deadline(now, i == 0 ? wire : scratch.down);
        if (i != 0 && !scratch.down.empty()) {
            send_below(i, scratch.down.view(), scratch, wire);
        }
    }
}

void LayerStack::describe(PeerInfo& peer) const {
    for (const auto& layer : layers_) {
        layer->describe(peer);
    }
}

}  // namespace gw::transport
