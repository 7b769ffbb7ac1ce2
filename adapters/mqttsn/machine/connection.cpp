#include "adapters/mqttsn/machine/connection.hpp"

#include "adapters/mqttsn/machine/gateway.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gw::mqttsn {

namespace {

/// How a connection ends whose client says DISCONNECT.
constexpr ConnectionEnd goodbye{
    .reason = ReasonCode::success, .discard_will = true, .expiry_interval = {}};

}  // namespace

Connection::Connection(Gateway& gateway, std::uint32_t handle, const DatagramSource& source)
    : gateway_(gateway),
      last_received_(gateway.broker().now().monotonic),
      handle_(handle),
      peer_(source.peer) {
    is_output_blocked = true;
    if (!source.node.empty()) {
        work().node = as_text(source.node);
    }
}

// --------------------------------------------------------------------------------------- input

void Connection::on_frame(const Frame& frame) {
    if (state_ == State::gone) {
        return;
    }
    broker().metrics().packets_received.add();
    last_received_ = now();
    if (repeats_will(frame)) {
        send(Connack{});
        return;
    }
    is_fresh_ = false;
    if (state_ == State::connecting) {
        on_connecting_frame(frame);
    } else {
        on_connected_frame(frame);
    }
}

void Connection::on_connected_frame(const Frame& frame) {
    if (is_access_pending_ && must_wait(frame)) {
        return;
    }
    if (frame.type == MessageType::publish) {
        if (const auto packet = decode_publish(frame.body)) {
            on_publish(*packet, frame.body);
        } else {
            gateway_.drop(DatagramDrop::truncated);
        }
        return;
    }
    const auto packet = decode_body(frame);
    if (!packet) {
        gateway_.drop(packet.error());
        return;
    }
    on_packet(*packet, frame.body);
}

void Connection::on_packet(const Packet& packet, Bytes body) {
    switch (type_of(packet)) {
        case MessageType::register_topic:
            return on_register(std::get<Register>(packet));
        case MessageType::regack:
            return on_regack(std::get<Regack>(packet));
        case MessageType::puback:
            return on_puback(std::get<Puback>(packet));
        case MessageType::pubrec:
            return on_pubrec(std::get<Pubrec>(packet).message_id);
        case MessageType::pubrel:
            return on_pubrel(std::get<Pubrel>(packet).message_id);
        case MessageType::pubcomp:
            return on_pubcomp(std::get<Pubcomp>(packet).message_id);
        case MessageType::subscribe:
            return on_subscribe(std::get<Subscribe>(packet), body);
        case MessageType::unsubscribe:
            return on_unsubscribe(std::get<Unsubscribe>(packet));
        case MessageType::pingreq:
            return answer_ping();
        case MessageType::pingresp:
            return;  // a sign of life
        case MessageType::disconnect:
            return on_disconnect(std::get<Disconnect>(packet));
        case MessageType::willtopicupd:
            return on_will_topic_update(std::get<WillTopicUpdate>(packet));
        case MessageType::willmsgupd:
            return on_will_message_update(std::get<WillMessageUpdate>(packet));
        default:
            gateway_.drop(DatagramDrop::unexpected);  // what only a gateway sends
    }
}

void Connection::on_disconnect(const Disconnect& packet) {
    if (packet.duration && *packet.duration != 0) {
        fall_asleep(*packet.duration);
        return;
    }
    if (state_ == State::asleep || state_ == State::awake) {
        state_ = State::active;
        save_state();  // it sleeps no more
    }
    confirm_disconnect(broker().begin_close(*session_, goodbye), true);
}

/// Before CONNACK.
void Connection::on_early_disconnect() {
    const StoreTicket ticket =
        is_connected() ? broker().begin_close(*session_, goodbye) : StoreTicket{0};
    if (ticket == 0 || !options().waits_for_store) {
        say_goodbye();
        return;
    }
    connecting_->ticket = ticket;
    connecting_->is_leaving = true;
}

void Connection::say_goodbye() {
    send(Disconnect{});
    end_session(goodbye);
    leave();
}

/// The answer tells that the client may go, or sleep: it comes when a restart would not publish its
/// will after that. At once without a ticket; then the connection may be over.
void Connection::confirm_disconnect(StoreTicket ticket, bool ends) {
    if (work_) {  // one answer is enough for a client that has asked again meanwhile
        std::erase_if(work_->replies, [](const PendingReply& reply) {
            return reply.type == MessageType::disconnect;
        });
    }
    reply({.ticket = ticket, .type = MessageType::disconnect, .ends = ends});
}

// -------------------------------------------------------------------------- access that takes time

/// Requests keep their order: behind one that is being judged the others wait, within bounds.
bool Connection::must_wait(const Frame& frame) {
    constexpr std::size_t waiting_count_max = 8;
    if (frame.type != MessageType::publish && frame.type != MessageType::subscribe &&
        frame.type != MessageType::unsubscribe && frame.type != MessageType::register_topic) {
        return false;
    }
    std::string input{static_cast<char>(frame.type)};
    input.append(as_text(frame.body));
    auto& waiting = work().waiting_input;
    const bool is_repeated = std::find(waiting.begin(), waiting.end(), input) != waiting.end();
    if (!is_repeated && waiting.size() >= waiting_count_max) {
        gateway_.drop(DatagramDrop::busy);
    } else if (!is_repeated) {
        waiting.push_back(std::move(input));
    }
    return true;
}

void Connection::wait_for_access(MessageType type, Bytes body) {
    std::string input{static_cast<char>(type)};
    input.append(as_text(body));
    auto& waiting = work().waiting_input;
    waiting.insert(waiting.begin(), std::move(input));
    is_access_pending_ = true;
}

void Connection::on_access_decided() {
    if (!is_access_pending_) {
        return;
    }
    is_access_pending_ = false;
    take_waiting_input();
}

void Connection::take_waiting_input() {
    while (work_ && !work_->waiting_input.empty() && !is_access_pending_ && is_connected()) {
        const std::string input = std::move(work_->waiting_input.front());
        work_->waiting_input.erase(work_->waiting_input.begin());
        on_connected_frame({static_cast<MessageType>(static_cast<std::uint8_t>(input[0])),
                            as_bytes(input).subspan(1)});
    }
}

// ------------------------------------------------------------------------------------- replies

void Connection::reply(const PendingReply& reply) {
    const bool waits = reply.ticket != 0 && options().waits_for_store;
    if (waits) {
        work().replies.push_back(reply);
        update_blocked();
    } else {
        send_reply(reply);
    }
}

void Connection::send_reply(const PendingReply& reply) {
    switch (reply.type) {
        case MessageType::puback:
            return send(Puback{reply.topic_id, reply.message_id, reply.code});
        case MessageType::pubrec:
            return send(Pubrec{reply.message_id});
        case MessageType::pubrel:
            if (work_->outgoing.packet_id == reply.message_id) {
                work_->outgoing.is_unstored = false;
            }
            return send(Pubrel{reply.message_id});
        case MessageType::pubcomp:
            return send(Pubcomp{reply.message_id});
        case MessageType::regack:
            return send(Regack{reply.topic_id, reply.message_id, reply.code});
        case MessageType::suback:
            return send(Suback{reply.flags, reply.topic_id, reply.message_id, reply.code});
        case MessageType::unsuback:
            return send(Unsuback{reply.message_id});
        case MessageType::willtopicresp:
            return send(WillTopicResponse{reply.code});
        case MessageType::willmsgresp:
            return send(WillMessageResponse{reply.code});
        case MessageType::disconnect:
            return reply.ends ? say_goodbye() : send(Disconnect{});
        default:
            GW_UNREACHABLE();  // nothing else is made to wait
    }
}

void Connection::on_stored(StoreTicket ticket, StoreOutcome outcome) {
    if (!is_connected()) {
        return;
    }
    if (state_ == State::connecting) {
        if (connecting_->ticket <= ticket) {
            on_session_stored(connecting_->ticket == ticket ? outcome : StoreOutcome::stored);
        }
        return;
    }
    if (!work_) {
        return;
    }
    std::vector<PendingReply> kept;
    for (PendingReply& reply : std::exchange(work_->replies, {})) {
        // A repeated PUBLISH may wait behind the first, which was not stored.
        const bool is_forgotten = reply.type == MessageType::pubrec &&
                                  !broker().has_inbound_qos2(*session_, reply.message_id);
        if (reply.ticket > ticket) {
            kept.push_back(std::move(reply));
        } else if (is_forgotten || (outcome != StoreOutcome::stored && reply.ticket == ticket)) {
            refuse_unstored(std::move(reply));
        } else {
            send_reply(reply);
            if (session_ == nullptr) {
                return;  // it has said goodbye
            }
        }
    }
    work_->replies = std::move(kept);
    go_on();  // messages may have waited for this, and so may PINGRESP
}

/// What could not be stored is not acknowledged: the client may try again later.
void Connection::refuse_unstored(PendingReply reply) {
    broker().metrics().replies_refused_store.add();
    reply.code = ReturnCode::congestion;
    switch (reply.type) {
        case MessageType::pubrec:
            reply.type = MessageType::puback;
            [[fallthrough]];
        case MessageType::puback:
            if (work_->recent_publishes) {
                work_->recent_publishes->forget(reply.message_id);
            }
            break;
        case MessageType::suback:
            work_->last_subscribe.is_set = false;
            reply.topic_id = 0;
            if (const auto filter =
                    parse_topic_filter(reply.added, {.bytes_max = 1 << 20, .levels_max = 65535})) {
                broker().unsubscribe(*session_, *filter);
            }
            break;
        case MessageType::pubrel:
        case MessageType::pubcomp:
        case MessageType::unsuback:
        case MessageType::disconnect:
            return;  // have no word for it
        default:
            break;
    }
    send_reply(reply);
}

template <class Message>
void Connection::send(const Message& packet) {
    if (has_address_) {
        gateway_.send(peer_, work_ ? as_bytes(work_->node) : NodePrefix{}, packet);
    }
}

// Used by the other files of this class.
template void Connection::send(const Connack&);
template void Connection::send(const WillTopicRequest&);
template void Connection::send(const WillMessageRequest&);
template void Connection::send(const Register&);
template void Connection::send(const Publish&);
template void Connection::send(const Pubrel&);
template void Connection::send(const Pingresp&);
template void Connection::send(const Disconnect&);
template void Connection::send(const WillTopicResponse&);
template void Connection::send(const WillMessageResponse&);

// -------------------------------------------------------------------------------------- ending

void Connection::end_session(const ConnectionEnd& end) {
    if (session_ == nullptr) {
        return;
    }
    const bool slept = state_ == State::asleep || state_ == State::awake;
    if (slept) {
        state_ = State::active;
        save_state();  // it sleeps no more
    }
    broker().metrics().connections_closed_by_reason[static_cast<std::size_t>(end.reason)].add();
    Session& session = *std::exchange(session_, nullptr);
    broker().close_connection(session, end);
}

void Connection::leave() {
    if (state_ == State::gone) {
        return;
    }
    abandon();
    state_ = State::gone;
    session_ = nullptr;
    is_output_blocked = true;
    gateway_.timers().cancel(*this);
    if (has_address_) {
        has_address_ = false;
        gateway_.port().unbind(peer_, work_ ? as_bytes(work_->node) : NodePrefix{}, handle_);
    }
    if (is_counted_) {
        gateway_.shared().client_count.fetch_sub(1, std::memory_order_relaxed);
        broker().metrics().connections_closed.add();
    }
    if (work_ && !work_->proof.empty()) {
        gateway_.shared().proven.remove(work_->proof.str());
    }
    gateway_.add_gone(*this);
}

void Connection::abandon() {
    if (connecting_ && std::exchange(connecting_->is_waiting, false)) {
        broker().forget_login(connecting_->token);
    }
    if (work_ && work_->move) {
        broker().forget_login(work_->move->token);
        work_->move.reset();
    }
}

void Connection::lose(ReasonCode reason) {
    if (state_ == State::active) {
        send(Disconnect{});  // should it be there after all, it knows that it must connect again
    }
    end_session({.reason = reason, .discard_will = false, .expiry_interval = {}});
    leave();
}

void Connection::on_session_lost(ReasonCode reason) {
    broker().metrics().connections_closed_by_reason[static_cast<std::size_t>(reason)].add();
    session_ = nullptr;
    if (!is_replaced_) {
        send(Disconnect{});
    }
    leave();
}

void Connection::on_peer_lost() {
    has_address_ = false;
    switch (state_) {
        case State::connecting:
            if (session_ == nullptr) {
                leave();
                return;
            }
            [[fallthrough]];
        case State::active:
            if (!is_replaced_) {
                lose(ReasonCode::connection_lost);
            }
            return;
        case State::awake:
            state_ = State::asleep;  // until it comes from somewhere else
            update_blocked();
            return;
        case State::asleep:
        case State::gone:
            return;
    }
}

void Connection::on_shutdown(ReasonCode reason) {
    switch (state_) {
        case State::connecting:
            end_session({.reason = reason, .discard_will = true, .expiry_interval = {}});
            leave();
            return;
        case State::asleep:
        case State::awake:
            if (session_->is_persistent()) {
                return;
            }
            [[fallthrough]];
        case State::active:
            send(Disconnect{});
            end_session({.reason = reason, .discard_will = false, .expiry_interval = {}});
            leave();
            return;
        case State::gone:
            return;
    }
}

// ---------------------------------------------------------------------------------------- time

/// When the client has been silent for too long. A keep alive may be exceeded by half; a sleep by
/// half when it is short, by a tenth when it is longer than a minute (7.2).
MonotonicTime Connection::silence_limit() const {
    if (state_ == State::active) {
        if (keep_alive_ == 0) {
            return never;
        }
        return last_received_ +
               Milliseconds{std::llround(keep_alive_ * 2000.0 * options().keep_alive_backoff)};
    }
    const std::int64_t announced = std::int64_t{sleep_duration_} * 1000;
    return last_received_ +
           Milliseconds{sleep_duration_ <= 60 ? announced * 3 / 2 : announced * 11 / 10};
}

/// Sees that the timer comes in time. One that comes too early costs less than one that is moved
/// with each message.
void Connection::schedule() {
    MonotonicTime due = never;
    if (connecting_) {
        due = std::min(connecting_->retry_at, connecting_->timeout_at);
    } else {
        due = silence_limit();
        if (work_) {
            due = std::min(due, work_->outgoing.retry_at);
        }
        if (state_ == State::awake) {
            due = std::min(due, now() + options().retry_interval);  // see on_deadline()
        }
    }
    if (!is_scheduled() || due < deadline) {
        gateway_.timers().schedule(*this, due);
    }
}

void Connection::on_deadline() {
    if (state_ == State::gone) {
        return;
    }
    if (connecting_) {
        on_connecting_deadline();
    } else if (is_access_pending_) {
        last_received_ = now();  // the silence is ours
    } else if (silence_limit() <= now()) {
        lose(ReasonCode::keep_alive_timeout);
    } else if (work_ && work_->outgoing.retry_at <= now()) {
        retry_outgoing();
    } else if (state_ == State::awake) {
        update_blocked();  // what it waits for may have expired: settle() looks again
    }
    if (state_ != State::gone) {
        schedule();
    }
}

// --------------------------------------------------------------------------------------- state

/// Keeps what outlives the connection with the session.
void Connection::save_state() {
    if (session_ == nullptr || !session_->is_persistent() || (!work_ && !session_->adapter_state)) {
        return;
    }
    ClientState& client = work().client;
    client.sleep.reset();
    if (state_ == State::asleep || state_ == State::awake) {
        const auto left = std::max(silence_limit() - now(), Milliseconds{0});
        client.sleep = Sleep{sleep_duration_, keep_alive_, broker().now().wall + left};
    }
    ByteBuffer bytes;
    if (!client.empty()) {
        encode_client_state(bytes, client);
    }
    const std::string_view present =
        session_->adapter_state ? std::string_view{*session_->adapter_state} : std::string_view{};
    if (as_text(bytes.view()) != present) {
        broker().set_adapter_state(*session_, std::string{as_text(bytes.view())});
    }
}

Connection::Work& Connection::work() {
    if (!work_) {
        work_ = std::make_unique<Work>();
    }
    return *work_;
}

MonotonicTime Connection::now() const {
    return gateway_.broker().now().monotonic;
}

Broker& Connection::broker() const {
    return gateway_.broker();
}

const GatewayOptions& Connection::options() const {
    return gateway_.options();
}

bool Connection::is_at(const DatagramSource& source) const {
    const std::string_view node = work_ ? work_->node.view() : std::string_view{};
    return has_address_ && peer_ == source.peer && node == as_text(source.node);
}

}  // namespace gw::mqttsn
