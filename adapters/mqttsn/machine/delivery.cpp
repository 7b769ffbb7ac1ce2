// Messages to the client: their topic ids, one at a time, again until they are acknowledged
// (MQTT-SN 1.2, 6.5, 6.10 and 6.13).
#include "adapters/mqttsn/machine/connection.hpp"
#include "adapters/mqttsn/machine/gateway.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gw::mqttsn {

/// By which id and of which type the client shall know the topic. False: it can have none.
bool Connection::choose_topic_id(std::string_view topic, Outgoing& outgoing, bool& is_known) {
    TopicRegistry* const topics = work_ ? &work_->client.topics : nullptr;
    const std::uint16_t registered = topics != nullptr ? topics->find(topic) : std::uint16_t{0};
    is_known = true;
    if (registered == 0 || !topics->is_preferred(registered)) {
        const std::uint16_t predefined =
            options().predefined->id_of(session_->identity->own_client_id(), topic);
        if (predefined != 0) {
            outgoing.topic_id_type = TopicIdType::predefined;
            outgoing.topic_id = predefined;
            return true;
        }
        if (topic.size() == 2) {
            outgoing.topic_id_type = TopicIdType::short_name;
            outgoing.topic_id = static_cast<std::uint16_t>(
                static_cast<std::uint8_t>(topic[0]) << 8 | static_cast<std::uint8_t>(topic[1]));
            return true;
        }
    }
    outgoing.topic_id_type = TopicIdType::normal;
    outgoing.topic_id = registered;
    if (registered == 0) {
        TopicRegistry& own = work().client.topics;
        if (!own.has_room_for(topic, options().topic_count_max)) {
            return false;
        }
        outgoing.topic_id = own.add(topic);
        save_state();
    }
    is_known = work_->client.topics.is_known(outgoing.topic_id);
    return true;
}

bool Connection::on_delivery(const DeliveryView& delivery) {
    const Message& message = delivery.message;
    const std::string_view topic = session_->identity->own_topic(message.topic());
    // Fixed fields of PUBLISH, and of REGISTER, which must come first.
    const std::size_t body_bytes = std::max(message.payload().size() + 5, topic.size() + 4);
    constexpr std::size_t udp_bytes_max = 65507;
    constexpr std::size_t dtls_record_bytes_max = 16384;  // a datagram is one record (RFC 6347)
    const std::size_t bytes_max =
        std::min<std::size_t>({options().datagram_bytes_max, body_bytes_max,
                               peer_.is_secure ? dtls_record_bytes_max : udp_bytes_max});
    if (body_bytes + header_bytes(body_bytes) + (work_ ? work_->node.view().size() : 0) >
        bytes_max) {
        return false;
    }
    Outgoing outgoing;
    bool is_known = false;
    if (!choose_topic_id(topic, outgoing, is_known)) {
        return false;
    }
    outgoing.qos = delivery.qos;
    outgoing.retain = delivery.retain;
    outgoing.packet_id = delivery.packet_id;
    outgoing.is_resend = delivery.is_resend && delivery.qos != Qos::at_most_once;
    if (state_ == State::awake && work_ && work_->deliveries_left != 0) {
        --work_->deliveries_left;
    }
    outgoing.message = MessagePtr{&message};
    if (is_known && delivery.qos == Qos::at_most_once) {
        send_publish(outgoing);
        if (state_ == State::awake) {
            update_blocked();
        }
        return true;
    }
    outgoing.step = is_known ? Outgoing::Step::publishing : Outgoing::Step::registering;
    start(std::move(outgoing));
    return true;
}

void Connection::on_release(std::uint16_t packet_id) {
    Outgoing outgoing;
    outgoing.step = Outgoing::Step::releasing;
    outgoing.qos = Qos::exactly_once;
    outgoing.packet_id = packet_id;
    start(std::move(outgoing));
}

// --------------------------------------------------------------------------- one message at a time

void Connection::start(Outgoing outgoing) {
    Work& mine = work();
    GW_ASSERT(mine.outgoing.step == Outgoing::Step::none);  // the broker hands over one at a time
    mine.outgoing = std::move(outgoing);
    mine.outgoing.try_count = 0;
    if (mine.outgoing.step == Outgoing::Step::registering) {
        mine.next_register_id = static_cast<std::uint16_t>(mine.next_register_id % 65535 + 1);
        mine.outgoing.register_id = mine.next_register_id;
    }
    send_outgoing();
    update_blocked();
}

void Connection::send_outgoing() {
    Outgoing& outgoing = work_->outgoing;
    switch (outgoing.step) {
        case Outgoing::Step::none:
            return;
        case Outgoing::Step::registering:
            send(Register{.topic_id = outgoing.topic_id,
                          .message_id = outgoing.register_id,
                          .topic = session_->identity->own_topic(outgoing.message->topic())});
            break;
        case Outgoing::Step::publishing:
            send_publish(outgoing);
            break;
        case Outgoing::Step::releasing:
            send_release();
            break;
    }
    const double factor = std::pow(options().retry_backoff, outgoing.try_count);
    const double interval = static_cast<double>(options().retry_interval.count()) * factor;
    ++outgoing.try_count;
    outgoing.retry_at = now() + Milliseconds{std::llround(std::min(interval, 3600e3))};
    schedule();
}

/// PUBREL leaves when the PUBREC that it answers is stored: after a crash the message would come
/// again else, and as another one. A store that fails is asked again each T_retry.
void Connection::send_release() {
    Outgoing& outgoing = work_->outgoing;
    if (!outgoing.is_unstored) {
        send(Pubrel{outgoing.packet_id});
        return;
    }
    outgoing.try_count = 0;  // the silence is ours
    if (!is_reply_pending(MessageType::pubrel, outgoing.packet_id)) {
        reply({.ticket = broker().firm_ticket(*session_),
               .type = MessageType::pubrel,
               .message_id = outgoing.packet_id});
    }
}

/// The client is there again, and may not have got what it was sent last.
void Connection::send_outgoing_again() {
    work_->outgoing.mark_resent();
    work_->outgoing.try_count = 0;
    send_outgoing();
}

void Connection::send_publish(const Outgoing& outgoing) {
    Flags flags;
    flags.set_qos(static_cast<WireQos>(outgoing.qos))
        .set_dup(outgoing.is_resend)
        .set_retain(outgoing.retain)
        .set_topic_id_type(outgoing.topic_id_type);
    send(Publish{.flags = flags,
                 .topic_id = outgoing.topic_id,
                 .message_id = outgoing.packet_id,
                 .data = outgoing.message->payload()});
}

void Connection::retry_outgoing() {
    Outgoing& outgoing = work_->outgoing;
    if (state_ == State::asleep) {
        outgoing.retry_at = never;  // begun by a late answer; goes on when it wakes up
        return;
    }
    if (outgoing.try_count <= options().retry_count_max) {
        outgoing.mark_resent();
        broker().metrics().retransmissions.add();
        send_outgoing();
        return;
    }
    if (state_ == State::active) {
        lose(ReasonCode::connection_lost);
        return;
    }
    // It sleeps again without having said so; the message waits for the next time.
    outgoing.retry_at = never;
    state_ = State::asleep;
    conflates_queue = !options().sleep_rules.empty();
    update_blocked();
}

/// Whether SUBACK or REGACK, which tell an id, wait for the store: a message under that id must not
/// come before them, for the client would not know what it is.
bool Connection::is_id_untold() const {
    return std::any_of(work_->replies.begin(), work_->replies.end(), [](const PendingReply& reply) {
        return reply.type == MessageType::suback || reply.type == MessageType::regack;
    });
}

/// Lets the broker go on, unless something is under way.
void Connection::go_on() {
    update_blocked();
    if (!is_output_blocked) {
        broker().on_writable(*session_);
    }
}

/// While one message is under way the broker keeps all others, those at QoS 0 too: they keep their
/// order, and the smallest client need not expect two things at once.
void Connection::update_blocked() {
    const bool is_busy = work_ && (work_->outgoing.step != Outgoing::Step::none || is_id_untold());
    const bool is_listening =
        state_ == State::active || (state_ == State::awake && work_->deliveries_left != 0);
    is_output_blocked = is_busy || !is_listening || session_ == nullptr;
    if (state_ == State::awake && !is_to_settle_) {
        is_to_settle_ = true;
        gateway_.add_to_settle(*this);
    }
}

// ------------------------------------------------------------------------------ acknowledgements

void Connection::on_regack(const Regack& packet) {
    if (!work_ || work_->outgoing.step != Outgoing::Step::registering ||
        work_->outgoing.register_id != packet.message_id) {
        return;  // of one that was sent twice
    }
    Outgoing& outgoing = work_->outgoing;
    if (packet.code == ReturnCode::congestion) {
        return;  // T_retry decides when it is asked again
    }
    if (packet.code != ReturnCode::accepted) {
        give_up(std::exchange(outgoing, {}), ReasonCode::topic_name_invalid);
        return;
    }
    work_->client.topics.set_known(outgoing.topic_id, true);
    if (outgoing.qos == Qos::at_most_once) {
        const Outgoing done = std::exchange(outgoing, {});
        send_publish(done);
        go_on();
        return;
    }
    outgoing.step = Outgoing::Step::publishing;
    outgoing.try_count = 0;
    send_outgoing();
}

void Connection::on_puback(const Puback& packet) {
    if (packet.code == ReturnCode::invalid_topic_id) {
        on_topic_rejected(packet);
        return;
    }
    if (!work_ || work_->outgoing.step != Outgoing::Step::publishing ||
        work_->outgoing.packet_id != packet.message_id || packet.code == ReturnCode::congestion) {
        return;  // acknowledged before; or to be sent again after T_retry
    }
    if (packet.code != ReturnCode::accepted) {
        give_up(std::exchange(work_->outgoing, {}), ReasonCode::unspecified_error);
        return;
    }
    if (work_->outgoing.qos != Qos::at_least_once) {
        return;
    }
    work_->outgoing = {};
    update_blocked();
    if (!broker().on_puback(*session_, packet.message_id, ReasonCode::success)) {
        go_on();
    }
}

/// The client has forgotten what the id means: it is told, and gets the message again.
void Connection::on_topic_rejected(const Puback& packet) {
    constexpr std::uint8_t rejection_count_max = 3;
    if (!work_) {
        return;
    }
    Outgoing& outgoing = work_->outgoing;
    const bool is_of_outgoing =
        outgoing.step == Outgoing::Step::publishing && outgoing.packet_id == packet.message_id;
    if (!is_of_outgoing) {
        // At QoS 0 the message is lost, but not the next one.
        if (!work_->client.topics.name_of(packet.topic_id).empty()) {
            work_->client.topics.set_known(packet.topic_id, false);
        }
        return;
    }
    Outgoing again = std::exchange(outgoing, {});
    if (++again.rejection_count > rejection_count_max) {
        give_up(std::move(again), ReasonCode::topic_name_invalid);
        return;
    }
    TopicRegistry& topics = work_->client.topics;
    if (again.topic_id_type != TopicIdType::normal) {
        const std::string_view topic = session_->identity->own_topic(again.message->topic());
        std::uint16_t id = topics.find(topic);
        if (id == 0) {
            if (!topics.has_room_for(topic, options().topic_count_max)) {
                give_up(std::move(again), ReasonCode::topic_name_invalid);
                return;
            }
            id = topics.add(topic);
        }
        topics.prefer(id, true);
        again.topic_id = id;
        again.topic_id_type = TopicIdType::normal;
    }
    topics.set_known(again.topic_id, false);
    save_state();
    again.step = Outgoing::Step::registering;
    start(std::move(again));
}

void Connection::give_up(Outgoing outgoing, ReasonCode reason) {
    update_blocked();
    switch (outgoing.qos) {
        case Qos::at_most_once:
            broker().metrics().drop(DropReason::refused_by_client);
            break;
        case Qos::at_least_once:
            broker().on_puback(*session_, outgoing.packet_id, reason);
            break;
        case Qos::exactly_once:
            broker().on_pubrec(*session_, outgoing.packet_id, reason);
            break;
    }
    go_on();
}

void Connection::on_pubrec(std::uint16_t message_id) {
    using Step = Outgoing::Step;
    const bool is_ours = work_ && work_->outgoing.qos == Qos::exactly_once &&
                         work_->outgoing.packet_id == message_id;
    const Step step = is_ours ? work_->outgoing.step : Step::none;
    // One that got the message before it connected anew has it, whatever it says to REGISTER.
    const bool is_received =
        step == Step::publishing || (step == Step::registering && work_->outgoing.is_resend);
    if (!is_received && step != Step::releasing) {
        send(Pubrel{message_id});  // not known any more: the client must still be let go on
        return;
    }
    Outgoing& outgoing = work_->outgoing;
    if (is_received) {
        broker().on_pubrec(*session_, message_id, ReasonCode::success);
        outgoing.step = Outgoing::Step::releasing;
        outgoing.is_unstored = true;
        outgoing.message.reset();
        outgoing.try_count = 0;
    }
    send_outgoing();
}

void Connection::on_pubcomp(std::uint16_t message_id) {
    if (!work_ || work_->outgoing.step != Outgoing::Step::releasing ||
        work_->outgoing.packet_id != message_id) {
        return;
    }
    work_->outgoing = {};
    update_blocked();
    if (!broker().on_pubcomp(*session_, message_id)) {
        go_on();
    }
}

}  // namespace gw::mqttsn
