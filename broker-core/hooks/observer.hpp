#pragma once

#include "broker-core/hooks/hook_point.hpp"
#include "broker-core/message/identity.hpp"
#include "broker-core/message/message.hpp"
#include "broker-core/message/reason.hpp"

#include <string_view>

namespace gw {

/// What watches the broker, and cannot change anything. Called by the worker that owns the session,
/// by several workers at once, and must not block, nor call the broker: what it wants done goes to
/// the session's owner by SessionActions. Every function has a default that does nothing.
class Observer {
public:
    virtual ~Observer() = default;

    /// What it wants to be told. Asked once, when it is put into a HookSet.
    virtual HookMask points() const { return HookMask::all(); }

    /// After authentication, for success and refusal alike, before the answer is sent.
    virtual void on_client_connect(const ClientIdentity&, ReasonCode /*reason*/) {}
    virtual void on_client_connected(const ClientIdentity&, bool /*session_present*/) {}
    /// For every end of a connection that was accepted, takeover included.
    virtual void on_client_disconnected(const ClientIdentity&, ReasonCode /*reason*/) {}
    virtual void on_session_created(const ClientIdentity&) {}
    virtual void on_session_ended(const ClientIdentity&, ReasonCode /*reason*/) {}
    /// The filter is the one in force, with its mount point.
    virtual void on_session_subscribed(const ClientIdentity&, std::string_view /*filter*/) {}
    virtual void on_session_unsubscribed(const ClientIdentity&, std::string_view /*filter*/) {}
    /// A message that nothing speaks against, before it is retained and routed; wills included.
    virtual void on_message_published(const Message&) {}
    /// Before a copy is handed to the client's connection.
    virtual void on_message_delivered(const ClientIdentity& /*receiver*/, const Message&) {}
    /// At PUBACK or PUBREC.
    virtual void on_message_acked(const ClientIdentity& /*receiver*/, const Message&) {}
};

}  // namespace gw
