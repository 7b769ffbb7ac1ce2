// CONNECT, the dialogue about the will, and who the client is (MQTT-SN 1.2, 6.2 and 6.3).
#include "adapters/mqttsn/machine/connection.hpp"
#include "adapters/mqttsn/machine/gateway.hpp"
#include "adapters/mqttsn/machine/protocol.hpp"
#include "broker-core/base/utf8.hpp"

#include <algorithm>
#include <utility>

namespace gw::mqttsn {

namespace {

/// 1.2 has three words for a refusal: come again later, or never so.
ReturnCode refusal_of(ReasonCode reason) {
    switch (reason) {
        case ReasonCode::server_busy:
        case ReasonCode::server_unavailable:
        case ReasonCode::quota_exceeded:
        case ReasonCode::connection_rate_exceeded:
            return ReturnCode::congestion;
        default:
            return ReturnCode::not_supported;
    }
}

}  // namespace

const std::string& Connection::client_id() const {
    static const std::string nobody;
    if (session_ != nullptr) {
        return session_->client_id();
    }
    return connecting_ ? connecting_->client_id : nobody;
}

// ------------------------------------------------------------------------------------- dialogue

void Connection::on_connect(const Connect& packet, const DatagramSource& source) {
    broker().metrics().packets_received.add();
    broker().metrics().connections_opened.add();
    gateway_.shared().client_count.fetch_add(1, std::memory_order_relaxed);
    is_counted_ = true;
    connecting_ = std::make_unique<Connecting>();
    connecting_->client_id = gateway_.core_id(packet.client_id);
    connecting_->flags = packet.flags;
    connecting_->duration = packet.duration;
    connecting_->peer = gateway_.peer_info(source);
    connecting_->timeout_at = now() + options().connect_timeout;
    gateway_.port().bind(peer_, source.node, handle_);
    if (connecting_->flags.will()) {
        ask_for_will_topic();
    } else {
        schedule();
        log_in();
    }
}

bool Connection::repeats_connect(const Connect& packet) {
    if (state_ == State::connecting) {
        if (!connecting_ || !(connecting_->flags == packet.flags) ||
            connecting_->duration != packet.duration) {
            return false;
        }
        if (connecting_->step == Connecting::Step::will_message) {
            // Perhaps it has begun anew: it expects the first question, and can answer both.
            connecting_->step = Connecting::Step::will_topic;
        }
        ask_again();
        return true;
    }
    // CONNACK was lost: the same again, and nothing in between.
    if (state_ != State::active || !is_fresh_ || !(connect_flags_ == packet.flags) ||
        keep_alive_ != packet.duration) {
        return false;
    }
    last_received_ = now();
    send(Connack{});
    return true;
}

/// The last message of the will dialogue once more: CONNACK, which answers it, was lost.
bool Connection::repeats_will(const Frame& frame) const {
    // WILLTOPIC without a topic: empty, or flags alone.
    const bool ends_dialogue = frame.type == MessageType::willmsg ||
                               (frame.type == MessageType::willtopic && frame.body.size() <= 1);
    return ends_dialogue && state_ == State::active && is_fresh_ && connect_flags_.will();
}

/// The gateway has all that it asks for.
void Connection::log_in() {
    connecting_->step = Connecting::Step::deciding;
    connecting_->retry_at = never;
    LoginAnswer answer = broker().connect(
        {.shown = credentials(connecting_->client_id, connecting_->peer), .terms = terms()}, *this);
    take_answer(answer);
}

void Connection::take_answer(LoginAnswer& answer) {
    connecting_->is_waiting = answer.kind == LoginAnswer::Kind::pending;
    connecting_->token = answer.token;
    if (connecting_->is_waiting) {
        schedule();
    } else if (answer.kind == LoginAnswer::Kind::opened) {
        finish_connect(answer.opened);
    } else {
        send(Connack{refusal_of(answer.opened.reason)});  // the broker has counted the refusal
        leave();
    }
}

Credentials Connection::credentials(std::string_view id, const PeerInfo& peer) const {
    Credentials shown{.client_id = id, .peer = peer, .protocol = &protocol};
    if (peer.identity && !peer.identity->psk_identity.empty()) {
        shown.username = peer.identity->psk_identity;
    } else if (options().username) {
        shown.is_fixed_user = true;
        shown.username = *options().username;
        if (options().password) {
            shown.password = as_bytes(*options().password);
        }
    }
    return shown;
}

void Connection::on_login_decided(LoginAnswer& answer) {
    if (connecting_ && connecting_->is_waiting && answer.token == connecting_->token) {
        take_answer(answer);
    } else if (work_ && work_->move && work_->move->token == answer.token) {
        const std::unique_ptr<Move> move = std::move(work_->move);
        if (is_connected()) {
            finish_ping_move({.peer = move->peer, .node = as_bytes(move->node)}, answer);
        }
    }
}

void Connection::ask_for_will_topic() {
    connecting_->step = Connecting::Step::will_topic;
    connecting_->try_count = 0;
    ask_again();
}

void Connection::ask_for_will_message() {
    connecting_->step = Connecting::Step::will_message;
    connecting_->try_count = 0;
    ask_again();
}

void Connection::ask_again() {
    switch (connecting_->step) {
        case Connecting::Step::deciding:
        case Connecting::Step::storing:
            return;  // the answer comes by itself
        case Connecting::Step::will_topic:
            send(WillTopicRequest{});
            break;
        case Connecting::Step::will_message:
            send(WillMessageRequest{});
            break;
    }
    connecting_->retry_at = now() + options().retry_interval;
    schedule();
}

void Connection::on_connecting_frame(const Frame& frame) {
    const auto packet = decode_body(frame);
    if (!packet) {
        gateway_.drop(packet.error());
        return;
    }
    if (const auto* const topic = std::get_if<WillTopic>(&*packet)) {
        on_will_topic(*topic);
    } else if (const auto* const message = std::get_if<WillMessage>(&*packet)) {
        on_will_message(*message);
    } else if (std::holds_alternative<Disconnect>(*packet)) {
        on_early_disconnect();
    } else {
        gateway_.drop(DatagramDrop::unexpected);
    }
}

void Connection::on_will_topic(const WillTopic& packet) {
    if (connecting_->step == Connecting::Step::will_message) {
        ask_again();  // it has not heard our question
        return;
    }
    if (connecting_->step != Connecting::Step::will_topic) {
        gateway_.drop(DatagramDrop::unexpected);
        return;
    }
    if (packet.topic.empty()) {
        connecting_->will = {};
        log_in();  // there shall be none (6.3)
        return;
    }
    if (!take_will_topic(connecting_->will, packet.flags, packet.topic)) {
        refuse_connect(ReasonCode::topic_name_invalid, ReturnCode::not_supported);
        return;
    }
    ask_for_will_message();
}

void Connection::on_will_message(const WillMessage& packet) {
    const bool is_topic_known =
        connecting_->step == Connecting::Step::will_topic && !connecting_->will.topic.empty();
    if (connecting_->step != Connecting::Step::will_message && !is_topic_known) {
        gateway_.drop(DatagramDrop::unexpected);
        return;
    }
    connecting_->will.message = std::string{as_text(packet.message)};
    log_in();
}

void Connection::on_connecting_deadline() {
    if (connecting_->timeout_at <= now() || connecting_->try_count >= options().retry_count_max) {
        broker()
            .metrics()
            .connects_refused_by_reason[static_cast<std::size_t>(ReasonCode::maximum_connect_time)]
            .add();
        end_session({.reason = ReasonCode::maximum_connect_time,
                     .discard_will = true,
                     .expiry_interval = {}});
        leave();
        return;
    }
    if (connecting_->retry_at <= now()) {
        connecting_->retry_at = never;
        ++connecting_->try_count;
        broker().metrics().retransmissions.add();
        ask_again();
    }
}

void Connection::refuse_connect(ReasonCode reason, ReturnCode code) {
    broker().refuse_connect(credentials(connecting_->client_id, connecting_->peer), reason);
    send(Connack{code});
    leave();
}

// -------------------------------------------------------------------------------------- session

void Connection::on_session_found(Session& session, SessionTerms& terms) {
    if (!connecting_) {
        return;  // a sleeper of an earlier process
    }
    keep_sleeper(session);
    prepare_takeover(session);
    if (!connecting_->flags.clean_session() && session.is_persistent()) {
        load_state(session);
    }
    if (!connecting_->flags.will() && work_) {
        terms.will = make_will(work_->client.will);  // its own from before (6.3)
    }
}

void Connection::finish_connect(const OpenedSession& opened) {
    session_ = opened.session;
    if (!opened.session_present && work_) {
        work_->client = {};
        work_->outgoing = {};
    }
    if (connecting_->flags.will() && !connecting_->will.empty()) {
        work().client.will = connecting_->will;
    } else if (connecting_->flags.will() && work_) {
        work_->client.will = {};
    }
    forget_connection();
    save_state();
    if (opened.ticket != 0 && options().waits_for_store) {
        // CONNACK promises a session, or that an older one is gone, and the will.
        connecting_->step = Connecting::Step::storing;
        connecting_->retry_at = never;
        connecting_->ticket = opened.ticket;
        connecting_->must_be_stored = opened.must_be_stored;
        connecting_->has_resumed = opened.session_present;
        schedule();
        return;
    }
    begin();
}

void Connection::on_session_stored(StoreOutcome outcome) {
    if (connecting_->is_leaving) {
        say_goodbye();
        return;
    }
    if (outcome != StoreOutcome::stored && connecting_->must_be_stored) {
        broker().metrics().replies_refused_store.add();
        send(Connack{ReturnCode::congestion});
        // A session that was there stays as it was stored.
        end_session(
            {.reason = reason_of(outcome),
             .discard_will = true,
             .expiry_interval = connecting_->has_resumed ? std::nullopt : std::optional{0U}});
        leave();
        return;
    }
    begin();
}

/// A client that sleeps with a clean session and connects without that flag keeps what it has
/// (6.3): its messages have waited for just this. From now on its session outlives connections.
void Connection::keep_sleeper(Session& present) {
    Connection* const old = Gateway::connection_of(&present);
    const bool is_sleeper =
        old != nullptr && (old->state_ == State::asleep || old->state_ == State::awake);
    if (is_sleeper && !connecting_->flags.clean_session() && !present.is_persistent()) {
        broker().make_persistent(present);
        old->save_state();
    }
}

/// A client that connects again is alive: no will is due for its connection before. And when it is
/// at the same place, a DISCONNECT for that one would reach this one.
void Connection::prepare_takeover(Session& present) {
    Connection* const old = Gateway::connection_of(&present);
    if (old == nullptr) {
        return;
    }
    present.will.reset();
    if (!connecting_->flags.clean_session() && old->work_ && old->work_->recent_publishes) {
        work().recent_publishes = std::move(old->work_->recent_publishes);
        for (const PendingReply& reply : old->work_->replies) {
            work_->recent_publishes->forget(reply.message_id);  // it was not acknowledged
        }
        work_->recent_publishes->on_reconnect();
    }
    if (!connecting_->flags.clean_session() && old->work_ &&
        old->work_->outgoing.step == Outgoing::Step::registering &&
        old->work_->outgoing.qos == Qos::at_most_once) {
        work().outgoing = std::exchange(old->work_->outgoing, {});  // the broker has it no more
    }
    const DatagramSource here{.peer = peer_, .node = work_ ? as_bytes(work_->node) : NodePrefix{}};
    if (old->is_at(here)) {
        old->make_way();
    }
}

SessionTerms Connection::terms() const {
    const bool is_clean = connecting_->flags.clean_session();
    SessionTerms terms;
    terms.clean_start = is_clean;
    terms.receive_maximum = 1;  // one message at a time (6.10)
    terms.waits_for_store = options().waits_for_store;
    if (!is_clean) {
        const auto seconds = options().session_expiry.count();
        terms.expiry_interval = seconds == 0 ? session_never_expires
                                             : static_cast<std::uint32_t>(std::min<std::int64_t>(
                                                   seconds, session_never_expires));
    }
    if (connecting_->flags.will()) {
        terms.will = make_will(connecting_->will);
    }
    return terms;
}

void Connection::load_state(const Session& session) {
    if (!session.adapter_state) {
        return;
    }
    if (auto state = decode_client_state(as_bytes(*session.adapter_state))) {
        work().client = std::move(*state);
    }
}

/// What only held for the client's connection before.
void Connection::forget_connection() {
    if (work_) {
        work_->client.topics.forget_known();
        work_->client.sleep.reset();
    }
}

/// CONNACK, then what waits.
void Connection::begin() {
    become_active();
    if (work_ && work_->outgoing.step != Outgoing::Step::none) {
        send_outgoing_again();
    }
    broker().start_delivery(*session_);
}

void Connection::become_active() {
    keep_alive_ = connecting_->duration;
    connect_flags_ = connecting_->flags;
    state_ = State::active;
    is_fresh_ = true;
    last_received_ = now();
    conflates_queue = false;
    note_proof(connecting_->peer);
    connecting_.reset();
    gateway_.timers().cancel(*this);
    schedule();
    send(Connack{});
    update_blocked();
}

void Connection::note_proof(const PeerInfo& peer) {
    const std::string proof = Gateway::proof_of(peer, session_->identity->is_anonymous);
    if (work_ && !work_->proof.empty()) {
        gateway_.shared().proven.remove(work_->proof.str());
        work_->proof = SmallText{};
    }
    // Proofs by certificate or key are remembered in any case: at another address the same is
    // asked.
    if (proof.empty() || (!peer.identity && !options().follows_proven_clients)) {
        return;
    }
    gateway_.shared().proven.add(proof, session_->client_id());
    work().proof = std::string_view{proof};
}

bool Connection::restore(Session& session, ClientState&& state) {
    has_address_ = false;
    keep_alive_ = state.sleep->keep_alive;
    sleep_duration_ = state.sleep->duration;
    const WallTime until = state.sleep->until;
    work().client = std::move(state);
    state_ = State::asleep;
    SessionTerms terms;
    terms.clean_start = false;
    terms.expiry_interval = session.expiry_interval;
    terms.receive_maximum = 1;
    terms.will = session.will ? std::make_unique<Will>(*session.will) : nullptr;
    const OpenedSession opened = broker().continue_restored(session, std::move(terms), *this);
    if (opened.session == nullptr) {
        leave();
        return false;
    }
    session_ = opened.session;
    is_counted_ = true;
    gateway_.shared().client_count.fetch_add(1, std::memory_order_relaxed);
    conflates_queue = !options().sleep_rules.empty();
    // The time that it may be silent has gone on without us.
    const auto announced = silence_limit() - last_received_;
    const auto left =
        std::clamp<Milliseconds>(until - broker().now().wall, Milliseconds{0}, announced);
    last_received_ = now() - (announced - left);
    schedule();
    broker().start_delivery(*session_);
    return true;
}

}  // namespace gw::mqttsn
