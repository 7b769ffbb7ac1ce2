// PUBLISH from the client and its acknowledgements (MQTT-SN 1.2, 6.6 and 6.7).
#include "adapters/mqttsn/machine/connection.hpp"
#include "adapters/mqttsn/machine/gateway.hpp"
#include "broker-core/base/utf8.hpp"

#include <algorithm>
#include <utility>

namespace gw::mqttsn {

namespace {

/// Congestion asks the client to try later, all else not to (MQTT-SN 1.2, 5.3.10).
ReturnCode return_code_of(ReasonCode reason) {
    switch (reason) {
        case ReasonCode::quota_exceeded:
        case ReasonCode::message_rate_too_high:
        case ReasonCode::server_busy:
        case ReasonCode::server_unavailable:
            return ReturnCode::congestion;
        default:
            return ReturnCode::not_supported;
    }
}

}  // namespace

/// The topic's name, which may live in `short_name`; empty when the id means nothing.
std::string_view Connection::topic_of(const Publish& packet, std::array<char, 2>& short_name) {
    std::string_view name;
    switch (packet.flags.topic_id_type()) {
        case TopicIdType::normal:
            if (work_) {
                name = work_->client.topics.name_of(packet.topic_id);
            }
            break;
        case TopicIdType::predefined:
            name =
                options().predefined->name_of(session_->identity->own_client_id(), packet.topic_id);
            break;
        case TopicIdType::short_name:
            short_name[0] = static_cast<char>(packet.topic_id >> 8);
            short_name[1] = static_cast<char>(packet.topic_id & 255);
            name = {short_name.data(), short_name.size()};
            if (!is_valid_utf8(as_bytes(name)) || !check_topic_name(name, options().topic_limits)) {
                return {};
            }
            break;
        case TopicIdType::reserved:
            break;
    }
    return name;
}

/// Why a message is refused before anybody is asked.
ReturnCode Connection::judge_publish(const Publish& packet, std::string_view topic) {
    constexpr std::size_t unreleased_count_max = 64;  // a client may have one (6.6)
    if (packet.flags.topic_id_type() == TopicIdType::reserved) {
        return ReturnCode::not_supported;
    }
    if (topic.empty()) {
        return ReturnCode::invalid_topic_id;
    }
    const WireQos qos = packet.flags.qos();
    const bool is_above =
        qos != WireQos::qos_minus_1 &&
        static_cast<std::uint8_t>(qos) > static_cast<std::uint8_t>(options().qos_max);
    if (is_above || (packet.flags.retain() && !options().retain_available)) {
        return ReturnCode::not_supported;
    }
    if (broker().shared().memory_grade.load(std::memory_order_relaxed) >=
        MemoryGrade::pause_reading) {
        broker().metrics().reading_paused_memory.add();
        return ReturnCode::congestion;
    }
    if (is_over_rate()) {
        gateway_.drop(DatagramDrop::rate);
        return ReturnCode::congestion;
    }
    if (qos == WireQos::qos_2 && broker().inbound_qos2_count(*session_) >= unreleased_count_max) {
        return ReturnCode::congestion;
    }
    return ReturnCode::accepted;
}

void Connection::on_publish(const Publish& packet, Bytes body) {
    const WireQos wire_qos = packet.flags.qos();
    const Qos qos =
        wire_qos == WireQos::qos_minus_1 ? Qos::at_most_once : static_cast<Qos>(wire_qos);
    std::array<char, 2> short_name{};
    const std::string_view topic = topic_of(packet, short_name);
    const PublishRequest request{.topic = topic,
                                 .payload = packet.data,
                                 .qos = qos,
                                 .retain = packet.flags.retain(),
                                 .dup = packet.flags.dup(),
                                 .packet_id = packet.message_id};
    if (qos != Qos::at_most_once && answer_repeated_publish(packet, request, body)) {
        return;
    }
    if (const ReturnCode code = judge_publish(packet, topic); code != ReturnCode::accepted) {
        refuse_publish(packet, code);
        return;
    }
    if (packet.flags.topic_id_type() == TopicIdType::normal) {
        work_->client.topics.set_known(packet.topic_id, true);
    }
    const PublishOutcome outcome = broker().publish(*session_, request);
    if (outcome.is_pending) {
        wait_for_access(MessageType::publish, body);
        return;
    }
    if (is_error(outcome.reason)) {
        refuse_publish(packet, return_code_of(outcome.reason));
        return;
    }
    // A hook or a will may have ended the session meanwhile.
    if (qos != Qos::at_most_once && is_connected()) {
        answer_publish(packet, outcome, body);
    }
}

void Connection::answer_publish(const Publish& packet, const PublishOutcome& outcome, Bytes body) {
    const PendingReply answer{
        .ticket = outcome.ticket,
        .type = packet.flags.qos() == WireQos::qos_2 ? MessageType::pubrec : MessageType::puback,
        .topic_id = packet.topic_id,
        .message_id = packet.message_id};
    auto& recent = work().recent_publishes;
    if (!recent) {
        recent = std::make_unique<RecentPublishes>();
    }
    recent->add(packet.message_id, request_hash(body));
    reply(answer);
}

/// An error is told at every QoS (5.4.13), save for what asks for no connection at all.
void Connection::refuse_publish(const Publish& packet, ReturnCode code) {
    if (packet.flags.qos() == WireQos::qos_minus_1) {
        gateway_.drop(DatagramDrop::refused_publish);
        return;
    }
    broker().metrics().drop(DropReason::invalid);
    send_reply({.type = MessageType::puback,
                .code = code,
                .topic_id = packet.topic_id,
                .message_id = packet.message_id});
}

bool Connection::is_over_rate() {
    if (options().publish_rate_max == 0) {
        return false;
    }
    auto& rate = work().rate;
    if (!rate) {
        rate = std::make_unique<RateLimit>(options().publish_rate_max, now());
    }
    return !rate->try_take(now());
}

void Connection::on_pubrel(std::uint16_t message_id) {
    broker().release_inbound(*session_, message_id);
    reply({.ticket = broker().firm_ticket(*session_),
           .type = MessageType::pubcomp,
           .message_id = message_id});
}

// --------------------------------------------------------------------------------- repetitions

/// A client repeats its message until it is answered (6.13), and the network may do so too. What
/// was answered is answered again, what will be answered needs nothing.
bool Connection::answer_repeated_publish(const Publish& packet, const PublishRequest& request,
                                         Bytes body) {
    const std::uint16_t id = packet.message_id;
    const bool is_qos_2 = packet.flags.qos() == WireQos::qos_2;
    bool is_repeated = broker().is_repeated(*session_, request);
    RecentPublishes* const recent = work_ ? work_->recent_publishes.get() : nullptr;
    if (recent != nullptr && is_repeated) {
        recent->on_continued();
    } else if (recent != nullptr) {
        const std::uint32_t hash = request_hash(body);
        // At QoS 2 an id that is released may be used at once, with DUP too.
        is_repeated = packet.flags.dup() && !is_qos_2 ? recent->contains(id, hash)
                                                      : recent->is_late_copy(id, hash);
    }
    if (!is_repeated) {
        return false;
    }
    const MessageType type = is_qos_2 ? MessageType::pubrec : MessageType::puback;
    if (!is_reply_pending(type, id)) {
        reply({.ticket = is_qos_2 ? broker().firm_ticket(*session_) : 0,
               .type = type,
               .topic_id = packet.topic_id,
               .message_id = id});
    }
    return true;
}

bool Connection::is_reply_pending(MessageType type, std::uint16_t message_id) const {
    return work_ && std::any_of(work_->replies.begin(), work_->replies.end(),
                                [&](const PendingReply& pending) {
                                    return pending.type == type && pending.message_id == message_id;
                                });
}

}  // namespace gw::mqttsn
