#include "adapters/transport/listen_socket.hpp"
#include "adapters/transport/stream_driver.hpp"
#include "adapters/transport/worker_loop.hpp"

#include <algorithm>
#include <chrono>
#include <sys/uio.h>
#include <utility>

/// The part of StreamDriver that only connections with layers need.
namespace gw::transport {

// --------------------------------------------------------------------------------------- input

/// Where the layers put what goes to the socket. settle_wire() comes after.
ByteBuffer& StreamDriver::wire() {
    if (!layered_->wire) {
        layered_->wire = loop_.take_output();
    }
    return layered_->wire->bytes();
}

void StreamDriver::settle_wire() {
    if (!layered_->wire) {
        return;
    }
    if (layered_->wire->unsent_bytes() == 0) {
        loop_.give_back(std::move(layered_->wire));
    } else {
        mark_dirty();
    }
}

void StreamDriver::receive(Bytes bytes) {
    if (layered_->stack.has_ended()) {
        return;  // the machine has yet to take what came before
    }
    if (state_ != State::opening) {
        take(layered_->stack.receive(bytes, loop_.scratch(), wire()));
        return;
    }
    layered_->received_bytes += static_cast<std::uint32_t>(bytes.size());
    const auto begin = std::chrono::steady_clock::now();
    const auto received = layered_->stack.receive(bytes, loop_.scratch(), wire());
    loop_.spend_opening(std::chrono::steady_clock::now() - begin);
    if (finish_opening()) {
        take(received);
    } else {
        settle_wire();
    }
}

/// Makes the machine when all layers are open; says whether there is one.
bool StreamDriver::finish_opening() {
    if (layered_->stack.is_open()) {
        state_ = State::open;
        loop_.timers().cancel(*this);
        source_.on_opened(loop_.index());
        make_machine();
        layered_->while_opening.reset();
        return true;
    }
    if (layered_->stack.has_ended()) {
        fail_opening(layered_->stack.failure());
    } else if (layered_->received_bytes > layered_->opening_bytes_max) {
        fail_opening({HandshakeFailure::too_many_bytes, "more bytes than a handshake may need"});
    }
    return false;
}

/// What the layers have to say about it (an alert) is written first.
void StreamDriver::fail_opening(const StreamLayer::Failure& failure) {
    source_.on_open_failed(loop_.index(), failure, peer_of(fd_));
    begin_closing();
}

void StreamDriver::take(LayerStack::Received received) {
    settle_wire();
    const bool has_ended = layered_->stack.has_ended();
    layered_->is_end_pending = has_ended;
    if (received.up.empty()) {
        if (has_ended && state_ == State::open) {
            end_stream();
        }
        return;
    }
    if (input_) {
        keep(received.up);
        feed_kept();  // may go on with the end
        return;
    }
    give(received.up);
    if (has_ended && state_ == State::open) {
        end_stream();
    }
}

/// A layer has ended: the machine hears it when it has seen the bytes that came before.
void StreamDriver::end_stream() {
    if (is_paused_ && input_) {
        return;  // feed_kept() comes back
    }
    layered_->is_end_pending = false;
    if (layered_->stack.has_failed()) {
        PeerInfo peer = peer_of(fd_);
        layered_->stack.describe(peer);
        source_.on_layer_failed(loop_.index(), layered_->stack.failure(), peer);
    }
    tell_closed(layered_->stack.has_failed() ? ReasonCode::protocol_error
                                             : ReasonCode::connection_lost);
    drop_machine();
    if (output_) {
        output_->clear();  // nobody would understand it
    }
    begin_closing();
}

// -------------------------------------------------------------------------------------- output

/// Wraps no more than the socket has shown that it takes, in steps, so that a slow reader's bytes
/// wait unwrapped, where large payloads are shared.
void StreamDriver::write_layers() {
    while (!is_write_blocked_) {
        if (layered_->wire && layered_->wire->unsent_bytes() != 0) {
            send_some(*layered_->wire);
        } else if (output_ && output_->unsent_bytes() != 0) {
            wrap_some();
        } else {
            break;
        }
    }
    if (layered_->wire && layered_->wire->unsent_bytes() == 0) {
        loop_.give_back(std::move(layered_->wire));
    }
}

void StreamDriver::wrap_some() {
    constexpr std::size_t step_bytes_max = 64 * 1024;
    struct iovec parts[64];
    const std::size_t count = output_->fill(parts, 64);
    std::size_t wrapped = 0;
    for (std::size_t i = 0; i < count && wrapped < step_bytes_max; ++i) {
        const std::size_t size = std::min(parts[i].iov_len, step_bytes_max - wrapped);
        layered_->stack.send({static_cast<const std::uint8_t*>(parts[i].iov_base), size},
                             loop_.scratch(), wire());
        wrapped += size;
    }
    output_->advance(wrapped);
}

void StreamDriver::say_goodbye() {
    layered_->stack.say_goodbye(loop_.scratch(), wire());
}

// ---------------------------------------------------------------------------------------- time

/// One timer serves the machine and the layers.
void StreamDriver::arm_layered() {
    if (state_ == State::open) {
        loop_.timers().schedule(
            *this, std::min(layered_->machine_deadline, layered_->stack.next_deadline()));
    }
}

void StreamDriver::on_layered_deadline() {
    const MonotonicTime now = loop_.now();
    layered_->stack.on_deadline(now, loop_.scratch(), wire());
    settle_wire();
    if (layered_->machine_deadline <= now) {
        layered_->machine_deadline = never;
        tell_deadline();
    }
    if (layered_) {
        arm_layered();
    }
}

// ------------------------------------------------------------------------------------- upgrade

void StreamDriver::upgrade(std::shared_ptr<const StreamUpgrade> successor) {
    if (state_ != State::open) {
        return;
    }
    if (!layered_) {
        layered_ = std::make_unique<LayeredState>(LayerStack::Layers{});
    }
    layered_->upgrade = std::move(successor);
    state_ = State::upgrading;
    if (!is_in_machine_) {
        loop_.add_leaving(*this);
    }
}

void StreamDriver::perform_upgrade() {
    state_ = State::open;
    machine_.reset();
    loop_.timers().cancel(*this);
    wants_drained = false;
    is_paused_ = false;
    while (output_ && output_->unsent_bytes() != 0) {
        wrap_some();  // the old machine's last words, in the old layers
    }
    auto layer = layered_->upgrade->make_layer();
    const bool has_layer = layer != nullptr;
    if (has_layer) {
        layered_->stack.push(std::move(layer));
    }
    layered_->machine_deadline = never;
    make_machine();
    settle_wire();
    arm_layered();
    const auto rest = std::exchange(input_, nullptr);
    if (rest && has_layer) {
        take(layered_->stack.receive_at_top(rest->view(), loop_.scratch(), wire()));
    } else if (rest) {
        give(rest->view());
    }
    update_interest();
}

}  // namespace gw::transport
