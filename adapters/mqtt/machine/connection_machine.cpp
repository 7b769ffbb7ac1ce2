#include "adapters/mqtt/machine/connection_machine.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace gw::mqtt {

ConnectionMachine::ConnectionMachine(Broker& broker, StreamConnection& connection,
                                     std::shared_ptr<const MachineOptions> options, PeerInfo peer)
    : broker_(broker),
      connection_(connection),
      options_(std::move(options)),
      connecting_(std::make_unique<Connecting>()),
      last_received_(broker.now().monotonic) {
    connecting_->peer = std::move(peer);
    connecting_->timeout_at = now() + options_->connect_timeout;
    arm_deadline();
}

ConnectionMachine::~ConnectionMachine() {
    forget_logins();
    if (session_ != nullptr) {
        end_session(
            {.reason = ReasonCode::connection_lost, .discard_will = false, .expiry_interval = {}});
    }
}

// ------------------------------------------------------------------------------------- input

std::size_t ConnectionMachine::on_bytes(Bytes bytes) {
    std::size_t consumed = 0;
    while (state_ != State::closing && state_ != State::closed && state_ != State::opening &&
           !connecting_is_waiting()) {
        const std::size_t limit =
            connecting_ ? std::min(options_->unauthenticated_bytes_max, options_->packet_bytes_max)
                        : options_->packet_bytes_max;
        const FrameOutcome outcome =
            read_frame(bytes.subspan(consumed), limit,
                       has_version_ ? std::optional<Version>{version_} : std::nullopt);
        if (outcome.status == FrameStatus::need_more) {
            break;
        }
        if (outcome.status == FrameStatus::error) {
            fail(outcome.error);
            break;
        }
        const PacketType type = outcome.frame.type();
        if (is_over_rate(type) || on_frame(outcome.frame) == Step::wait) {
            break;
        }
        Metrics& metrics = broker_.metrics();
        metrics.packets_received.add();
        metrics.packets_received_by_type[static_cast<std::size_t>(type)].add();
        last_received_ = now();  // part of a packet is no sign of life (MQTT 5.0, 3.1.2.10)
        consumed += outcome.frame.packet_bytes;
    }
    if (state_ == State::closing || state_ == State::closed) {
        return bytes.size();
    }
    note_bytes(consumed);
    check_replies();
    return consumed;
}

ConnectionMachine::Step ConnectionMachine::on_frame(const Frame& frame) {
    if (state_ == State::connected) {
        return on_connected_frame(frame);
    }
    if (state_ == State::awaiting_connect) {
        // Nothing but CONNECT may come first (MQTT 5.0, 3.1).
        if (frame.type() != PacketType::connect) {
            fail(ReasonCode::protocol_error, "the first packet is not CONNECT");
            return Step::done;
        }
        return on_connect(frame.body);
    }
    // During an enhanced authentication only AUTH and DISCONNECT may come (MQTT 5.0, 3.1.2.11.9).
    if (frame.type() == PacketType::auth) {
        on_auth(frame);
    } else if (frame.type() == PacketType::disconnect) {
        say_goodbye(ReasonCode::success, {});
    } else {
        fail(ReasonCode::protocol_error, "packet before the authentication is complete");
    }
    return Step::done;
}

ConnectionMachine::Step ConnectionMachine::on_connected_frame(const Frame& frame) {
    switch (frame.type()) {
        case PacketType::publish:
            return on_publish(frame);
        case PacketType::puback:
        case PacketType::pubrec:
        case PacketType::pubrel:
        case PacketType::pubcomp:
            on_ack(frame);
            return Step::done;
        case PacketType::subscribe:
            return on_subscribe(frame);
        case PacketType::unsubscribe:
            return on_unsubscribe(frame);
        case PacketType::pingreq:
            if (const auto ping = decode_ping(frame.body); !ping) {
                fail(ping.error());
                return Step::done;
            }
            encode_pingresp(connection_.output());
            count_sent(PacketType::pingresp);
            return Step::done;
        case PacketType::disconnect:
            on_disconnect(frame);
            return Step::done;
        case PacketType::auth:
            on_auth(frame);
            return Step::done;
        case PacketType::connect:
            fail(ReasonCode::protocol_error, "second CONNECT");  // MQTT 5.0, 3.1
            return Step::done;
        case PacketType::connack:
        case PacketType::suback:
        case PacketType::unsuback:
        case PacketType::pingresp:
            fail(ReasonCode::protocol_error, "packet that only a server sends");
            return Step::done;
    }
    GW_UNREACHABLE();  // read_frame() knows no other types
}

void ConnectionMachine::on_disconnect(const Frame& frame) {
    const auto packet = decode_disconnect(frame.body, version_, Sender::client);
    if (!packet) {
        fail(packet.error());
        return;
    }
    // A session that was to end with its connection cannot be made to stay (MQTT 5.0, 3.14.2.2.2).
    if (packet->session_expiry_interval && *packet->session_expiry_interval != 0 &&
        !had_session_expiry_) {
        fail(ReasonCode::protocol_error, "session expiry interval was 0 in CONNECT");
        return;
    }
    const ConnectionEnd end{.reason = packet->reason,
                            .discard_will = packet->reason == ReasonCode::success,
                            .expiry_interval = packet->session_expiry_interval};
    if (waits_to_close(end)) {
        return;
    }
    state_ = State::closed;
    end_session(end);
    shut(CloseMode::drain);
}

/// The end of the connection is all the answer that DISCONNECT has: it tells that the will, or the
/// session, is gone. So it comes when a restart would not bring them back.
bool ConnectionMachine::waits_to_close(const ConnectionEnd& end) {
    const StoreTicket ticket = broker_.begin_close(*session_, end);
    if (ticket == 0 || !options_->waits_for_store) {
        return false;
    }
    forget_logins();
    state_ = State::closing;
    is_output_blocked = true;  // the client expects no more messages
    connection_.set_deadline(never);
    rare().goodbye = end;
    rare_->goodbye_ticket = ticket;
    return true;
}

void ConnectionMachine::finish_disconnect(StoreOutcome outcome) {
    if (outcome != StoreOutcome::stored) {
        broker_.metrics().replies_refused_store.add();
        state_ = State::connected;  // MQTT 5 has a word for it
        say_goodbye(reason_of(outcome), "the store failed");
    }
    state_ = State::closed;
    end_session(rare_->goodbye);
    shut(CloseMode::drain);
}

// ------------------------------------------------------------------------------------- ending

void ConnectionMachine::fail(ReasonCode reason, std::string_view text) {
    if (state_ == State::awaiting_connect) {
        // Not even a CONNECT: there is no version to answer in, save for a CONNECT that is too
        // large or malformed, which on_connect() answers itself.
        broker_.metrics().connects_refused_by_reason[static_cast<std::size_t>(reason)].add();
        shut(CloseMode::drain);
        return;
    }
    if (state_ == State::authenticating) {
        broker_.metrics().connects_refused_by_reason[static_cast<std::size_t>(reason)].add();
        refuse_connect(Version::v5, reason, text);
        return;
    }
    broker_.shared().log->info("client.protocol_error", {{"client_id", session_->client_id()},
                                                         {"peer", session_->identity->peer()},
                                                         {"reason", reason_text(reason)},
                                                         {"detail", text}});
    say_goodbye(reason, text);
    end_session({.reason = reason, .discard_will = false, .expiry_interval = {}});
}

void ConnectionMachine::say_goodbye(ReasonCode reason, std::string_view text) {
    if (state_ == State::closed) {
        return;
    }
    if (is_v5() && state_ == State::connected) {
        DisconnectPacket packet;
        packet.reason = reason;
        if (!text.empty()) {
            packet.reason_string = text;
        }
        if (!options_->server_reference.empty() &&
            (reason == ReasonCode::server_shutting_down ||
             reason == ReasonCode::use_another_server || reason == ReasonCode::server_moved)) {
            packet.server_reference = options_->server_reference;
        }
        if (!fits(disconnect_size(version_, packet))) {
            packet.reason_string.reset();
            packet.server_reference.reset();
        }
        encode_disconnect(connection_.output(), version_, packet);
        count_sent(PacketType::disconnect);
    }
    shut(CloseMode::drain);
}

void ConnectionMachine::shut(CloseMode mode) {
    state_ = State::closed;
    forget_logins();
    connection_.close(mode);
}

void ConnectionMachine::forget_logins() {
    if (connecting_ && connecting_->token != 0) {
        broker_.forget_login(std::exchange(connecting_->token, 0));
        connecting_->is_waiting = false;
    }
    if (rare_ && rare_->reauthentication != 0) {
        broker_.forget_login(std::exchange(rare_->reauthentication, 0));
        rare_->is_reauthentication_pending = false;
    }
}

void ConnectionMachine::end_session(const ConnectionEnd& end) {
    if (session_ == nullptr) {
        return;
    }
    broker_.metrics().connections_closed_by_reason[static_cast<std::size_t>(end.reason)].add();
    Session& session = *std::exchange(session_, nullptr);
    broker_.close_connection(session, end);
}

void ConnectionMachine::on_closed(ReasonCode reason) {
    const bool was_closing = std::exchange(state_, State::closed) == State::closing;
    forget_logins();
    if (was_closing) {
        end_session(rare_->goodbye);
        return;
    }
    end_session({.reason = reason, .discard_will = false, .expiry_interval = {}});
}

void ConnectionMachine::on_session_lost(ReasonCode reason) {
    broker_.metrics().connections_closed_by_reason[static_cast<std::size_t>(reason)].add();
    session_ = nullptr;
    say_goodbye(reason, {});
}

void ConnectionMachine::on_shutdown(ReasonCode reason) {
    if (state_ == State::connected) {
        say_goodbye(reason, {});
        end_session({.reason = reason, .discard_will = false, .expiry_interval = {}});
    } else if (state_ == State::closing) {
        finish_disconnect(StoreOutcome::stored);
    } else if (state_ != State::closed) {
        shut(CloseMode::drain);
    }
}

// --------------------------------------------------------------------------------------- time

void ConnectionMachine::arm_deadline() {
    MonotonicTime deadline = never;
    if (connecting_) {
        deadline = connecting_->timeout_at;
    } else if (rare_ && rare_->paused_until != never) {
        deadline = rare_->paused_until;
    } else if (keep_alive_ms_ != 0) {
        deadline = last_received_ + Milliseconds{keep_alive_ms_};
    }
    if (rare_) {
        deadline = std::min(deadline, rare_->gives_up_at);
    }
    connection_.set_deadline(deadline);
}

void ConnectionMachine::on_deadline() {
    if (state_ == State::closing || state_ == State::closed) {
        return;
    }
    if (rare_ && rare_->gives_up_at <= now()) {
        const ReasonCode reason = rare_->gives_up_reason;
        say_goodbye(reason, "the store failed");
        end_session({.reason = reason, .discard_will = false, .expiry_interval = {}});
        return;
    }
    if (connecting_) {
        if (connecting_->timeout_at <= now()) {
            broker_.metrics()
                .connects_refused_by_reason[static_cast<std::size_t>(
                    ReasonCode::maximum_connect_time)]
                .add();
            shut(CloseMode::abort);
            return;
        }
    } else if (rare_ && rare_->paused_until != never) {
        if (rare_->paused_until <= now()) {
            rare_->paused_until = never;
            unpause(pause_for_rate);
        }
    } else if (pauses_.has(pause_for_output) ? has_read_meanwhile() : pauses_.any()) {
        last_received_ = now();  // nothing is read: the silence is ours
    } else if (keep_alive_ms_ != 0 && last_received_ + Milliseconds{keep_alive_ms_} <= now()) {
        fail(ReasonCode::keep_alive_timeout, {});
        return;
    }
    arm_deadline();
}

/// Whether a PUBLISH must wait for mqtt.client.max_publish_rate; reading is paused then.
bool ConnectionMachine::is_over_rate(PacketType type) {
    if (options_->publish_rate_max == 0 || type != PacketType::publish ||
        state_ != State::connected) [[likely]] {
        return false;
    }
    return pause_until(rare().rates.take_message(options_->publish_rate_max, now()),
                       broker_.metrics().reading_paused_rate);
}

/// Counts against mqtt.client.max_byte_rate: what was read is dealt with, the next waits.
void ConnectionMachine::note_bytes(std::size_t bytes) {
    if (options_->byte_rate_max == 0 || state_ != State::connected) [[likely]] {
        return;
    }
    pause_until(rare().rates.take_bytes(bytes, options_->byte_rate_max, now()),
                broker_.metrics().reading_paused_rate);
}

/// Stops reading until then. Returns whether that is still to come.
bool ConnectionMachine::pause_until(MonotonicTime when, Counter& pauses) {
    if (when <= now()) {
        return false;
    }
    pauses.add();
    MonotonicTime& until = rare().paused_until;
    until = until == never ? when : std::max(until, when);
    pause(pause_for_rate);
    arm_deadline();
    return true;
}

void ConnectionMachine::unpause(Pause why) {
    if (pauses_.remove(why, connection_)) {
        last_received_ = now();  // the silence was ours
    }
}

std::size_t ConnectionMachine::FilterReply::bytes() const {
    std::size_t bytes = sizeof(*this) + reasons.capacity() * sizeof(ReasonCode) +
                        added.capacity() * sizeof(TopicFilter);
    for (const TopicFilter& filter : added) {
        bytes += filter.text.capacity() + filter.share_group.capacity();
    }
    return bytes;
}

/// A client that goes on sending without reading the answers, or while they wait for the store,
/// waits too. That is above what stops deliveries, so that who is slow to take them is heard.
void ConnectionMachine::check_replies() {
    if (rare_ && rare_->pending_reply_bytes > options_->unsent_bytes_max) {
        pause(pause_for_replies);
    }
    if (connection_.unsent_bytes() > 2 * options_->unsent_bytes_max) {
        rare().unsent_bytes = connection_.unsent_bytes();
        connection_.wants_drained = true;
        pause(pause_for_output);
    }
}

/// Whether the client, which is not read from because it does not read, has read something since
/// this was last asked: it is alive, and its PINGREQ may be waiting unread.
bool ConnectionMachine::has_read_meanwhile() {
    return connection_.unsent_bytes() <
           std::exchange(rare_->unsent_bytes, connection_.unsent_bytes());
}

// ----------------------------------------------------------------------------------- delivery

namespace {

/// The identifiers of a delivery that an MQTT client has given. `kept` holds them if need be.
std::span<const std::uint32_t> without_private(std::span<const std::uint32_t> identifiers,
                                               std::vector<std::uint32_t>& kept) {
    const auto is_private = [](std::uint32_t one) {
        return (one & private_identifier_bit) != 0;
    };
    if (std::none_of(identifiers.begin(), identifiers.end(), is_private)) {
        return identifiers;
    }
    std::remove_copy_if(identifiers.begin(), identifiers.end(), std::back_inserter(kept),
                        is_private);
    return kept;
}

}  // namespace

bool ConnectionMachine::on_delivery(const DeliveryView& delivery) {
    const Message& message = delivery.message;
    PublishOut packet;
    packet.topic = session_->identity->own_topic(message.topic());
    packet.payload = message.payload();
    packet.packet_id = delivery.packet_id;
    packet.qos = delivery.qos;
    packet.dup = delivery.is_resend && delivery.qos != Qos::at_most_once;
    packet.retain = delivery.retain;
    OutboundAliases::Use alias;
    std::vector<std::uint32_t> identifiers;
    if (is_v5()) {
        packet.properties = message.properties();
        packet.subscription_identifiers = without_private(delivery.identifiers, identifiers);
        if (message.expires_at() != never) {
            // What remains, rounded up: it must not reach 0 while the message lives (3.3.2.3.3).
            const auto left = std::max<Milliseconds>(message.expires_at() - now(), Milliseconds{0});
            packet.message_expiry_interval =
                static_cast<std::uint32_t>(std::chrono::ceil<Seconds>(left).count());
        }
        if (client_topic_alias_maximum_ != 0) {
            Rare& extra = rare();
            if (!extra.outbound_aliases) {
                extra.outbound_aliases =
                    std::make_unique<OutboundAliases>(client_topic_alias_maximum_);
            }
            alias = extra.outbound_aliases->use(packet.topic);
            packet.topic_alias = alias.alias;
            packet.alias_known = alias.is_known;
        }
        if (client_packet_bytes_max_ != protocol_packet_bytes_max &&
            !fits(publish_size(version_, packet))) {
            return false;
        }
        if (alias.alias != 0) {
            rare_->outbound_aliases->confirm(packet.topic, alias);
        }
    }
    constexpr std::size_t gather_bytes_min = 16 * 1024;  // below, copying is cheaper
    if (packet.payload.size() >= gather_bytes_min) {
        encode_publish_header(connection_.output(), version_, packet);
        connection_.gather(MessagePtr{&message}, packet.payload);
    } else {
        encode_publish(connection_.output(), version_, packet);
    }
    count_sent(PacketType::publish);
    note_output();
    return true;
}

void ConnectionMachine::on_release(std::uint16_t packet_id) {
    send_ack(PacketType::pubrel, packet_id, ReasonCode::success);
}

void ConnectionMachine::note_output() {
    if (connection_.unsent_bytes() >= options_->unsent_bytes_max) {
        is_output_blocked = true;
        connection_.wants_drained = true;
    }
}

void ConnectionMachine::on_output_drained() {
    if (state_ == State::closing) {
        return;
    }
    is_output_blocked = false;
    if (session_ != nullptr) {
        broker_.on_writable(*session_);
    }
    unpause(pause_for_output);
}

void ConnectionMachine::count_sent(PacketType type) {
    Metrics& metrics = broker_.metrics();
    metrics.packets_sent.add();
    metrics.packets_sent_by_type[static_cast<std::size_t>(type)].add();
}

ConnectionMachine::Rare& ConnectionMachine::rare() {
    if (!rare_) {
        rare_ = std::make_unique<Rare>();
    }
    return *rare_;
}

void ConnectionMachine::on_access_decided() {
    unpause(pause_for_access);  // the packet that waited comes again
}

void ConnectionMachine::on_stored(StoreTicket ticket, StoreOutcome outcome) {
    if (state_ == State::opening) {
        if (connecting_->connack_ticket <= ticket) {
            on_connack_stored(connecting_->connack_ticket == ticket ? outcome
                                                                    : StoreOutcome::stored);
        }
        return;
    }
    if (!rare_ || state_ == State::closed) {
        return;
    }
    auto& replies = rare_->pending_replies;
    while (!replies.empty() && replies.front().ticket <= ticket) {
        const PendingReply reply = std::move(replies.front());
        replies.pop_front();
        rare_->pending_reply_bytes -= reply.bytes();
        rare_->pending_puback_count -= reply.type == PacketType::puback ? 1 : 0;
        // A repeated PUBLISH may wait behind the first, which was not stored.
        const bool is_forgotten = reply.type == PacketType::pubrec && !is_error(reply.reason) &&
                                  !broker_.has_inbound_qos2(*session_, reply.packet_id);
        if (is_forgotten || (outcome != StoreOutcome::stored && reply.ticket == ticket)) {
            refuse_unstored(reply,
                            is_forgotten ? std::max(outcome, StoreOutcome::no_room) : outcome);
        } else if (reply.filters) {
            send_filter_reply(reply.type, reply.packet_id, *reply.filters);
        } else {
            send_ack(reply.type, reply.packet_id, reply.reason);
        }
    }
    if (rare_->pending_reply_bytes <= options_->unsent_bytes_max / 2) {
        unpause(pause_for_replies);
    }
    if (state_ == State::closing && rare_->goodbye_ticket <= ticket) {
        finish_disconnect(rare_->goodbye_ticket == ticket ? outcome : StoreOutcome::stored);
    }
}

/// Acknowledgements keep the order of what they acknowledge (MQTT 5.0, 4.6), so one that could
/// leave at once waits behind those that cannot.
bool ConnectionMachine::is_held_back(StoreTicket ticket) const {
    return (ticket != 0 && options_->waits_for_store) || (rare_ && !rare_->pending_replies.empty());
}

/// What could not be stored is not acknowledged. MQTT 5 has words for most of it; where there are
/// none the peer hears nothing, and a little later loses its connection: on the next one it sends
/// again what it has not heard of (MQTT 5.0, 4.4).
void ConnectionMachine::refuse_unstored(const PendingReply& reply, StoreOutcome outcome) {
    broker_.metrics().replies_refused_store.add();
    if (reply.filters) {
        refuse_unstored(reply.type, reply.packet_id, *reply.filters, outcome);
        return;
    }
    if (is_v5() && (reply.type == PacketType::puback || reply.type == PacketType::pubrec)) {
        send_ack(reply.type, reply.packet_id, reason_of(outcome));
        return;
    }
    give_up_later(reason_of(outcome));
}

void ConnectionMachine::give_up_later(ReasonCode reason) {
    constexpr Milliseconds patience{5000};
    if (rare().gives_up_at == never) {
        rare_->gives_up_at = now() + patience;
        rare_->gives_up_reason = reason;
        arm_deadline();
    }
}

}  // namespace gw::mqtt
