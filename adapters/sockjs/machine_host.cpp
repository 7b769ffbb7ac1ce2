#include "adapters/sockjs/machine_host.hpp"

#include "adapters/sockjs/hub.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace gw::sockjs {

MachineHost::MachineHost(Hub& hub, EndpointPtr endpoint, SessionKey key, PeerInfo peer)
    : hub_(hub), endpoint_(std::move(endpoint)), key_(key), peer_(std::move(peer)) {}

MachineHost::~MachineHost() {
    machine_.reset();  // while all else is there: it may still speak
    hub_.cancel(*this);
}

void MachineHost::start(ByteBuffer input, std::size_t undelivered_bytes) {
    input_ = std::move(input);
    undelivered_bytes_ = undelivered_bytes;
    machine_ = endpoint_->make_machine(hub_.worker(), *this, peer_);
    feed();
}

void MachineHost::mark_dirty() {
    if (!is_dirty_) {
        is_dirty_ = true;
        hub_.add_dirty(key_);
    }
}

// -------------------------------------------------------------------------------- the connection

ByteBuffer& MachineHost::output() {
    mark_dirty();
    return output_;
}

void MachineHost::gather(const MessagePtr&, Bytes bytes) {
    output().append(bytes);
}

void MachineHost::set_deadline(MonotonicTime when) {
    hub_.schedule_at(*this, when);
}

void MachineHost::resume_reading() {
    is_paused_ = false;
    is_resumed_ = true;
    mark_dirty();
}

void MachineHost::close(CloseMode mode) {
    if (mode == CloseMode::abort) {
        output_.clear();
    }
    is_closed_ = true;
    mark_dirty();
}

void MachineHost::move_to(std::uint32_t worker) {
    moves_to_ = worker;
    mark_dirty();
}

// --------------------------------------------------------------------------------- from the
// session

void MachineHost::on_input(Bytes bytes) {
    if (!is_closed_) {
        input_.append(bytes);
        feed();
    }
}

void MachineHost::feed() {
    if (is_paused_ || is_closed_ || is_session_closed_ || moves_to_ || input_.empty()) {
        return;
    }
    const std::size_t consumed = std::min(machine_->on_bytes(input_.view()), input_.size());
    if (consumed == input_.size()) {
        input_.release();
    } else {
        input_.consume(consumed);
    }
    if (consumed != 0) {
        hub_.to_session(key_, [consumed](Session& session) { session.on_consumed(consumed); });
    }
}

void MachineHost::on_delivered(std::size_t bytes) {
    undelivered_bytes_ -= std::min(bytes, undelivered_bytes_);
    if (wants_drained && unsent_bytes() == 0) {
        mark_dirty();
    }
}

void MachineHost::on_session_closed() {
    if (!is_closed_ && !is_session_closed_) {
        is_session_closed_ = true;
        machine_->on_closed(ReasonCode::connection_lost);
    }
    mark_dirty();
}

// ----------------------------------------------------------------------------------------- events

void MachineHost::on_timer() {
    if (!is_closed_ && !is_session_closed_ && !moves_to_) {
        machine_->on_deadline();
    }
}

void MachineHost::on_shutdown(ReasonCode reason) {
    if (!is_closed_ && !is_session_closed_) {
        machine_->on_shutdown(reason);
        mark_dirty();
    }
}

bool MachineHost::settle() {
    is_dirty_ = false;
    if (is_session_closed_) {
        return false;
    }
    if (std::exchange(is_resumed_, false)) {
        feed();
    }
    if (!output_.empty()) {
        undelivered_bytes_ += output_.size();
        hub_.to_session(key_, [text = std::string{as_text(output_.view())}](Session& session) {
            session.on_output(as_bytes(text));
        });
        output_.release();
    } else if (wants_drained && undelivered_bytes_ == 0 && !is_closed_ && !moves_to_) {
        wants_drained = false;
        machine_->on_output_drained();
    }
    if (is_closed_) {
        hub_.to_session(key_, [](Session& session) { session.on_machine_closed(); });
        return false;
    }
    if (!moves_to_) {
        return true;
    }
    machine_.reset();
    hub_.hand_over(*moves_to_,
                   {endpoint_, key_, std::move(peer_), std::move(input_), undelivered_bytes_});
    return false;
}

}  // namespace gw::sockjs
