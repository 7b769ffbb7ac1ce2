#include "broker-core/base/json.hpp"
#include "broker-core/broker/broker.hpp"

#include <algorithm>
#include <utility>

namespace gw {

namespace {

/// The client id as one topic level of an event: '/', '+', '#' and '%' are percent-encoded, so
/// that no id can distort the topic.
std::string topic_level_of(std::string_view client_id) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string level;
    for (const char c : client_id) {
        if (c == '/' || c == '+' || c == '#' || c == '%') {
            const auto byte = static_cast<unsigned char>(c);
            level += '%';
            level += digits[byte >> 4];
            level += digits[byte & 15];
        } else {
            level += c;
        }
    }
    return level;
}

void append_field(std::string& json, std::string_view name, std::string_view value) {
    json += json.size() > 1 ? "," : "";
    append_json_string(json, name);
    json += ':';
    append_json_string(json, value);
}

void append_raw_field(std::string& json, std::string_view name, std::string_view value) {
    json += json.size() > 1 ? "," : "";
    append_json_string(json, name);
    json += ':';
    json += value;
}

void append_protocol(std::string& json, const ProtocolTraits& protocol) {
    if (protocol.level != 0) {
        append_raw_field(json, "protocol", std::to_string(unsigned{protocol.level}));
    } else {
        append_field(json, "protocol", protocol.name);
    }
}

/// The address without the port: what follows the last colon.
std::string_view address_of(std::string_view peer) {
    const std::size_t colon = peer.rfind(':');
    return colon == std::string_view::npos ? peer : peer.substr(0, colon);
}

std::string unix_seconds(WallTime time) {
    return std::to_string(std::chrono::duration_cast<Seconds>(time.time_since_epoch()).count());
}

}  // namespace

// ----------------------------------------------------------------------------- authentication

std::string_view Broker::core_client_id(const OriginRules* rules, const ProtocolTraits& protocol,
                                        std::string_view own, std::string& scratch) const {
    if (!hooks_->wants(HookPoint::rewrite_client_id)) [[likely]] {
        return mounted_client_id(rules, own, scratch);
    }
    std::string id{own};
    hooks_->ask(HookPoint::rewrite_client_id, [&](MessageFilter& filter) {
        if (auto other = filter.rewrite_client_id(rules, protocol, id); other && !other->empty()) {
            id = std::move(*other);
        }
        return true;
    });
    std::string mounted;
    scratch = std::string{mounted_client_id(rules, id, mounted)};
    return scratch;
}

std::string Broker::make_client_id(const OriginRules* rules, const ProtocolTraits& protocol) {
    constexpr unsigned tries_max = 1000;  // where a filter makes one id of many
    constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuv";
    std::string scratch;
    for (unsigned tries = 1;; ++tries) {
        std::string id = "mangrove-";
        std::uint64_t bits = random_.next();
        for (int i = 0; i < 12; ++i, bits >>= 5) {
            id += digits[bits & 31];
        }
        const std::string_view known = core_client_id(rules, protocol, id, scratch);
        if ((worker_of(known) == worker_ && sessions_.find(known) == nullptr) ||
            tries == tries_max) {
            return id;
        }
    }
}

/// While a session has a connection its timer is the end of what the login was granted for. The
/// end is a time of day: looked at once a minute, so that it holds when the clock is set.
void Broker::schedule_login_end(Session& session) {
    const AuthGrantsPtr& grants = session.identity->grants;
    if (!grants || grants->expires_at == WallTime::max()) {
        timers_.cancel(session);
        return;
    }
    constexpr Milliseconds look_interval{60000};
    const Milliseconds left =
        std::clamp(grants->expires_at - now_.wall, Milliseconds{0}, look_interval);
    timers_.schedule(session, now_.monotonic + left);
}

// ------------------------------------------------------------------------------------ opening

IdentityPtr Broker::make_identity(const OpenSession& request, const AuthDecision& auth,
                                  SessionRef ref) const {
    auto identity = std::make_unique<ClientIdentity>();
    identity->session = ref;
    identity->client_id = std::string{request.client_id};
    identity->username = auth.username;
    identity->peer_name = request.peer;
    identity->ip = request.origin.ip;
    identity->port = request.origin.port;
    identity->mountpoint = request.origin.rules != nullptr
                               ? std::string_view{request.origin.rules->mountpoint}
                               : request.restored_mountpoint;
    identity->grants = auth.grants;
    identity->source = auth.source;
    identity->strength = auth.strength;
    identity->protocol = request.protocol;
    identity->is_anonymous = auth.is_anonymous;
    identity->is_superuser = auth.is_superuser;
    identity->is_administrator =
        judge_origin(request.origin, {request.client_id, auth.username, auth.is_anonymous})
            .is_administrator;
    identity->is_bridge = request.is_bridge;
    return IdentityPtr{identity.release()};
}

OpenedSession Broker::refuse(const OpenSession& request, ReasonCode reason) {
    tell_refusal(request, reason, std::nullopt);
    OpenedSession opened;
    opened.reason = reason;
    return opened;
}

OpenedSession Broker::refuse(const OpenSession& request, DoorReason why) {
    count(why);
    OpenedSession opened;
    opened.reason = reason_of(why);
    tell_refusal(request, opened.reason, why);
    return opened;
}

void Broker::tell_refusal(const OpenSession& request, ReasonCode reason,
                          std::optional<DoorReason> why) {
    metrics_.connects_refused_by_reason[static_cast<std::size_t>(reason)].add();
    const IdentityPtr identity = make_identity(request, {}, {});
    // Refusals of the door come in floods; an adapter that was told of one names only its reason.
    if (!why && reason == ReasonCode::banned) {
        why = DoorReason::banned;
    } else if (!why && reason == ReasonCode::connection_rate_exceeded) {
        why = DoorReason::login_delay;
    } else if (!why && (is_reserved_name(own_id(request.origin.rules, request.client_id)) ||
                        is_reserved_name(request.shown_username))) {
        why = DoorReason::reserved_name;
    }
    std::uint64_t passed_over = 0;
    if (is_refusal_logged(why, passed_over)) {
        shared_.log->info("client.refused",
                          {{"client_id", request.client_id},
                           {"peer", identity->peer()},
                           {"protocol", request.protocol->name},
                           {"reason", reason_text(reason)},
                           {"detail", why ? door_reason_name(*why) : std::string_view{}},
                           {"not_logged", passed_over}});
    }
    tell(HookPoint::client_connect,
         [&](Observer& one) { one.on_client_connect(*identity, reason); });
}

OpenedSession Broker::open_session(OpenSession&& request, const AuthDecision& auth,
                                   SessionLink& link) {
    GW_ASSERT(!request.client_id.empty() && worker_of(request.client_id) == worker_);
    if (auth.reason != ReasonCode::success) {
        metrics_.auth_denied_by_source[static_cast<std::size_t>(auth.source)].add();
        note_login(request, auth.reason);
        return refuse(request, auth.reason);
    }
    if (!auth.is_anonymous && !request.is_restored) {
        note_login(request, ReasonCode::success);
    }
    if (const auto why = refuse_login(request, auth)) {
        return refuse(request, *why);
    }
    if (options_.expiry_interval_max != Seconds{0}) {
        request.expiry_interval = static_cast<std::uint32_t>(
            std::min<std::int64_t>(request.expiry_interval, options_.expiry_interval_max.count()));
    }
    OpenedSession opened;
    Session* session = sessions_.find(request.client_id);
    if (session != nullptr) {
        if (const auto why = refuse_takeover(*session, auth, request.origin.rules)) {
            return refuse(request, *why);
        }
        link.on_session_found(*session, request);
    }
    if (request.will && !request.is_restored) {
        // Judged here, so that the client hears of it, and again when it is published.
        const IdentityPtr client = make_identity(request, auth, SessionRef{worker_, 0, 0});
        const ReasonCode reason = admit_will(*client, *request.will);
        if (reason != ReasonCode::success) {
            OpenedSession refused = refuse(request, reason);
            refused.lacks_right = reason == ReasonCode::not_authorized;
            return refused;
        }
    }
    // The answer rests on the store where it changes what a restart would find.
    bool is_changing = request.will != nullptr;
    bool has_ended_stored = false;
    if (session != nullptr) {
        if (session->link != nullptr) {
            take_over(*session);
        }
        is_changing = is_changing || session->will ||
                      session->expiry_interval != request.expiry_interval ||
                      (is_store_failing_ && !session->inflight.empty());
        if (request.clean_start || session->ends_at <= now_.monotonic) {
            has_ended_stored = is_stored(*session);
            end_session(*session, ReasonCode::success);
            session = nullptr;
        }
    }
    // A session that is there may be resumed: its client drains what holds the memory.
    if (session == nullptr &&
        shared_.memory_grade.load(std::memory_order_relaxed) == MemoryGrade::refuse_connect) {
        return refuse(request, ReasonCode::server_busy);
    }
    if (session == nullptr && options_.sessions_max != 0 &&
        shared_.session_count.load(std::memory_order_relaxed) >= options_.sessions_max) {
        return refuse(request, ReasonCode::quota_exceeded);
    }
    opened.session_present = session != nullptr;
    if (session == nullptr) {
        const bool is_to_store = storage_.is_durable() && request.expiry_interval != 0;
        is_changing = true;
        session = &create_session(request, auth, is_to_store ? storage_.new_session_id() : 0);
    } else {
        // Due already, though the timer has not come to it. Not of a client that was there when the
        // process ended and has not gone: what it was restored with says when it is lost.
        if (session->will && session->will_at <= now_.monotonic && !request.is_restored) {
            publish_will(*session);
        }
        change_packet_ids(*session, request.protocol->packet_ids);
        session->identity = make_identity(request, auth, session->ref());
        session->is_identity_restored = request.is_restored;
        if (!request.is_restored && may_have_lost_rights(*session)) {
            revise_session(*session);  // it may have come with other rights than it went with
        }
        session->will.reset();  // not published: the client came back within its delay
        timers_.cancel(*session);
        metrics_.sessions_resumed.add();
    }
    session->ends_at = session->will_at = never;
    session->link = &link;
    session->will = std::move(request.will);
    session->expiry_interval = request.expiry_interval;
    session->inflight_max =
        std::min(request.inflight_max != 0 ? request.inflight_max : options_.inflight_max,
                 request.receive_maximum);
    session->no_local_always =
        request.is_bridge || (options_.ignore_loop_deliver && !request.protocol->has_no_local);
    session->waits_for_store = request.waits_for_store;
    session->is_starting = true;
    session->is_leaving = false;
    if (session->load) {
        session->load->online.store(true, std::memory_order_relaxed);
    }
    schedule_login_end(*session);
    keep_state(*session);
    metrics_.clients_online.add();
    metrics_.auth_allowed_by_source[static_cast<std::size_t>(auth.source)].add();
    opened.must_be_stored = has_ended_stored || (is_changing && is_stored(*session));
    if (has_ended_stored || is_stored(*session)) {
        opened.ticket = await(*session, epoch_);
    }
    opened.session = session;
    opened.expiry_interval = session->expiry_interval;
    tell(HookPoint::client_connect,
         [&](Observer& one) { one.on_client_connect(*session->identity, ReasonCode::success); });
    tell(HookPoint::client_connected, [&](Observer& one) {
        one.on_client_connected(*session->identity, opened.session_present);
    });
    emit_connected(*session, request.clean_start, ReasonCode::success);
    return opened;
}

OpenedSession Broker::continue_restored(Session& session, SessionTerms&& terms, SessionLink& link) {
    const IdentityPtr client = session.identity;
    OpenSession request{std::move(terms)};
    request.client_id = client->client_id;  // from where it comes shows when it is heard
    request.protocol = client->protocol;
    request.restored_mountpoint = client->mountpoint.view();
    request.is_restored = true;
    AuthDecision decision;
    decision.reason = ReasonCode::success;
    decision.username = client->username.str();
    decision.is_anonymous = client->is_anonymous;
    decision.strength = client->strength;
    return open_session(std::move(request), decision, link);
}

Session& Broker::create_session(const OpenSession& request, const AuthDecision& auth,
                                std::uint64_t store_id) {
    auto fresh = std::make_unique<Session>();
    fresh->identity =
        make_identity(request, auth, sessions_.next_ref(request.expiry_interval != 0));
    Session& session = sessions_.add(std::move(fresh));
    session.store_id = store_id;
    shared_.session_count.fetch_add(1, std::memory_order_relaxed);
    metrics_.sessions_created.add();
    metrics_.sessions.add();
    tell(HookPoint::session_created,
         [&](Observer& one) { one.on_session_created(*session.identity); });
    return session;
}

void Broker::take_over(Session& session) {
    metrics_.sessions_taken_over.add();
    SessionLink* const link = std::exchange(session.link, nullptr);
    link->on_session_lost(ReasonCode::session_taken_over);
    session.link = link;
    // The old connection was closed without DISCONNECT: its will is due, unless it is delayed and
    // the session goes on (MQTT 5.0, 3.1.4). The session itself is kept for the newcomer to judge.
    const std::uint32_t expiry = session.expiry_interval;
    close_connection(session, {.reason = ReasonCode::session_taken_over,
                               .discard_will = false,
                               .expiry_interval = std::max(expiry, 1U)});
    session.expiry_interval = expiry;
    if (expiry == 0) {
        session.ends_at = now_.monotonic;  // has ended with its connection
    }
}

// ------------------------------------------------------------------------------------- ending

void Broker::close_connection(Session& session, const ConnectionEnd& end) {
    GW_ASSERT(session.link != nullptr);
    session.link = nullptr;
    metrics_.clients_online.subtract();
    if (session.load) {
        session.load->online.store(false, std::memory_order_relaxed);
    }
    if (end.expiry_interval) {
        set_expiry(session, *end.expiry_interval);
    }
    tell(HookPoint::client_disconnected,
         [&](Observer& one) { one.on_client_disconnected(*session.identity, end.reason); });
    emit_disconnected(*session.identity, end.reason);
    note_disconnected(*session.identity);
    if (end.discard_will) {
        session.will.reset();
    } else if (session.will && session.will->delay == Seconds{0}) {
        publish_will(session);
    }
    if (!session.is_persistent()) {
        end_session(session, end.reason);
        return;
    }
    end_passing_subscriptions(session);
    redispatch_shared(session);
    schedule(session);
    keep_state(session);
    unload_queue(session);
}

void Broker::schedule(Session& session) {
    session.ends_at = session.expiry_interval == session_never_expires
                          ? never
                          : now_.monotonic + Seconds{session.expiry_interval};
    session.will_at = session.will ? now_.monotonic + session.will->delay : never;
    timers_.schedule(session, std::min(session.ends_at, session.will_at));
}

void Broker::on_deadline() {
    expire_logins();
    while (TimerNode* const node = timers_.pop_expired(now_.monotonic)) {
        Session& session = static_cast<Session&>(*node);
        if (session.link != nullptr) {
            if (session.identity->grants && session.identity->grants->expires_at <= now_.wall) {
                metrics_.logins_expired.add();
                disconnect(session, ReasonCode::maximum_connect_time);
            } else {
                schedule_login_end(session);
            }
            continue;
        }
        if (session.ends_at <= now_.monotonic) {
            metrics_.sessions_expired.add();
            end_session(session, ReasonCode::success);
            continue;
        }
        if (session.will_at <= now_.monotonic) {
            publish_will(session);
            session.will_at = never;
            keep_state(session);
        }
        timers_.schedule(session, session.ends_at);
    }
}

void Broker::end_session(Session& session, ReasonCode reason) {
    GW_ASSERT(session.link == nullptr);
    timers_.cancel(session);
    if (session.will) {
        publish_will(session);  // its delay ends with the session (MQTT 5.0, 3.1.3.2.2)
    }
    // Out of the router first, so that its shared messages cannot come back to it.
    shared_.router.unsubscribe_all(session.subscriptions, session.ref());
    redispatch_shared(session);
    session.inflight.for_each([&](const Delivery& delivery) {
        if (delivery.state == DeliveryState::published) {
            metrics_.drop(DropReason::session_ended);
            settle(session, delivery);
        }
    });
    metrics_.drop(DropReason::session_ended, session.queue.count());
    session.queue.for_each([&](const Delivery& delivery) { settle(session, delivery); });
    tell(HookPoint::session_ended,
         [&](Observer& one) { one.on_session_ended(*session.identity, reason); });
    if (is_stored(session)) {
        storage_.remove_session(session.store_id);
    }
    passing_.erase(&session);
    rewritten_.erase(&session);
    sessions_.remove(session);
    shared_.session_count.fetch_sub(1, std::memory_order_relaxed);
    metrics_.sessions_removed.add();
    metrics_.sessions.subtract();
}

// --------------------------------------------------------------------------- adapters' own state

void Broker::set_adapter_state(Session& session, std::string state) {
    if (state.empty()) {
        session.adapter_state.reset();
    } else {
        session.adapter_state = std::make_unique<std::string>(std::move(state));
    }
    keep_state(session);
}

bool Broker::set_will(Session& session, std::unique_ptr<Will> will) {
    if (will) {
        const ReasonCode reason = admit_will(*session.identity, *will);
        if (reason != ReasonCode::success) {
            return false;
        }
    }
    session.will = std::move(will);
    keep_state(session);
    return true;
}

// --------------------------------------------------------------------------------- management

bool Broker::kick(std::string_view client_id, ReasonCode reason) {
    Session* const session = sessions_.find(client_id);
    if (session == nullptr || session->link == nullptr) {
        return false;
    }
    disconnect(*session, reason);
    return true;
}

void Broker::disconnect(Session& session, ReasonCode reason) {
    SessionLink* const link = std::exchange(session.link, nullptr);
    link->on_session_lost(reason);
    session.link = link;
    close_connection(session, {.reason = reason, .discard_will = false, .expiry_interval = {}});
}

std::size_t Broker::end_clients(const std::function<bool(const ClientIdentity&)>& is_meant,
                                EndOf what, ReasonCode reason) {
    std::vector<SessionRef> meant;
    sessions_.for_each([&](const Session& session) {
        if ((what == EndOf::session || session.link != nullptr) && is_meant(*session.identity)) {
            meant.push_back(session.ref());
        }
    });
    // What one of them leaves to others of its groups must not go to the next one.
    for (const SessionRef ref : meant) {
        if (Session* const session = sessions_.find(ref); session && session->link != nullptr) {
            session->link->is_output_blocked = true;
        }
    }
    for (const SessionRef ref : meant) {
        if (Session* const session = sessions_.find(ref); session && session->link != nullptr) {
            disconnect(*session, reason);
        }
        if (Session* const session = sessions_.find(ref); session && what == EndOf::session) {
            end_session(*session, reason);
        }
    }
    return meant.size();
}

Session* Broker::find_session(std::string_view client_id) {
    return sessions_.find(client_id);
}

Session* Broker::find_session(SessionRef ref) {
    return sessions_.find(ref);
}

// ------------------------------------------------------------------------------------- events

void Broker::emit_connected(const Session& session, bool clean_start, ReasonCode reason) {
    const ClientIdentity& client = *session.identity;
    shared_.log->info("client.connected", {{"client_id", client.client_id},
                                           {"username", client.username.view()},
                                           {"peer", client.peer()},
                                           {"protocol", client.protocol->name},
                                           {"clean_start", clean_start}});
    if (!options_.presence_events) {
        return;
    }
    std::string json = "{";
    append_field(json, "clientid", client.client_id);
    append_field(json, "username", client.username);
    append_field(json, "ipaddress", address_of(client.peer()));
    append_raw_field(json, "session", session.is_persistent() ? "true" : "false");
    append_raw_field(json, "clean_sess", clean_start ? "true" : "false");
    append_protocol(json, *client.protocol);
    append_raw_field(json, "connack", std::to_string(static_cast<unsigned>(reason)));
    append_raw_field(json, "ts", unix_seconds(now_.wall));
    json += '}';
    emit_event(client, "connected", std::move(json));
}

void Broker::emit_disconnected(const ClientIdentity& client, ReasonCode reason) {
    const std::string_view why = reason == ReasonCode::success ? "normal" : reason_text(reason);
    shared_.log->info("client.disconnected",
                      {{"client_id", client.client_id}, {"peer", client.peer()}, {"reason", why}});
    if (!options_.presence_events) {
        return;
    }
    std::string json = "{";
    append_field(json, "clientid", client.client_id);
    append_field(json, "username", client.username);
    append_field(json, "reason", why);
    append_raw_field(json, "ts", unix_seconds(now_.wall));
    json += '}';
    emit_event(client, "disconnected", std::move(json));
}

void Broker::emit_event(const ClientIdentity& identity, std::string_view event, std::string json) {
    const std::string topic = "$SYS/brokers/" + options_.node_name + "/clients/" +
                              topic_level_of(identity.client_id) + "/" + std::string{event};
    if (topic.size() > 65535) {
        return;  // a client id near the longest that there can be: no topic can name it
    }
    publish_internal(topic, json, false, options_.presence_qos);
}

}  // namespace gw
