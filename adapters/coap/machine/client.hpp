#pragma once

#include "adapters/coap/machine/state.hpp"
#include "broker-core/base/rate_limit.hpp"
#include "broker-core/base/slim_vector.hpp"
#include "broker-core/broker/broker.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace gw::coap {

class Machine;

/// A client and its session, from its first request until it has been silent for too long: the
/// session's link to the endpoints from which the client speaks. Kept by the machine of the worker
/// that owns the session.
class Client final : public SessionLink, public Timed {
public:
    Client(Machine& machine, std::uint32_t index)
        : Timed(Kind::client), machine_(machine), index_(index) {}

    /// What POST /mqtt/connection has made: the client is the one with the token, wherever it is.
    struct Connection {
        std::uint64_t token = 0;
        Seconds keep_alive{0};
        DatagramPeer made_from;  // and by which message, should it come again
        std::uint16_t made_by = 0;
        bool is_suspended = false;  // the client is not where it was; notifications wait for it
    };
    /// A message whose filter nobody observes now; it waits for an observer.
    struct Parked {
        MessagePtr message;
        std::uint16_t packet_id = 0;
    };
    /// What few clients need.
    struct Extra {
        std::optional<Connection> connection;
        std::vector<Parked> parked;
        std::unordered_map<std::uint16_t, std::uint32_t> notices_left;  // of one delivery
        std::vector<std::uint32_t> waiting;                             // deferred requests
        std::optional<RateLimit> rate;
    };

    // SessionLink
    bool on_delivery(const DeliveryView& delivery) override;
    void on_release(std::uint16_t packet_id) override;
    void on_session_lost(ReasonCode reason) override;
    void on_subscription_lost(std::string_view filter) override;
    void on_stored(StoreTicket ticket, StoreOutcome outcome) override;
    void on_access_decided() override;
    void on_login_decided(LoginAnswer& answer) override;
    void on_session_found(Session& session, SessionTerms& terms) override;

    Machine& machine() { return machine_; }
    std::uint32_t index() const { return index_; }
    Extra& extra() {
        if (!extra_) {
            extra_ = std::make_unique<Extra>();
        }
        return *extra_;
    }
    Extra* find_extra() { return extra_.get(); }
    Connection* connection() {
        return extra_ && extra_->connection ? &*extra_->connection : nullptr;
    }
    const Connection* find_connection() const {
        return extra_ && extra_->connection ? &*extra_->connection : nullptr;
    }

    Session* session = nullptr;  // null: it is over, the client will go
    Endpoint* home = nullptr;    // with a connection: where the client is; else of its own
    std::uint64_t login_hash = 0;
    MonotonicTime seen_at{};
    SlimVector<Subscription*> subscriptions;  // by identifier - 1; null where one has ended
    std::uint32_t observation_count = 0;
    std::uint32_t subscription_count = 0;  // that have not ended
    bool is_by_endpoint = false;           // has no client id of its own
    bool has_started = false;              // deliveries flow
    bool keeps_expiry = false;             // it asks for no session of its own, and changes none
    bool was_persistent = false;           // its session was there before, and stays

private:
    Machine& machine_;
    const std::uint32_t index_;
    std::unique_ptr<Extra> extra_;
};

}  // namespace gw::coap
