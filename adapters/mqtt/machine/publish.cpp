// PUBLISH and its acknowledgements (MQTT 5.0, 3.3 to 3.7 and 4.3).
#include "adapters/mqtt/machine/connection_machine.hpp"
#include "broker-core/base/utf8.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace gw::mqtt {

namespace {

/// Properties that had to be copied together live here until the message is made. One a thread is
/// enough: a machine uses it within one call.
ByteBuffer& publish_scratch() {
    static thread_local ByteBuffer scratch;
    return scratch;
}

}  // namespace

bool ConnectionMachine::resolve_topic(const PublishPacket& packet, std::string_view& topic) {
    topic = packet.topic;
    if (packet.topic_alias != 0) {
        if (packet.topic_alias > options_->topic_alias_maximum) {
            fail(ReasonCode::topic_alias_invalid, "topic alias above the maximum");
            return false;
        }
        Rare& extra = rare();
        if (!extra.inbound_aliases) {
            extra.inbound_aliases = std::make_unique<InboundAliases>();
        }
        if (topic.empty()) {
            topic = extra.inbound_aliases->find(packet.topic_alias);
            if (topic.empty()) {
                fail(ReasonCode::protocol_error, "topic alias was never set");
                return false;
            }
        } else {
            extra.inbound_aliases->set(packet.topic_alias, topic);
        }
    }
    const auto checked = check_topic_name(topic, options_->topic_limits);
    if (!checked) {
        fail(ReasonCode::topic_name_invalid, topic_error_text(checked.error()));
        return false;
    }
    return true;
}

/// What closes the connection, as opposed to what refuses the one message.
ReasonCode ConnectionMachine::judge_publish(const PublishPacket& packet) {
    if (packet.qos > options_->qos_max) {
        return ReasonCode::qos_not_supported;
    }
    if (packet.retain && !options_->retain_available) {
        return ReasonCode::retain_not_supported;
    }
    if (packet.user_property_count > options_->user_properties_max) {
        return ReasonCode::quota_exceeded;
    }
    return exceeds_receive_maximum(packet) ? ReasonCode::receive_maximum_exceeded
                                           : ReasonCode::success;
}

bool ConnectionMachine::exceeds_receive_maximum(const PublishPacket& packet) const {
    if (packet.qos == Qos::at_most_once) {
        return false;
    }
    std::size_t unacknowledged = broker_.inbound_qos2_count(*session_);
    unacknowledged += rare_ ? rare_->pending_puback_count : 0;
    const std::size_t limit = is_v5()                           ? options_->receive_maximum
                              : options_->awaiting_rel_max != 0 ? options_->awaiting_rel_max
                                                                : 65535U;
    return unacknowledged >= limit && !(packet.qos == Qos::exactly_once &&
                                        broker_.has_inbound_qos2(*session_, packet.packet_id));
}

ConnectionMachine::Step ConnectionMachine::on_publish(const Frame& frame) {
    if (is_memory_scarce()) {
        return Step::wait;
    }
    PublishPacket packet;
    const auto decoded =
        decode_publish(frame, {version_, Sender::client}, publish_scratch(), packet);
    if (!decoded) {
        fail(decoded.error());
        return Step::done;
    }
    std::string_view topic;
    if (!resolve_topic(packet, topic)) {
        return Step::done;
    }
    if (const ReasonCode reason = judge_publish(packet); reason != ReasonCode::success) {
        fail(reason, {});
        return Step::done;
    }
    if (packet.payload_is_utf8 && !is_valid_utf8(packet.payload)) {
        broker_.metrics().drop(DropReason::invalid);
        answer_publish(packet, {.reason = ReasonCode::payload_format_invalid});
        return Step::done;
    }
    const PublishOutcome outcome = broker_.publish(
        *session_, {.topic = topic,
                    .payload = packet.payload,
                    .properties = packet.properties,
                    .qos = packet.qos,
                    .retain = packet.retain,
                    .dup = packet.dup,
                    .packet_id = packet.packet_id,
                    .expires_at = packet.message_expiry_interval
                                      ? now() + Seconds{*packet.message_expiry_interval}
                                      : never});
    if (outcome.is_pending) {
        pause(pause_for_access);
        return Step::wait;
    }
    const bool can_be_told = is_v5() && packet.qos != Qos::at_most_once;
    if (outcome.reason == ReasonCode::topic_name_invalid) {
        fail(outcome.reason, {});
    } else if (outcome.reason == ReasonCode::not_authorized && options_->disconnects_denied &&
               !can_be_told) {
        fail(outcome.reason, "publish denied");
    } else {
        answer_publish(packet, outcome);
    }
    return Step::done;
}

/// While memory is nearly used up, what clients publish stays with them: asked again a little
/// later.
bool ConnectionMachine::is_memory_scarce() {
    constexpr Milliseconds retry_after{50};
    if (broker_.shared().memory_grade.load(std::memory_order_relaxed) < MemoryGrade::pause_reading)
        [[likely]] {
        return false;
    }
    return pause_until(now() + retry_after, broker_.metrics().reading_paused_memory);
}

/// A refusal has its reason where the version has one, else the message is acknowledged and
/// dropped, since an MQTT 3 client would send it again for ever.
void ConnectionMachine::answer_publish(const PublishPacket& packet, const PublishOutcome& outcome) {
    if (packet.qos == Qos::at_least_once) {
        reply(PacketType::puback, packet.packet_id, outcome.reason, outcome.ticket);
    } else if (packet.qos == Qos::exactly_once) {
        reply(PacketType::pubrec, packet.packet_id, outcome.reason, outcome.ticket);
    }
}

void ConnectionMachine::on_ack(const Frame& frame) {
    const PacketType type = frame.type();
    const auto packet = decode_ack(type, frame.body, version_);
    if (!packet) {
        fail(packet.error());
        return;
    }
    const std::uint16_t id = packet->packet_id;
    switch (type) {
        case PacketType::puback:
            broker_.on_puback(*session_, id, packet->reason);
            return;
        case PacketType::pubrec:
            if (!broker_.on_pubrec(*session_, id, packet->reason)) {
                // Not known any more: the client must still be let go on (MQTT 5.0, 4.3.3).
                if (!is_error(packet->reason)) {
                    send_ack(PacketType::pubrel, id, ReasonCode::packet_identifier_not_found);
                }
            } else if (!is_error(packet->reason)) {
                reply(PacketType::pubrel, id, ReasonCode::success, broker_.firm_ticket(*session_));
            }
            return;
        case PacketType::pubcomp:
            broker_.on_pubcomp(*session_, id);
            return;
        default: {
            GW_ASSERT(type == PacketType::pubrel);
            const bool known = broker_.release_inbound(*session_, id);
            reply(PacketType::pubcomp, id,
                  known ? ReasonCode::success : ReasonCode::packet_identifier_not_found,
                  broker_.firm_ticket(*session_));
            return;
        }
    }
}

void ConnectionMachine::reply(PacketType type, std::uint16_t packet_id, ReasonCode reason,
                              StoreTicket ticket) {
    if (is_held_back(ticket)) {
        rare().pending_puback_count += type == PacketType::puback ? 1 : 0;
        hold({ticket, packet_id, reason, type, nullptr});
        return;
    }
    send_ack(type, packet_id, reason);
}

void ConnectionMachine::hold(PendingReply&& reply) {
    rare().pending_reply_bytes += reply.bytes();
    rare_->pending_replies.push_back(std::move(reply));
}

void ConnectionMachine::send_ack(PacketType type, std::uint16_t packet_id, ReasonCode reason) {
    if (is_v5() && is_error(reason) && wants_problem_information_) {
        AckPacket packet;
        packet.packet_id = packet_id;
        packet.reason = reason;
        packet.reason_string = reason_text(reason);
        if (fits(ack_size(version_, packet))) {
            encode_ack(connection_.output(), version_, type, packet);
            count_sent(type);
            return;
        }
    }
    encode_ack(connection_.output(), version_, type, packet_id, reason);
    count_sent(type);
}

}  // namespace gw::mqtt
