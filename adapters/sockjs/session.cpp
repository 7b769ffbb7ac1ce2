#include "adapters/sockjs/session.hpp"

#include "adapters/sockjs/hub.hpp"
#include "adapters/sockjs/machine_host.hpp"
#include "adapters/sockjs/text.hpp"

#include <algorithm>
#include <utility>

namespace gw::sockjs {

namespace {

/// What may be on its way to a machine, and what an echo may keep.
constexpr std::size_t unconsumed_bytes_max = 1 << 20;

}  // namespace

Session::Session(Hub& hub, EndpointPtr endpoint, std::string id, SessionKey key)
    : hub_(hub),
      endpoint_(std::move(endpoint)),
      id_(std::move(id)),
      key_(key),
      payload_(endpoint_->content) {
    if (endpoint_->service == Service::protocol) {
        machine_worker_ = key_.worker;
    }
}

// ------------------------------------------------------------------------------------ receiving

void Session::attach(Receiver& receiver) {
    if (receiver_ != nullptr) {
        if (receiver.send(close_frame(another_connection.code, another_connection.text))) {
            receiver.end();
        }
        receiver.on_released();
        return;
    }
    receiver_ = &receiver;
    if (!is_opened_) {
        is_opened_ = true;
        if (endpoint_->service == Service::close) {
            closed_ = go_away;
        }
        if (!receiver.send("o")) {
            release_receiver();
        }
    }
    deliver();
    arm();
}

void Session::deliver() {
    if (receiver_ == nullptr || receiver_->is_congested()) {
        return;
    }
    if (!pending_.empty()) {
        const std::string frame = "a[" + std::exchange(pending_, {}) + "]";
        const std::size_t bytes = std::exchange(pending_bytes_, 0);
        if (bytes != 0 && machine_worker_) {
            hub_.to_host(*machine_worker_, key_,
                         [bytes](MachineHost& host) { host.on_delivered(bytes); });
        }
        if (!receiver_->send(frame)) {
            release_receiver();
            arm();
        }
        tell_room();
    }
    if (receiver_ != nullptr && closed_) {
        if (receiver_->send(close_frame(closed_->code, closed_->text))) {
            receiver_->end();
        }
        release_receiver();
        arm();
    }
}

void Session::release_receiver() {
    std::exchange(receiver_, nullptr)->on_released();
}

/// A network that fails while a response is under way may have lost messages: the session is over
/// (sockjs-protocol 0.3.3, "Handling close").
void Session::on_receiver_lost(Receiver& receiver) {
    if (receiver_ == &receiver) {
        receiver_ = nullptr;
        close(interrupted);
        arm();
    }
}

void Session::on_receiver_drained() {
    deliver();
}

// -------------------------------------------------------------------------------------- sending

Session::Taken Session::take(std::vector<std::string> messages) {
    if (closed_ || !is_opened_) {
        return Taken::refused;
    }
    if (endpoint_->service == Service::echo) {
        for (const std::string& message : messages) {
            pending_ += pending_.empty() ? "" : ",";
            append_json(pending_, message);
        }
        deliver();
        return pending_.size() > unconsumed_bytes_max ? Taken::later : Taken::yes;
    }
    ByteBuffer bytes;
    for (std::string& message : messages) {
        if (!payload_.take(std::move(message), bytes)) {
            close(broken_content);
            deliver();
            return Taken::yes;
        }
    }
    if (bytes.empty() || !machine_worker_) {
        return Taken::yes;
    }
    unconsumed_bytes_ += bytes.size();
    hub_.to_host(*machine_worker_, key_,
                 [text = std::string{as_text(bytes.view())}](MachineHost& host) {
                     host.on_input(as_bytes(text));
                 });
    return unconsumed_bytes_ > unconsumed_bytes_max ? Taken::later : Taken::yes;
}

void Session::on_consumed(std::size_t bytes) {
    unconsumed_bytes_ -= std::min(bytes, unconsumed_bytes_);
    tell_room();
}

void Session::tell_room() {
    if (!closed_ &&
        (unconsumed_bytes_ > unconsumed_bytes_max || pending_.size() > unconsumed_bytes_max)) {
        return;
    }
    for (const auto& on_room : std::exchange(waiting_, {})) {
        on_room();
    }
}

// ------------------------------------------------------------------------------ from the machine

void Session::on_output(Bytes bytes) {
    if (closed_) {
        return;
    }
    std::string json;
    if (payload_.give(bytes, json)) {
        pending_ += pending_.empty() ? "" : ",";
        pending_ += json;
    }
    pending_bytes_ += bytes.size();
    deliver();
}

void Session::on_machine_closed() {
    machine_worker_.reset();
    close(hub_.is_shutting_down() ? going_away : normal_closure);
    deliver();
    if (receiver_ == nullptr) {
        arm();
    }
}

// --------------------------------------------------------------------------------------- ending

/// What is pending is still delivered, before the frame that says so.
void Session::close(CloseReason reason) {
    if (closed_) {
        return;
    }
    closed_ = reason;
    if (machine_worker_) {
        hub_.to_host(*std::exchange(machine_worker_, std::nullopt), key_,
                     [](MachineHost& host) { host.on_session_closed(); });
    }
    tell_room();
}

void Session::arm() {
    hub_.schedule(*this, receiver_ != nullptr ? endpoint_->heartbeat : endpoint_->disconnect_delay);
}

void Session::on_timer() {
    if (receiver_ == nullptr) {
        close(interrupted);
        hub_.remove(*this);  // destroys this
        return;
    }
    if (!receiver_->is_congested() && !receiver_->send("h")) {
        release_receiver();
    }
    arm();
}

/// The machine hears of it by itself.
void Session::on_shutdown() {
    if (!closed_) {
        closed_ = going_away;
        tell_room();
    }
    deliver();
}

}  // namespace gw::sockjs
