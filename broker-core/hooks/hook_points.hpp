#pragma once

#include "broker-core/message/identity.hpp"
#include "broker-core/message/message.hpp"
#include "broker-core/message/reason.hpp"

#include <memory>
#include <string_view>
#include <vector>

namespace gw {

/// What may watch the broker, and in two places veto. Registered at start, in order; called by the
/// worker that owns the session, by several workers at once, and must not block. Every function
/// has a default that does nothing.
class HookPoints {
public:
    virtual ~HookPoints() = default;

    /// After authentication, for success and refusal alike, before the answer is sent.
    virtual void on_client_connect(const ClientIdentity&, ReasonCode /*reason*/) {}
    virtual void on_client_connected(const ClientIdentity&, bool /*session_present*/) {}
    /// For every end of a connection that was accepted, takeover included.
    virtual void on_client_disconnected(const ClientIdentity&, ReasonCode /*reason*/) {}
    virtual void on_session_created(const ClientIdentity&) {}
    virtual void on_session_ended(const ClientIdentity&, ReasonCode /*reason*/) {}
    virtual void on_session_subscribed(const ClientIdentity&, std::string_view /*filter*/) {}
    virtual void on_session_unsubscribed(const ClientIdentity&, std::string_view /*filter*/) {}
    /// Before a message is retained and routed; the publisher has the right to publish it. May put
    /// another message in its place. False drops it: the publisher is told success, as EMQ did.
    virtual bool on_message_publish(MessagePtr&) { return true; }
    /// Before a copy is handed to the client's connection.
    virtual void on_message_delivered(const ClientIdentity& /*receiver*/, const Message&) {}
    /// At PUBACK or PUBREC.
    virtual void on_message_acked(const ClientIdentity& /*receiver*/, const Message&) {}
};

using HookList = std::vector<std::shared_ptr<HookPoints>>;

}  // namespace gw
