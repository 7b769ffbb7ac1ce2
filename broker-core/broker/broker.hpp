#pragma once

#include "broker-core/base/random.hpp"
#include "broker-core/base/timer_wheel.hpp"
#include "broker-core/broker/exchange.hpp"
#include "broker-core/broker/options.hpp"
#include "broker-core/broker/session_link.hpp"
#include "broker-core/broker/session_table.hpp"
#include "broker-core/metrics/metrics.hpp"
#include "broker-core/session/session.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gw {

/// What a client asks for when it connects, once it is authenticated; borrowed for the call.
struct OpenSession {
    std::string_view client_id;  // not empty; Broker::make_client_id() makes one
    std::string_view peer;
    Protocol protocol = Protocol::internal;
    bool is_administrator = false;
    bool is_bridge = false;
    bool clean_start = true;
    std::uint32_t expiry_interval = 0;  // seconds, or session_never_expires
    std::uint16_t receive_maximum = 65535;
    std::unique_ptr<Will> will;  // taken over when the session opens
};

struct OpenedSession {
    ReasonCode reason = ReasonCode::success;
    Session* session = nullptr;  // null when refused
    bool session_present = false;
    std::uint32_t expiry_interval = 0;  // granted; may be less than asked for
};

/// How a connection ended, as far as the session cares.
struct ConnectionEnd {
    ReasonCode reason = ReasonCode::success;
    bool discard_will = false;
    std::optional<std::uint32_t> expiry_interval;  // new one, from an MQTT 5 DISCONNECT
};

struct SubscribeRequest {
    const TopicFilter& filter;
    SubscriptionOptions options;
    enum class Retained : std::uint8_t { send, send_if_new, do_not_send } retained = Retained::send;
};

/// Answer to a publish: `reason` says success, no matching subscribers, or why not. When `ticket`
/// is not 0, a success may be acknowledged only after SessionLink::on_stored() named a ticket as
/// high.
struct PublishOutcome {
    ReasonCode reason = ReasonCode::success;
    StoreTicket ticket = 0;
};

/// The broker core of one worker: owns the sessions whose client ids hash to it, and routes what
/// their clients publish. Pure: time, randomness, storage and the other workers come in from
/// outside. One thread; nothing here blocks.
class Broker {
public:
    Broker(BrokerShared& shared, const BrokerOptions& options, std::uint32_t worker,
           Exchange& exchange, Storage& storage, Now start, std::uint64_t seed);
    ~Broker();
    Broker(const Broker&) = delete;
    Broker& operator=(const Broker&) = delete;

    // --- driven by the worker's loop

    /// The time of this turn; set before anything else is called in it.
    void set_now(Now now) { now_ = now; }
    const Now& now() const { return now_; }
    MonotonicTime next_deadline() const { return timers_.next_deadline(); }
    /// Expires sessions and publishes delayed wills that are due.
    void on_deadline();
    /// A batch from another worker; emptied.
    void on_batch(CrossBatch& batch);
    /// Hands what this turn has for other workers to the exchange. At the end of each turn.
    void flush();
    void on_stored(StoreTicket ticket);
    void set_options(const BrokerOptions& options) { options_ = options; }

    // --- for adapters: sessions

    /// A random client id that this worker owns, for clients that bring none.
    std::string make_client_id();
    /// The worker that owns the client id; a connection must move there before open_session().
    std::uint32_t worker_of(std::string_view client_id) const {
        return shared_.worker_of(client_id);
    }
    /// Asks who the client is. Nothing: the answer comes to `link` as on_auth_decided() with the
    /// token that `token` was set to; a link that goes before must call forget_auth().
    std::optional<AuthDecision> authenticate(const Credentials& credentials, SessionLink& link,
                                             AuthToken& token);
    void on_auth_decided(AuthToken token, const AuthDecision& decision);
    void forget_auth(AuthToken token);
    std::unique_ptr<AuthExchange> begin_enhanced_auth(std::string_view method,
                                                      const Credentials& credentials);

    /// Gives the client its session, ended or resumed as asked, and ends its older connection. When
    /// accepted, `link` is the session's until close_connection() or on_session_lost().
    OpenedSession open_session(OpenSession&& request, const AuthDecision& auth, SessionLink& link);
    /// Tells hooks, events and counters of a CONNECT that was refused.
    void refuse_connect(const OpenSession& request, ReasonCode reason);
    /// After CONNACK was sent: sends again what is in flight, then what waited.
    void start_delivery(Session& session);
    /// The link is gone. The session ends, or waits for its client.
    void close_connection(Session& session, const ConnectionEnd& end);
    /// Output has drained: goes on with deliveries. Clear is_output_blocked before.
    void on_writable(Session& session) { pump(session); }
    /// Puts another principal in place after re-authentication. False: another user's session.
    bool reauthenticate(Session& session, const AuthDecision& decision);

    // --- for adapters: publish and subscribe

    AccessDecision authorize(const Session& session, const AccessRequest& request);
    void on_access_decided(SessionRef ref);

    /// Routes a message of this session's client, which authorize() has allowed.
    PublishOutcome publish(Session& session, MessagePtr message);
    /// As publish() at QoS 2: routes only when the packet id is not known yet.
    PublishOutcome publish_qos2(Session& session, MessagePtr message, std::uint16_t packet_id);
    /// PUBREL from the client. False: the packet id is not known.
    bool release_inbound(Session& session, std::uint16_t packet_id);
    std::size_t inbound_qos2_count(const Session& session) const {
        return session.inbound_qos2 ? session.inbound_qos2->size() : 0;
    }
    bool has_inbound_qos2(const Session& session, std::uint16_t packet_id) const {
        return session.inbound_qos2 && session.inbound_qos2->contains(packet_id);
    }
    /// What the broker itself says: $SYS and events.
    void publish_internal(std::string_view topic, std::string_view payload, bool retain,
                          Qos qos = Qos::at_most_once);

    /// Adds or replaces a subscription, whose filter authorize() has allowed. The result is the
    /// granted QoS or an error. Retained messages follow at send_retained().
    ReasonCode subscribe(Session& session, const SubscribeRequest& request);
    /// success or no_subscription_existed.
    ReasonCode unsubscribe(Session& session, const TopicFilter& filter);
    /// After SUBACK: begins to send the retained messages that subscribe() has found due.
    void send_retained(Session& session) { pump(session); }
    /// What a reply has to wait for that promises all done for this session so far; 0: nothing.
    StoreTicket store_ticket(const Session& session);

    // --- for adapters: acknowledgements of deliveries; false: the packet id is not in use so

    bool on_puback(Session& session, std::uint16_t packet_id, ReasonCode reason);
    bool on_pubrec(Session& session, std::uint16_t packet_id, ReasonCode reason);
    bool on_pubcomp(Session& session, std::uint16_t packet_id);

    // --- management

    /// Ends the client's connection. False: no such client here, or not connected.
    bool kick(std::string_view client_id, ReasonCode reason);
    Session* find_session(std::string_view client_id);
    template <class Visit>
    void for_each_session(const Visit& visit) {
        sessions_.for_each(visit);
    }

    Metrics& metrics() { return metrics_; }
    const BrokerOptions& options() const { return options_; }
    BrokerShared& shared() { return shared_; }
    std::uint32_t worker() const { return worker_; }
    Random& random() { return random_; }

private:
    struct PendingAuth {
        AuthToken token;
        SessionLink* link;
    };
    struct StoreWait {
        StoreTicket ticket;
        SessionRef session;
    };

    // broker_sessions.cpp
    IdentityPtr make_identity(const OpenSession& request, const AuthDecision& auth,
                              SessionRef ref) const;
    OpenedSession refuse(const OpenSession& request, ReasonCode reason);
    void take_over(Session& session);
    Session& create_session(const OpenSession& request, const AuthDecision& auth);
    void end_session(Session& session, ReasonCode reason);
    void redispatch_shared(Session& session, ReasonCode reason);
    void drop_waiting(Session& session);
    void publish_will(Session& session);
    void schedule(Session& session);
    void emit_connected(const Session& session, bool clean_start, ReasonCode reason);
    void emit_disconnected(const ClientIdentity& identity, ReasonCode reason);
    void emit_event(const ClientIdentity& identity, std::string_view event, std::string json);

    // broker.cpp
    void route(const MessagePtr& message, bool& matched);
    void retain(const MessagePtr& message);
    void deliver_targets(const MessagePtr& message, std::span<const RouteTarget> targets);
    void deliver(Session& session, const MessagePtr& message, std::span<const RouteTarget> targets,
                 const SharedGroupPtr* group);
    void deliver_shared(const MessagePtr& message, const SharedGroupPtr& group,
                        const RouteTarget& target);
    void dispatch_shared(const MessagePtr& message, const SharedGroupPtr& group,
                         const RouteTarget& target);
    bool may_receive(const Session& session, const Message& message);
    void enqueue(Session& session, Delivery delivery);
    void send_new(Session& session, Delivery delivery);
    bool send(Session& session, const Delivery& delivery);
    void pump(Session& session);
    void pump_once(Session& session, bool& progressed);
    bool pump_resends(Session& session);
    bool pump_replays(Session& session);
    void send_retained_message(Session& session, SubscriptionOptions options, MessagePtr message);
    void count_load(Session& session);

    BrokerShared& shared_;
    BrokerOptions options_;
    const std::uint32_t worker_;
    Exchange& exchange_;
    Storage& storage_;
    Now now_;
    Random random_;
    TimerWheel timers_;
    SessionTable sessions_;
    Metrics metrics_;
    std::vector<CrossBatch> outgoing_;  // by worker
    std::vector<PendingAuth> pending_auths_;
    AuthToken next_auth_token_ = 1;
    std::deque<StoreWait> store_waits_;
};

}  // namespace gw
