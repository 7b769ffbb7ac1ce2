#pragma once

#include "adapters/sockjs/machine_host.hpp"
#include "adapters/sockjs/session.hpp"
#include "broker-core/base/hash.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gw::sockjs {

/// The sessions over HTTP that a worker has, and the machines of such sessions, its own or others'.
/// One a worker, all known to each other; its worker's thread.
class Hub {
public:
    struct Port {
        std::uint32_t worker = 0;
        std::uint32_t worker_count = 1;
        /// Runs a task on a worker in its next turn, those of one sender in their order.
        std::function<void(std::uint32_t worker, std::function<void(Hub&)>)> post{};
        std::function<MonotonicTime()> now{};
    };

    explicit Hub(Port port);
    ~Hub();

    /// The worker of a session; the same for all requests of a client's session.
    static std::uint32_t worker_of(std::string_view id, std::uint32_t worker_count);
    std::uint32_t worker() const { return port_.worker; }
    std::uint32_t worker_count() const { return port_.worker_count; }

    /// The session of that id which its owner has opened. The same id of somebody else is another
    /// session. Null: there is none.
    Session* find(const Endpoint& endpoint, std::string_view id, std::string_view owner);
    /// Null: there are too many.
    Session* open(const EndpointPtr& endpoint, std::string_view id, std::string_view owner,
                  PeerInfo peer);

    // The turn
    void on_deadline();
    MonotonicTime next_deadline() const;
    void settle();
    void on_shutdown(ReasonCode reason);

    // --- for sessions and machine hosts
    struct MovingHost {
        EndpointPtr endpoint;
        SessionKey key;
        PeerInfo peer;
        ByteBuffer input;
        std::size_t undelivered_bytes = 0;
    };
    /// To the machine of a session; nothing happens when it has gone.
    void to_host(std::uint32_t worker, SessionKey key, std::function<void(MachineHost&)> task);
    /// To a session, perhaps of another worker; nothing happens when it has gone.
    void to_session(SessionKey key, std::function<void(Session&)> task);
    void hand_over(std::uint32_t worker, MovingHost host);
    void remove(Session& session);
    bool is_shutting_down() const { return is_shutting_down_; }
    void add_dirty(SessionKey key) { dirty_.push_back(key); }
    void schedule(HubTimer& timer, Milliseconds delay);
    void schedule_at(HubTimer& timer, MonotonicTime when) { timers_.schedule(timer, when); }
    void cancel(HubTimer& timer) { timers_.cancel(timer); }

private:
    struct KeyHash {
        std::size_t operator()(const SessionKey& key) const {
            return std::hash<std::uint64_t>{}(key.number * 256 + key.worker);
        }
    };

    void take_over(MovingHost host);

    Port port_;
    TimerWheel timers_;
    NameTable<std::unique_ptr<Session>> sessions_;  // by scope, id and owner
    std::unordered_map<std::uint64_t, Session*> by_number_;
    std::unordered_map<SessionKey, std::unique_ptr<MachineHost>, KeyHash> hosts_;
    std::vector<SessionKey> dirty_;
    std::uint64_t next_number_ = 1;
    bool is_shutting_down_ = false;
};

}  // namespace gw::sockjs
