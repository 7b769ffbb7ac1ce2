#pragma once

#include "broker-core/broker/connect_request.hpp"
#include "broker-core/message/message.hpp"
#include "broker-core/message/reason.hpp"
#include "broker-core/storage/storage.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace gw {

/// One copy of a message as it is handed to a connection; borrowed for the call.
struct DeliveryView {
    const Message& message;
    std::span<const std::uint32_t>
        identifiers;              // of all matching subscriptions, private ones marked
    std::uint16_t packet_id = 0;  // 0 at QoS 0
    Qos qos = Qos::at_most_once;
    bool retain = false;
    bool is_resend = false;
};

/// The connection of a session, seen from the core: implemented by each protocol's machine. All
/// calls come from the session's worker. None of them may call back into the Broker, except that
/// on_access_decided(), on_login_decided() and on_stored() may go on with what had waited, and
/// on_session_found() may make the session last.
class SessionLink {
public:
    virtual ~SessionLink() = default;

    /// Puts the copy into the output. False when it is above the client's maximum packet size:
    /// the copy is then given up, as if it had been sent and acknowledged (MQTT 5.0, 3.1.2.11.4).
    virtual bool on_delivery(const DeliveryView& delivery) = 0;
    /// Sends PUBREL again on a new connection.
    virtual void on_release(std::uint16_t packet_id) = 0;
    /// The broker has given the session another connection, or ended it: say why and close. The
    /// session is gone for this link from here on.
    virtual void on_session_lost(ReasonCode reason) = 0;
    /// The client has no right to this subscription any more; the broker has ended it.
    virtual void on_subscription_lost(std::string_view /*filter*/) {}
    /// What was written up to `ticket` is safe: acknowledgements that wait for it may leave. Or
    /// what belongs to just this ticket could not be stored, and must not be acknowledged; then
    /// everything before it was reported. reason_of() says what to tell the client.
    virtual void on_stored(StoreTicket ticket, StoreOutcome outcome) = 0;
    /// The access policy has an answer to what was pending.
    virtual void on_access_decided() = 0;
    /// What became of a login that was pending; its token says which.
    virtual void on_login_decided(LoginAnswer& answer) = 0;
    /// The login gives this link the session that is there, which may have another connection yet:
    /// before anything is done with it. What the client has with it may change the terms.
    virtual void on_session_found(Session& /*session*/, SessionTerms& /*terms*/) {}

    /// While `conflates_queue`: how many messages of this topic the queue may hold; older ones give
    /// way to the newest. 0: all.
    virtual std::uint32_t queued_count_max(std::string_view /*topic*/) const { return 0; }

    /// Set by the connection while more output waits for its socket than it should hold; then no
    /// deliveries are handed over, and Broker::on_writable() must follow.
    bool is_output_blocked = false;
    /// Set by the connection while queued_count_max() is to be asked: its client sleeps.
    bool conflates_queue = false;
};

}  // namespace gw
