#pragma once

#include "broker-core/base/random.hpp"
#include "broker-core/base/timer_wheel.hpp"
#include "broker-core/broker/connect_request.hpp"
#include "broker-core/broker/exchange.hpp"
#include "broker-core/broker/logins.hpp"
#include "broker-core/broker/options.hpp"
#include "broker-core/broker/publish_request.hpp"
#include "broker-core/broker/session_link.hpp"
#include "broker-core/broker/session_table.hpp"
#include "broker-core/metrics/metrics.hpp"
#include "broker-core/session/session.hpp"
#include "broker-core/session/session_state.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gw {

/// By what the one who speaks from a place is known so far.
struct OriginSpeaker {
    std::string_view client_id{};
    std::string_view username{};
    bool is_anonymous = true;
};

struct OriginVerdict {
    std::optional<DoorReason> refusal;
    bool allows_anonymous = false;
    bool is_administrator = false;
};

/// How a connection ended, as far as the session cares.
struct ConnectionEnd {
    ReasonCode reason = ReasonCode::success;
    bool discard_will = false;
    std::optional<std::uint32_t> expiry_interval;  // new one, from an MQTT 5 DISCONNECT
};

/// What a client subscribes to; borrowed for the call.
struct SubscribeRequest {
    const TopicFilter& filter;  // as the client knows it: without its mount point
    SubscriptionOptions options{};
    enum class Retained : std::uint8_t { send, send_if_new, do_not_send } retained = Retained::send;
    /// Ends with the connection, also when the session does not.
    bool is_passing = false;
};

/// What has become of a SubscribeRequest.
struct SubscribeAnswer {
    ReasonCode reason = ReasonCode::success;  // the granted QoS, or why it was refused
    bool is_new = false;                      // there was none of this filter
    /// The access policy has no answer yet: nothing was done, and the same request is to be made
    /// again after SessionLink::on_access_decided().
    bool is_pending = false;
};

/// Report on one submission to the store, for the worker that it concerns.
struct StoreProgress {
    StoreTicket own_ticket = 0;  // of this worker's submission; 0: none
    StoreOutcome outcome = StoreOutcome::stored;
    /// Worker that has stored what followed from this worker's batches, up to the ticket.
    struct Cover {
        std::uint32_t worker = 0;
        StoreTicket ticket = 0;
        StoreOutcome outcome = StoreOutcome::stored;
    };
    std::vector<Cover> covers;
};

/// A message body that came from the store.
struct LoadedBody {
    std::uint64_t message_id = 0;
    MessagePtr message;
};

/// A session as the store gives it at start. Deliveries by ascending sequence, without bodies.
struct StoredSession {
    std::uint64_t store_id = 0;
    std::string client_id;
    SessionState state;
    std::vector<std::pair<TopicFilter, SubscriptionOptions>> subscriptions;
    std::vector<RetainedReplay> replays;  // of subscriptions that still bring retained messages
    std::vector<Delivery> deliveries;
    std::vector<std::pair<std::uint64_t, std::string>> groups;  // sequence, shared filter
    std::vector<std::uint64_t> released;                        // stored_release(), ascending
    std::vector<std::uint64_t> unreleased;                      // Unreleased::to_stored()
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
    MonotonicTime next_deadline() const {
        return std::min(timers_.next_deadline(), logins_.next_deadline());
    }
    /// Expires sessions and publishes delayed wills that are due.
    void on_deadline();
    /// A batch from another worker; emptied. With its ticket, see Exchange::post().
    void on_batch(std::uint32_t from, CrossBatch& batch, StoreTicket ticket);
    /// Hands what this turn has for other workers to the exchange. At the end of each turn.
    void flush();
    /// What became of a submission of this worker, or of others that cover its batches.
    void on_store_progress(const StoreProgress& progress);
    /// Bodies that Storage::load() was asked for; those not found are missing.
    void on_loaded(SessionRef ref, const std::vector<LoadedBody>& bodies);
    /// Puts back what the store has of a session. Before the first turn.
    void restore_session(StoredSession&& restored);
    /// After all sessions are restored: finds the shared groups of their deliveries.
    void finish_restore();
    /// Goes on with a publish that was held for workers of an earlier process: delivers to those of
    /// its targets that are sessions here, are stored, and that `was_held_for` says. After
    /// finish_restore().
    void resume_publish(const MessagePtr& message, const MatchResult& match,
                        const std::function<bool(std::string_view client_id)>& was_held_for);
    /// The same for the one member of a shared group that is to get it.
    void resume_shared(const MessagePtr& message, const SharedGroupPtr& group,
                       const RouteTarget& target) {
        deliver_shared(message, group, target, {});
    }
    /// Whether a session here has this message of the store still to get.
    bool owes_message(SessionRef ref, std::uint64_t message_id);
    /// Retained messages have expired: the store may forget them. See
    /// RetainedStore::next_version().
    void forget_retained(std::span<const MessagePtr> expired, std::uint64_t version);
    /// Client id under which held publishes are stored; no client can have it.
    static std::string hold_client_id(std::uint32_t worker);
    /// The store's session of an earlier run's held publishes may go.
    void forget_stored_session(std::uint64_t store_id) { storage_.remove_session(store_id); }
    void set_options(const BrokerOptions& options) { options_ = options; }

    // --- for adapters: who clients are, and their sessions

    /// The core's id of a client who calls himself `own`: as filters rewrite it, and behind the
    /// mount point of the place. May be `own` itself or `scratch`.
    std::string_view core_client_id(const OriginRules* rules, const ProtocolTraits& protocol,
                                    std::string_view own, std::string& scratch) const;
    /// A random client id, for clients that bring none; core_client_id() of it is this worker's,
    /// and nobody's yet, unless filters rewrite many ids to the same.
    std::string make_client_id(const OriginRules* rules, const ProtocolTraits& protocol);
    /// The worker that owns the core's client id; a connection must move there before connect().
    std::uint32_t worker_of(std::string_view client_id) const {
        return shared_.worker_of(client_id);
    }
    /// What a place means for whoever speaks from it: the listener's network rules, bans, and the
    /// rights that rest on it. The one place where that is decided: every login, move and
    /// resumption asks here by itself; adapters without connections ask for each datagram.
    OriginVerdict judge_origin(const Origin& origin, const OriginSpeaker& who) const;
    /// judge_origin() for a datagram: false, counted and logged when it is to be dropped.
    bool lets_in(const Origin& origin, const OriginSpeaker& who);

    /// A client connects, and its protocol has all that it asks for: finds out who it is, and gives
    /// it its session, ended or resumed as asked; its older connection ends. Once opened, `link` is
    /// the session's until close_connection() or on_session_lost(). While the login is pending, or
    /// the client is asked, it is kept here; a link that goes before must call forget_login().
    LoginAnswer connect(ConnectRequest&& request, SessionLink& link);
    /// The client of a connected session, or whoever says to be, shows a proof anew, from the place
    /// that `shown` names: what it may is judged anew, and no session is lost by a refusal.
    LoginAnswer prove_again(Session& session, const Credentials& shown, SessionLink& link);
    /// The same by an exchange, on the session's connection, where it is.
    LoginAnswer begin_reauthentication(Session& session, std::string_view method, Bytes data,
                                       SessionLink& link);
    /// The client's answer to what LoginAnswer::Kind::asked has asked.
    LoginAnswer continue_login(AuthToken token, Bytes data);
    /// The link, or its wish to know, is gone. An unknown token does no harm.
    void forget_login(AuthToken token);
    /// Tells hooks, events and counters of a client that was refused for what connect() did not get
    /// to see.
    void refuse_connect(const Credentials& shown, ReasonCode reason);
    /// Answers of the authenticator, and of exchanges.
    void on_auth_decided(AuthToken token, const AuthDecision& decision);
    void on_auth_step(AuthToken token, const AuthStep& step);
    /// Continues a session of the store whose client has not been heard yet, as it was; its rights
    /// are looked at when it shows again who it is.
    OpenedSession continue_restored(Session& session, SessionTerms&& terms, SessionLink& link);
    /// After CONNACK was sent: sends again what is in flight, then what waited.
    void start_delivery(Session& session);
    /// The client says goodbye: what that asks of the session is done at once, though its
    /// connection stays until close_connection(). Returns what the answer, or the end of the
    /// connection, has to wait for: firm_ticket(), or 0 when a restart would find nothing else than
    /// without it.
    StoreTicket begin_close(Session& session, const ConnectionEnd& end);
    /// The link is gone. The session ends, or waits for its client.
    void close_connection(Session& session, const ConnectionEnd& end);
    /// Output has drained: goes on with deliveries. Clear is_output_blocked before.
    void on_writable(Session& session) { pump(session); }

    // --- for adapters: publish and subscribe

    void on_access_decided(SessionRef ref);

    /// Publishes for the session's client, in the one order that there is: QoS 2 repetition,
    /// rewriting, mount point, right, filters, right again where they changed the topic, retained,
    /// subscribers.
    PublishOutcome publish(Session& session, const PublishRequest& request);
    /// Whether publish() would refuse it, or ask it to wait; without any effect.
    PublishOutcome check_publish(const Session& session, const PublishRequest& request);
    /// All of them or none: the right to each is asked for before the first is published. The
    /// outcome is that of all, or of the one that was refused.
    PublishOutcome publish_all(Session& session, std::span<const PublishRequest> requests);
    /// As publish(), for somebody without a session: no packet id, and nobody to wait for an answer
    /// that is pending. Where the outcome has a ticket, `when_stored` is called once, when what was
    /// published is stored or could not be.
    PublishOutcome publish_unowned(const IdentityPtr& publisher, const PublishRequest& request,
                                   WhenPublished when_stored = {});
    /// Whether the client repeats a message at QoS 2 that it has not released, where a protocol has
    /// to know before it comes to publish().
    bool is_repeated(Session& session, const PublishRequest& request);
    /// The retained message that the client reads under this topic, as it writes it; null: none.
    MessagePtr find_retained(const Session& session, std::string_view topic) const;
    /// The one that publish() would replace.
    MessagePtr find_retained_before(const Session& session, const PublishRequest& request) const;
    /// RetainedStore::next() by a filter as the session's client knows it.
    bool next_retained(const Session& session, std::string_view filter, RetainedCursor& cursor,
                       std::size_t count, std::vector<MessagePtr>& out) const;
    /// PUBREL from the client. False: the packet id is not known.
    bool release_inbound(Session& session, std::uint16_t packet_id);
    /// Messages at QoS 2 that were sent, or repeated, on this connection and are not released.
    std::size_t inbound_qos2_count(const Session& session) const {
        return session.exactly_once ? session.exactly_once->inbound.current_count() : 0;
    }
    bool has_inbound_qos2(const Session& session, std::uint16_t packet_id) const;
    /// What the broker itself says: $SYS and events.
    void publish_internal(std::string_view topic, std::string_view payload, bool retain,
                          Qos qos = Qos::at_most_once);

    /// Adds or replaces a subscription, in the one order that there is: rewriting, mount point,
    /// filters, right, limits, router. Retained messages follow at send_retained().
    SubscribeAnswer subscribe(Session& session, const SubscribeRequest& request);
    /// Whether the client may subscribe to it, or to read what is retained of it; without any
    /// effect. A filter without `$share/<group>/` and the like, as the client knows it.
    SubscribeAnswer check_subscribe(const Session& session, std::string_view filter,
                                    Qos qos = Qos::at_most_once);
    /// Whether the client may get this message.
    bool may_deliver(const Session& session, const Message& message);
    /// The options of a subscription that there is, by its filter as the client knows it.
    std::optional<SubscriptionOptions> find_subscription(const Session& session,
                                                         const TopicFilter& filter) const;
    /// Whether what the client wrote as this filter is for a topic, both as the client knows them:
    /// rules may have made another filter of it. `filter_offset` as TopicFilter's.
    bool is_for(const Session& session, std::string_view filter, std::size_t filter_offset,
                std::string_view topic) const;
    bool is_for(const Session& session, const TopicFilter& filter, std::string_view topic) const {
        return is_for(session, filter.text, filter.filter_offset, topic);
    }
    /// Adds filters of the session's subscriptions from the `first` on to `out`, as its client
    /// knows them; at most `count`. Returns how many.
    std::size_t list_filters(const Session& session, std::size_t first, std::size_t count,
                             std::vector<std::string>& out) const;
    /// By the filter as the client knows it. success or no_subscription_existed.
    ReasonCode unsubscribe(Session& session, const TopicFilter& filter);
    /// Whether a plain subscription of the session is for this topic, by whatever protocol it was
    /// made.
    bool is_subscribed(const Session& session, std::string_view topic);
    /// The same, or one of a shared group. Not for what is done often: it looks through the
    /// session's subscriptions.
    bool is_wanted(const Session& session, std::string_view topic);
    /// After SUBACK: begins to send the retained messages that subscribe() has found due.
    void send_retained(Session& session) { pump(session); }
    /// What a reply has to wait for that promises all done for this session so far; 0: nothing.
    StoreTicket store_ticket(const Session& session);
    /// The same for a reply that also rests on what an earlier turn did: while the store fails it
    /// waits until the store works again, or is refused.
    StoreTicket firm_ticket(Session& session);

    // --- for adapters: acknowledgements of deliveries; false: the packet id is not in use so

    bool on_puback(Session& session, std::uint16_t packet_id, ReasonCode reason);
    bool on_pubrec(Session& session, std::uint16_t packet_id, ReasonCode reason);
    bool on_pubcomp(Session& session, std::uint16_t packet_id);
    /// The client has refused a delivery at QoS 1 and wants it to go elsewhere: another member of
    /// its shared group that is online gets it. False: there is none, or it is of no group; then
    /// the delivery stays this session's, unacknowledged.
    bool give_back(Session& session, std::uint16_t packet_id);

    // --- for adapters whose clients keep more with their session than MQTT's do

    /// Keeps an adapter's own state with the session, and in the store when the session is there;
    /// see store_ticket(). Other protocols' connections leave it as it is.
    void set_adapter_state(Session& session, std::string state);
    /// Puts another will, with its topic as the client knows it, in the place of the present one;
    /// null: none. False: the client may not leave it, or its topic is none, and nothing has
    /// changed.
    bool set_will(Session& session, std::unique_ptr<Will> will);
    /// The client of a connected session, known by what only that client has, speaks from another
    /// place: what it may because of its place is judged anew; nobody is told. False: the place is
    /// kept out, and nothing has changed.
    bool move_session(Session& session, const Origin& here);
    /// As whom somebody without a session publishes (publish_unowned()), once lets_in() has let him
    /// in: a user that the listener has for all, or nobody.
    IdentityPtr unowned_identity(const Credentials& shown) const;

    /// Lets a session that would end with its connection outlive it, for at least a second, and
    /// puts it in the store with all that it has: its client has changed its mind. connect()
    /// then gives it the time that the client asks for.
    void make_persistent(Session& session);

    // --- management

    /// Asks again for everything that all clients of this worker were allowed, after the rules have
    /// changed: subscriptions without a right end, and what waits for them is not delivered.
    /// Sessions restored from the store are asked when their clients come back.
    void revise_access();
    /// Takes back the rights of administrators that nobody has without a proof, once there are
    /// proofs (Authenticator::has_proofs()).
    void revise_administrators();
    /// Ends the client's connection. False: no such client here, or not connected.
    bool kick(std::string_view client_id, ReasonCode reason);
    /// Ends the connections of all clients whose identity `is_meant` (a call for each session of
    /// this worker), and with EndOf::session their sessions too. Returns how many were ended.
    enum class EndOf : std::uint8_t { connection, session };
    std::size_t end_clients(const std::function<bool(const ClientIdentity&)>& is_meant, EndOf what,
                            ReasonCode reason);
    Session* find_session(std::string_view client_id);
    /// Null: it has ended.
    Session* find_session(SessionRef ref);
    /// Puts other observers and filters in the place of the present ones. Between turns.
    void set_hooks(HookSetPtr hooks) { hooks_ = std::move(hooks); }
    /// How many of its subscriptions end with its connection (SubscribeRequest::is_passing).
    std::size_t passing_subscription_count(const Session& session) const;
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
    struct StoreWait {
        StoreTicket ticket;
        SessionRef session;
    };
    /// A message at QoS 2 that was taken in, and is not stored yet.
    struct InboundWait {
        StoreTicket ticket;
        SessionRef session;
        Unreleased message;
    };
    /// One turn whose records, or whose consequences with other workers, are not stored yet.
    struct Epoch {
        StoreTicket ticket;
        bool waits_for_own;
        StoreOutcome outcome;
        std::vector<std::uint32_t> waits_for;  // workers
    };
    /// A queued delivery that may be sent, or whose body may leave memory, once it is stored.
    struct WhenStored {
        StoreTicket ticket;
        SessionRef session;
        std::uint64_t sequence;
        bool is_to_unload;
        bool is_refusable;
    };
    /// A hold of this worker that may have to be taken back; see hold().
    struct Held {
        StoreTicket ticket;
        std::uint64_t sequence;
        std::uint64_t message_id;
    };
    /// A shared message that its member gives back and another gets.
    struct HandedOn {
        MessagePtr message;
        SharedGroupPtr group;
        RouteTarget target;
    };
    /// The same while its body is on its way from the store.
    struct LoadingHandOn {
        SharedGroupPtr group;
        SessionRef from;
        Hold hold;
    };

    /// What of all that was taken from a session other members of its groups get.
    struct HandOns {
        std::vector<HandedOn> claimed;
        std::vector<std::uint64_t> to_load;  // message ids
    };
    /// A publish on its way from what the client wrote to the message that is made of it.
    struct Passing {
        const PublishRequest* request = nullptr;  // what has come, or what filters have left of it
        std::string_view topic;                   // as the broker has it
        std::string_view written;                 // the same before rules have changed it
        MessageFilter* taker = nullptr;
        bool is_dropped = false;
        struct Changed {
            PublishDraft draft;
            PublishRequest request;
        };
        std::unique_ptr<Changed> changed;  // where a filter was asked

        PublishDraft& change();
        void take_change();
    };
    /// The same of a filter, without `$share/<group>/` and the like.
    struct AskedFilter {
        std::string_view text;
        Qos qos = Qos::at_most_once;
        std::string changed{};  // holds `text` where it is not the client's
        bool is_rewritten = false;
    };
    struct SendOn {
        bool is_counted = false;
        bool is_refusable = false;
        bool is_to_hold = false;
    };
    struct Sent {
        ReasonCode reason = ReasonCode::success;
        bool is_stored = false;  // or may be, by another worker
    };
    struct UnownedWait {
        StoreTicket ticket;
        WhenPublished tell;
    };
    struct HowDelivered {
        bool is_refusable = false;  // see Passage
        bool is_checked = false;    // what checks_delivery() said of the message
    };

    // broker_logins.cpp
    std::optional<AuthDecision> decide_login(const Credentials& shown, AuthToken token);
    LoginAnswer finish_login(Login& login, const AuthDecision& decision);
    LoginAnswer proven_again(Session* session, const OpenSession& here,
                             const AuthDecision& decision, bool is_moving);
    LoginAnswer begin_exchange(AuthToken token, ConnectRequest&& request, SessionLink& link);
    LoginAnswer step_exchange(AuthToken token, Login& login, Bytes data);
    LoginAnswer take_step(AuthToken token, const AuthStep& step);
    std::optional<ReasonCode> filter_login(Credentials& shown, std::string& name) const;
    std::unique_ptr<AuthExchange> begin_enhanced_auth(std::string_view method,
                                                      const Credentials& credentials);
    void expire_logins();
    bool reauthenticate(Session& session, const AuthDecision& decision, const OpenSession* here);
    bool may_have_lost_rights(const Session& session) const;
    void put_identity(Session& session, std::unique_ptr<ClientIdentity> identity,
                      const OpenSession* here);

    // broker_sessions.cpp
    OpenedSession open_session(OpenSession&& request, const AuthDecision& auth, SessionLink& link);
    IdentityPtr make_identity(const OpenSession& request, const AuthDecision& auth,
                              SessionRef ref) const;
    OpenedSession refuse(const OpenSession& request, ReasonCode reason);
    OpenedSession refuse(const OpenSession& request, DoorReason why);
    void tell_refusal(const OpenSession& request, ReasonCode reason, std::optional<DoorReason> why);
    void take_over(Session& session);
    void disconnect(Session& session, ReasonCode reason);
    void schedule_login_end(Session& session);
    Session& create_session(const OpenSession& request, const AuthDecision& auth,
                            std::uint64_t store_id);
    void end_session(Session& session, ReasonCode reason);
    void set_expiry(Session& session, std::uint32_t seconds) const;
    void schedule(Session& session);
    void emit_connected(const Session& session, bool clean_start, ReasonCode reason);
    void emit_disconnected(const ClientIdentity& identity, ReasonCode reason);
    void emit_event(const ClientIdentity& identity, std::string_view event, std::string json);

    // broker_door.cpp
    std::optional<ReasonCode> refuse_at_door(const Credentials& credentials);
    /// Why a login does not give the session: another user's, or a weaker proof than its own was;
    /// or nothing. `rules`: of the listener that it comes by; behind another mount point it is
    /// another client.
    std::optional<DoorReason> refuse_takeover(const Session& session, const AuthDecision& decision,
                                              const OriginRules* rules) const;
    std::optional<DoorReason> refuse_login(const OpenSession& request, const AuthDecision& auth);
    void note_login(const OpenSession& request, ReasonCode outcome);
    void note_disconnected(const ClientIdentity& client);
    void count(DoorReason why) {
        metrics_.door_refused_by_reason[static_cast<std::size_t>(why)].add();
    }
    static ReasonCode reason_of(DoorReason why);
    /// The client's own id in the core's.
    static std::string_view own_id(const OriginRules* rules, std::string_view client_id);
    bool is_refusal_logged(std::optional<DoorReason> why, std::uint64_t& passed_over);

    // broker_access.cpp
    /// Whether the client may do it. All protocols and paths ask here.
    AccessDecision authorize(const ClientIdentity& client, const AccessRequest& request);
    AccessDecision authorize(const Session& session, const AccessRequest& request) {
        return authorize(*session.identity, request);
    }
    bool checks_delivery(const Message& message) const;
    /// `is_checked` is what checks_delivery() said of the message.
    bool may_receive(const Session& session, const Message& message, bool is_checked);
    void revise_session(Session& session);
    bool revoke_subscriptions(Session& session);
    void drop_unauthorized(Session& session);
    void take_away(Session& session, const Delivery& delivery, bool may_have_been_sent,
                   HandOns& hand_ons);

    // broker_publish.cpp
    static std::string_view mounted(const ClientIdentity& client, std::string_view topic,
                                    std::string& scratch);
    static Passing passing_of(const ClientIdentity& client, const PublishRequest& request,
                              std::string& scratch);
    PublishOutcome judge_publish(const ClientIdentity& client, Passing& passing);
    PublishOutcome ask_publish(const ClientIdentity& client, const Passing& passing);
    bool rewrite_topic(const ClientIdentity& client, Passing& passing) const;
    void rewrite_text(const ClientIdentity& client, HookPoint point, std::string_view written,
                      std::optional<std::string>& text) const;
    PublishOutcome filter_publish(const ClientIdentity& client, Passing& passing);
    PublishOutcome take_publish(Session& session, const PublishRequest& written,
                                const Passing& passing);
    Sent send_on(const IdentityPtr& publisher, const Passing& passing, SendOn how);
    void publish_will(Session& session);
    ReasonCode admit_will(const ClientIdentity& client, Will& will);
    MessagePtr make_message(const IdentityPtr& publisher, std::string_view topic,
                            const PublishRequest& request) const;
    bool lacks_room(const ClientIdentity& client, const Passing& passing) const;
    void note_refused(const PublishOutcome& outcome);
    void count_received(const Message& message);
    template <class Visit>
    void tell(HookPoint point, const Visit& visit) const {
        if (hooks_->wants(point)) [[unlikely]] {
            hooks_->tell(point, visit);
        }
    }

    // broker_subscriptions.cpp
    ReasonCode add_subscription(Session& session, const SubscribeRequest& request,
                                const TopicFilter& filter, bool& is_new);
    ReasonCode remove_subscription(Session& session, const TopicFilter& filter);
    SubscribeAnswer judge_subscribe(const ClientIdentity& client, AskedFilter& asked);
    SubscribeAnswer resolve_filter(const ClientIdentity& client, AskedFilter& asked) const;
    SubscribeAnswer filter_subscribe(const ClientIdentity& client, AskedFilter& asked) const;
    const TopicFilter* filter_in_force(const Session& session, const TopicFilter& filter,
                                       std::optional<TopicFilter>& scratch) const;
    std::string written_filter(const Session& session, const std::string& text) const;
    void note_written(Session& session, const TopicFilter& written, const TopicFilter& in_force,
                      bool is_rewritten);
    void forget_written(Session& session, const TopicFilter& written);
    void forget_in_force(Session& session, const std::string& text);
    ReasonCode remove_in_force(Session& session, const TopicFilter& filter);
    /// The client has lost its right to it, and is told.
    void end_subscription(Session& session, const TopicFilter& filter);

    // broker_qos2.cpp
    bool is_repeated_qos2(Session& session, const InboundPublish& publish);
    std::optional<Unreleased> take_qos2(Session& session, const InboundPublish& publish);

    // broker.cpp
    /// Members of a shared group without a right to a message that are asked before it is given up.
    static constexpr std::uint32_t passed_over_max = 1000;
    /// What route() found.
    struct Routed {
        bool matched = false;
        bool stored = false;  // or may be, by another worker
    };
    Routed route(const MessagePtr& message, bool is_refusable = false, bool is_to_hold = false);
    bool retain(const MessagePtr& message);
    void retain_nothing(const Message& message, std::uint64_t version);
    std::uint64_t store_body(const Message& message);
    /// At which QoS the session gets what it has subscribed to with `granted`.
    Qos delivery_qos(const Session& session, const Message& message, Qos granted) const;
    bool begin_replay(Session& session, const SubscribeRequest& request, const TopicFilter& filter,
                      bool is_new);
    bool is_kept(const Session& session, const RetainedReplay& replay) const;
    std::uint64_t stored_options(const Session& session, const TopicFilter& filter,
                                 SubscriptionOptions options) const;
    void end_replay(Session& session);
    void note_passing(Session& session, const TopicFilter& filter, bool is_passing);
    void end_passing_subscriptions(Session& session);
    void track(std::uint32_t worker, bool may_be_stored);
    void number(Session& session, Delivery& delivery);
    StoreTicket await(const Session& session, StoreTicket ticket);
    void store_delivery(const Session& session, Delivery& delivery);
    /// The delivery will not go on: the store may forget it.
    void settle(const Session& session, const Delivery& delivery);
    void keep_state(Session& session);
    bool is_stored(const Session& session) const { return session.store_id != 0; }
    void complete_epochs();
    void report_stored(StoreTicket ticket, StoreOutcome outcome);
    void forget_unstored_inbound(StoreTicket ticket);
    UnreleasedSet::OnChange inbound_store(const Session& session);
    void change_packet_ids(Session& session, PacketIdSpace to);
    void forget_release(const Session& session, const ParkedRelease& one);
    void restore_inbound(Session& session, const std::vector<std::uint64_t>& unreleased);
    bool restore_release(Session& session, Delivery& delivery,
                         const std::vector<std::uint64_t>& released);
    static bool is_outrun(const Session& session, const Delivery& delivery);
    static std::uint64_t release_of(const Session& session, const Delivery& delivery);
    void withdraw(StoreTicket ticket);
    /// Of a long queue only the head stays in memory; the rest is in the store already.
    static std::size_t loaded_count_max(const Session& session) {
        return session.link != nullptr ? 256 : 8;
    }
    void unload_queue(const Session& session);
    void stored_up_to(StoreTicket ticket);
    void settle_stored(StoreTicket ticket);
    // broker_held.cpp
    bool needs_hold(const Message& message, const RouteTarget& member) const;
    Hold hold(const Message& message, std::string_view whom);
    Hold hold(std::uint64_t message_id, Qos qos, std::string_view whom);
    std::string worker_text(std::uint32_t worker) const;
    void let_go(const Hold& hold, std::uint64_t message_id);
    void take_back_holds(StoreTicket ticket);
    void redispatch_shared(Session& session);
    bool claim(Session& session, const Delivery& delivery, bool is_ending, HandOns& hand_ons);
    void hand_on(HandOns& hand_ons);
    void hand_on(const HandedOn& one);
    bool hand_on_loaded(const LoadedBody& body);
    SharedGroupPtr find_group(std::string_view text);

    // broker_storage.cpp
    void put_in_place(Session& session, const std::vector<LoadedBody>& bodies);
    void request_load(Session& session);
    void deliver_targets(const MessagePtr& message, std::span<const RouteTarget> targets,
                         bool is_refusable);
    void deliver(Session& session, const MessagePtr& message, std::span<const RouteTarget> targets,
                 const SharedGroupPtr* group, const HowDelivered& how);
    void deliver_shared(const MessagePtr& message, const SharedGroupPtr& group,
                        const RouteTarget& chosen, const Passage& passage);
    void dispatch_shared(const MessagePtr& message, const SharedGroupPtr& group,
                         const RouteTarget& target, const Passage& passage);
    void enqueue(Session& session, Delivery delivery, bool is_refusable);
    void conflate(Session& session, std::string_view topic);
    void send_new(Session& session, Delivery delivery);
    bool send(Session& session, const Delivery& delivery);
    void pump(Session& session);
    void pump_once(Session& session, bool& progressed);
    bool pump_resends(Session& session);
    bool pump_replays(Session& session);
    void send_retained_message(Session& session, const RetainedReplay& replay, MessagePtr message);
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
    HookSetPtr hooks_;                  // never null
    Logins logins_;
    std::deque<StoreWait> store_waits_;
    std::deque<UnownedWait> unowned_waits_;
    std::deque<WhenStored> when_stored_;
    std::deque<InboundWait> inbound_waits_;
    std::deque<Held> held_;
    std::uint64_t hold_session_id_ = 0;  // the store's, for held publishes; 0: none so far
    std::uint64_t hold_sequence_ = 0;
    std::map<std::uint64_t, LoadingHandOn> loading_hand_ons_;  // by message id
    /// Subscriptions that end with the connection although the session goes on, by their text.
    std::unordered_map<const Session*, std::map<std::string, TopicFilter>> passing_;
    /// Filters that rules have changed: by what the client wrote, what is in force.
    std::unordered_map<const Session*, std::map<std::string, std::string>> rewritten_;
    struct UnknownGroup {
        SessionRef session;
        std::uint64_t sequence;
        std::string text;
    };
    std::vector<UnknownGroup> unknown_groups_;  // while sessions are restored
    std::uint64_t body_stored_again_ = 0;       // in this turn, the last one's message id
    bool is_store_failing_ = false;             // the last turn that was reported on was not stored
    std::deque<Epoch> epochs_;
    StoreTicket epoch_ = 1;  // the present turn's ticket
    std::uint64_t next_message_id_;
    std::vector<bool> is_tracked_;  // workers to which this turn sends what must be stored
    bool has_tracked_ = false;
};

}  // namespace gw
