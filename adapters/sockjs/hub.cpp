#include "adapters/sockjs/hub.hpp"

#include "broker-core/base/hash.hpp"

#include <algorithm>
#include <utility>

namespace gw::sockjs {

namespace {

std::string table_key(const Endpoint& endpoint, std::string_view id, std::string_view owner) {
    std::string key = endpoint.scope;
    key += '\n';
    key += id;
    key += '\n';
    return key.append(owner);
}

}  // namespace

Hub::Hub(Port port) : port_(std::move(port)), timers_(port_.now()) {}

Hub::~Hub() {
    for (const auto& [key, session] : sessions_) {
        timers_.cancel(*session);
    }
}

std::uint32_t Hub::worker_of(std::string_view id, std::uint32_t worker_count) {
    static const std::uint64_t key = draw_hash_key();
    return static_cast<std::uint32_t>(hash_text(id, key) % worker_count);
}

// ------------------------------------------------------------------------------------- sessions

Session* Hub::find(const Endpoint& endpoint, std::string_view id, std::string_view owner) {
    const auto found = sessions_.find(table_key(endpoint, id, owner));
    return found == sessions_.end() ? nullptr : found->second.get();
}

Session* Hub::open(const EndpointPtr& endpoint, std::string_view id, std::string_view owner,
                   PeerInfo peer) {
    if (sessions_.size() >= endpoint->session_count_max) {
        return nullptr;
    }
    const SessionKey key{port_.worker, next_number_++};
    auto made = std::make_unique<Session>(*this, endpoint, table_key(*endpoint, id, owner), key);
    Session* const session = made.get();
    by_number_.emplace(key.number, session);
    sessions_.emplace(session->id(), std::move(made));
    if (endpoint->service == Service::protocol) {
        take_over({endpoint, key, std::move(peer), {}, 0});
    }
    return session;
}

void Hub::remove(Session& session) {
    timers_.cancel(session);
    by_number_.erase(session.key().number);
    sessions_.erase(std::string{session.id()});
}

// ------------------------------------------------------------------------------- between the two

void Hub::to_host(std::uint32_t worker, SessionKey key, std::function<void(MachineHost&)> task) {
    if (worker != port_.worker) {
        port_.post(worker, [key, task = std::move(task)](Hub& hub) {
            hub.to_host(hub.worker(), key, task);
        });
        return;
    }
    const auto found = hosts_.find(key);
    if (found != hosts_.end()) {
        task(*found->second);
    }
}

void Hub::to_session(SessionKey key, std::function<void(Session&)> task) {
    if (key.worker != port_.worker) {
        port_.post(key.worker,
                   [key, task = std::move(task)](Hub& hub) { hub.to_session(key, task); });
        return;
    }
    const auto found = by_number_.find(key.number);
    if (found != by_number_.end()) {
        task(*found->second);
    }
}

/// The session hears of it before anything else can be sent to the machine: machines begin on the
/// session's worker and move from there, to the worker that owns the client. One that would move on
/// from elsewhere could lose what is on its way; there is none.
void Hub::hand_over(std::uint32_t worker, MovingHost host) {
    const SessionKey key = host.key;
    if (key.worker != port_.worker) {
        to_session(key, [](Session& session) { session.on_machine_closed(); });
        return;
    }
    to_session(key, [worker](Session& session) { session.on_machine_moved(worker); });
    auto moving = std::make_shared<MovingHost>(std::move(host));
    port_.post(worker, [moving](Hub& hub) { hub.take_over(std::move(*moving)); });
}

void Hub::take_over(MovingHost host) {
    auto made = std::make_unique<MachineHost>(*this, std::move(host.endpoint), host.key,
                                              std::move(host.peer));
    MachineHost& added = *made;
    hosts_[host.key] = std::move(made);
    added.start(std::move(host.input), host.undelivered_bytes);
}

// -------------------------------------------------------------------------------------- the turn

void Hub::schedule(HubTimer& timer, Milliseconds delay) {
    timers_.schedule(timer, port_.now() + delay);
}

void Hub::on_deadline() {
    while (TimerNode* const node = timers_.pop_expired(port_.now())) {
        static_cast<HubTimer&>(*node).on_timer();
    }
}

MonotonicTime Hub::next_deadline() const {
    return dirty_.empty() ? timers_.next_deadline() : port_.now();
}

void Hub::settle() {
    // What machines write because of what they are told may be more; the rest waits a turn.
    for (int round = 0; round < 8 && !dirty_.empty(); ++round) {
        for (const SessionKey key : std::exchange(dirty_, {})) {
            const auto found = hosts_.find(key);
            if (found != hosts_.end() && !found->second->settle()) {
                const auto gone = std::move(found->second);  // its machine may call back
                hosts_.erase(found);
            }
        }
    }
}

void Hub::on_shutdown(ReasonCode reason) {
    is_shutting_down_ = true;
    std::vector<SessionKey> keys;
    for (const auto& [key, host] : hosts_) {
        keys.push_back(key);
    }
    for (const SessionKey key : keys) {
        to_host(port_.worker, key, [reason](MachineHost& host) { host.on_shutdown(reason); });
    }
    settle();
    for (const auto& [number, session] : by_number_) {
        session->on_shutdown();
    }
}

}  // namespace gw::sockjs
