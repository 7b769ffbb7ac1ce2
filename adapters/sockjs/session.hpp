#pragma once

#include "adapters/sockjs/endpoint.hpp"
#include "broker-core/base/timer_wheel.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace gw::sockjs {

class Hub;
class Session;

/// A timer of a hub.
class HubTimer : public TimerNode {
public:
    virtual ~HubTimer() = default;
    virtual void on_timer() = 0;
};

/// Which session, all over the program.
struct SessionKey {
    std::uint32_t worker = 0;  // that has the session
    std::uint64_t number = 0;
    bool operator==(const SessionKey&) const = default;
};

/// Where a session's frames go: a response that is under way. One transport's way to write them.
class Receiver {
public:
    virtual ~Receiver() = default;
    /// Sends a frame; false when the response has ended with it.
    virtual bool send(std::string_view frame) = 0;
    /// Ends the response.
    virtual void end() = 0;
    /// Whether the client reads slower than we write: on_receiver_drained() comes later.
    virtual bool is_congested() const = 0;
    /// The session has no more to do with it.
    virtual void on_released() = 0;
};

/// A session over the HTTP transports: outlives requests, of which one at a time receives. On the
/// worker that its id names; the protocol's machine may be elsewhere.
class Session final : public HubTimer {
public:
    Session(Hub& hub, EndpointPtr endpoint, std::string id, SessionKey key);

    /// A request that receives. When another one does already, it is told so instead.
    void attach(Receiver& receiver);
    /// The receiving request is gone before the response was whole.
    void on_receiver_lost(Receiver& receiver);
    void on_receiver_drained();

    enum class Taken : std::uint8_t { yes, later, refused };
    /// Messages of a client. `later`: tell the client when `on_room` is called.
    Taken take(std::vector<std::string> messages);
    /// Called once, when there is room again for messages or the session is over.
    void wait_for_room(std::function<void()> on_room) { waiting_.push_back(std::move(on_room)); }

    // From the machine, wherever it is.
    void on_output(Bytes bytes);
    void on_consumed(std::size_t bytes);
    void on_machine_moved(std::uint32_t worker) { machine_worker_ = worker; }
    void on_machine_closed();

    void on_timer() override;
    void on_shutdown();

    SessionKey key() const { return key_; }
    const std::string& id() const { return id_; }
    const Endpoint& endpoint() const { return *endpoint_; }

private:
    void deliver();
    void release_receiver();
    void close(CloseReason reason);
    void tell_room();
    void arm();

    Hub& hub_;
    EndpointPtr endpoint_;
    std::string id_;
    SessionKey key_;
    Payload payload_;
    std::string pending_;               // JSON strings with commas, not yet delivered
    std::size_t pending_bytes_ = 0;     // of the machine, in them
    std::size_t unconsumed_bytes_ = 0;  // on their way to the machine
    Receiver* receiver_ = nullptr;
    std::vector<std::function<void()>> waiting_;
    std::optional<CloseReason> closed_;
    std::optional<std::uint32_t> machine_worker_;  // none: there is no machine (any more)
    bool is_opened_ = false;
};

}  // namespace gw::sockjs
