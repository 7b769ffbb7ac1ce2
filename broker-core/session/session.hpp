#pragma once

#include "broker-core/base/clock.hpp"
#include "broker-core/base/ring.hpp"
#include "broker-core/base/timer_wheel.hpp"
#include "broker-core/message/identity.hpp"
#include "broker-core/message/message.hpp"
#include "broker-core/retained/retained_store.hpp"
#include "broker-core/router/router.hpp"
#include "broker-core/session/exactly_once.hpp"
#include "broker-core/session/inflight_window.hpp"
#include "broker-core/session/outbound_queue.hpp"
#include "broker-core/session/will.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gw {

class SessionLink;

/// Retained messages still to be sent for one new subscription, page by page.
struct RetainedReplay {
    std::string filter;
    RetainedCursor cursor;
    RetainedCursor given;  // behind what the session has got: where another process goes on
    SubscriptionOptions options;
    std::vector<MessagePtr> page;  // found, and no room for them so far; the next one last
    bool is_last_page = false;
    bool is_passing = false;       // SubscribeRequest::is_passing
    bool is_given_stored = false;  // the store knows of a place behind which it goes on
    bool is_restored = false;      // begun by an earlier process
};

/// "Never expires" as a session expiry interval (MQTT 5.0, 3.1.2.11.2).
inline constexpr std::uint32_t session_never_expires = 0xffffffff;

/// State of one client that outlives its connections (MQTT 5.0, 4.1). Addressed by client id
/// whatever protocol it comes by. Owned and changed by the Broker of its worker only; adapters hold
/// a reference while their connection is the session's link. The timer that it is runs while there
/// is no link: session expiry and delayed will.
struct Session : TimerNode {
    IdentityPtr identity;  // of the latest connection
    SessionLink* link = nullptr;
    SubscriptionList subscriptions;
    InflightWindow inflight;
    OutboundQueue queue;
    std::unique_ptr<ExactlyOnce> exactly_once;  // made when first needed
    std::unique_ptr<Will> will;
    std::unique_ptr<Ring<RetainedReplay>> replays;
    std::unique_ptr<std::string> adapter_state;  // see Broker::set_adapter_state()
    SessionLoadPtr load;                         // made when the session first joins a shared group
    MonotonicTime ends_at = never;
    MonotonicTime will_at = never;
    std::uint64_t store_id = 0;         // the session's number in the store; 0: not stored
    std::uint64_t last_sequence = 0;    // of its deliveries at QoS 1 and 2
    std::uint32_t expiry_interval = 0;  // seconds, or session_never_expires
    std::uint32_t dropped_count = 0;
    std::uint32_t unsent_resends = 0;  // in-flight deliveries not yet sent on this connection
    std::uint16_t inflight_max = 0;
    bool waits_for_store : 1 = true;   // its client hears only of what is stored
    bool no_local_always : 1 = false;  // bridges, and 3.x clients by mqtt.ignore_loop_deliver
    bool is_starting : 1 = false;      // between connect() and start_delivery(): nothing goes out
    bool is_leaving : 1 = false;       // its client has said goodbye, which changes what is stored
    bool is_pumping : 1 = false;
    bool is_loading : 1 = false;  // bodies of queued messages are on their way from the store
    bool is_revision_pending : 1 = false;   // some of its subscriptions wait for an access answer
    bool is_identity_restored : 1 = false;  // from the store, which does not know all of its rights

    SessionRef ref() const { return identity->session; }
    const std::string& client_id() const { return identity->client_id; }
    bool is_persistent() const { return expiry_interval != 0; }
};

}  // namespace gw
