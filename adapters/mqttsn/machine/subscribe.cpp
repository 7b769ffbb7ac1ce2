// REGISTER, SUBSCRIBE, UNSUBSCRIBE and the will of a connected client (MQTT-SN 1.2, 6.4, 6.5, 6.9).
#include "adapters/mqttsn/machine/connection.hpp"
#include "adapters/mqttsn/machine/gateway.hpp"
#include "broker-core/base/utf8.hpp"

#include <utility>

namespace gw::mqttsn {

// ------------------------------------------------------------------------------------ REGISTER

void Connection::on_register(const Register& packet) {
    PendingReply answer{.type = MessageType::regack, .message_id = packet.message_id};
    const bool is_name = is_valid_utf8(as_bytes(packet.topic)) &&
                         check_topic_name(packet.topic, options().topic_limits).has_value();
    if (!is_name) {
        answer.code = ReturnCode::not_supported;
        send_reply(answer);
        return;
    }
    TopicRegistry& topics = work().client.topics;
    std::uint16_t id = topics.find(packet.topic);
    if (id == 0) {
        if (!topics.has_room_for(packet.topic, options().topic_count_max)) {
            answer.code = ReturnCode::congestion;
            send_reply(answer);
            return;
        }
        id = topics.add(packet.topic);
        topics.set_known(id, true);
        save_state();
    }
    topics.set_known(id, true);
    answer.topic_id = id;
    answer.ticket = broker().firm_ticket(*session_);
    reply(answer);
}

// ----------------------------------------------------------------------- SUBSCRIBE, UNSUBSCRIBE

/// The topic name or filter that is meant; empty when the id is not predefined.
std::string_view Connection::name_of(const Flags& flags, const TopicReference& topic) const {
    if (flags.topic_id_type() == TopicIdType::predefined) {
        return options().predefined->name_of(session_->identity->own_client_id(), topic.topic_id);
    }
    return topic.name;
}

std::optional<TopicFilter> Connection::filter_of(std::string_view name) const {
    if (!is_valid_utf8(as_bytes(name))) {
        return std::nullopt;
    }
    auto filter = parse_topic_filter(name, options().topic_limits);
    return filter ? std::optional{std::move(*filter)} : std::nullopt;
}

/// The id that SUBACK names, by which the client will get messages of the topic; 0 when it has
/// none: for wildcards and short names. Nothing is left of the room for ids when it is 0xffff.
std::uint16_t Connection::id_for_subscription(const Subscribe& packet, std::string_view name) {
    const TopicIdType type = packet.flags.topic_id_type();
    if (type != TopicIdType::normal) {
        // From now on by the way that the client has chosen.
        if (work_) {
            const std::uint16_t registered = work_->client.topics.find(name);
            if (registered != 0) {
                work_->client.topics.prefer(registered, false);
            }
        }
        return type == TopicIdType::predefined ? packet.topic.topic_id : std::uint16_t{0};
    }
    TopicRegistry& topics = work().client.topics;
    std::uint16_t id = topics.find(name);
    if (id == 0) {
        if (!topics.has_room_for(name, options().topic_count_max)) {
            return 0xffff;
        }
        id = topics.add(name);
    }
    topics.set_known(id, true);
    topics.prefer(id, true);
    save_state();
    return id;
}

/// A repetition brings no retained messages: those came, or come, with the first.
bool Connection::answer_repeated_subscribe(const Subscribe& packet, Bytes body) {
    if (!packet.flags.dup() || !work_ || !work_->last_subscribe.is_set) {
        return false;
    }
    const LastSubscribe& last = work_->last_subscribe;
    if (last.reply.message_id != packet.message_id || last.hash != request_hash(body)) {
        return false;
    }
    if (!is_reply_pending(MessageType::suback, packet.message_id)) {
        send_reply(last.reply);
    }
    return true;
}

void Connection::on_subscribe(const Subscribe& packet, Bytes body) {
    if (answer_repeated_subscribe(packet, body)) {
        return;
    }
    PendingReply answer{.type = MessageType::suback, .message_id = packet.message_id};
    const auto refuse = [&](ReturnCode code) {
        broker().metrics().subscribes_refused.add();
        answer.code = code;
        send_reply(answer);
    };
    const TopicIdType type = packet.flags.topic_id_type();
    if (type == TopicIdType::reserved || packet.flags.qos() == WireQos::qos_minus_1 ||
        (type == TopicIdType::short_name && packet.topic.name.size() != 2)) {
        refuse(ReturnCode::not_supported);
        return;
    }
    const std::string_view name = name_of(packet.flags, packet.topic);
    if (name.empty()) {
        refuse(type == TopicIdType::predefined ? ReturnCode::invalid_topic_id
                                               : ReturnCode::not_supported);
        return;
    }
    const auto filter = filter_of(name);
    if (!filter) {
        refuse(ReturnCode::not_supported);
        return;
    }
    const Qos qos = min(static_cast<Qos>(packet.flags.qos()), options().qos_max);
    const SubscribeAnswer checked = broker().check_subscribe(*session_, filter->filter(), qos);
    if (checked.is_pending) {
        wait_for_access(MessageType::subscribe, body);
        return;
    }
    if (is_error(checked.reason)) {
        refuse(ReturnCode::not_supported);
        return;
    }
    if (!filter->has_wildcard && filter->kind == FilterKind::plain) {
        answer.topic_id = id_for_subscription(packet, name);
        if (answer.topic_id == 0xffff) {
            answer.topic_id = 0;
            refuse(ReturnCode::congestion);
            return;
        }
    }
    SubscriptionOptions wanted;
    wanted.qos = static_cast<std::uint8_t>(qos) & 3U;
    const SubscribeAnswer subscribed =
        broker().subscribe(*session_, {.filter = *filter, .options = wanted});
    const ReasonCode granted = subscribed.reason;
    if (is_error(granted)) {
        answer.topic_id = 0;
        refuse(granted == ReasonCode::quota_exceeded ? ReturnCode::congestion
                                                     : ReturnCode::not_supported);
        return;
    }
    answer.flags.set_qos(static_cast<WireQos>(granted));
    answer.ticket = broker().firm_ticket(*session_);
    work().last_subscribe = {request_hash(body), true, answer};
    if (subscribed.is_new) {
        answer.added = filter->text;
    }
    reply(answer);
    broker().send_retained(*session_);
}

void Connection::on_unsubscribe(const Unsubscribe& packet) {
    const std::string_view name = name_of(packet.flags, packet.topic);
    if (const auto filter = filter_of(name); filter) {
        broker().unsubscribe(*session_, *filter);
    }
    if (work_) {
        work_->last_subscribe.is_set = false;  // the same SUBSCRIBE again would mean it
    }
    reply({.ticket = broker().firm_ticket(*session_),
           .type = MessageType::unsuback,
           .message_id = packet.message_id});
}

// ---------------------------------------------------------------------------------------- will

/// False when the topic, its QoS or its retain flag cannot be.
bool Connection::take_will_topic(WillData& will, Flags flags, std::string_view topic) const {
    const bool is_name = is_valid_utf8(as_bytes(topic)) &&
                         check_topic_name(topic, options().topic_limits).has_value();
    const bool is_possible =
        flags.qos() != WireQos::qos_minus_1 &&
        static_cast<std::uint8_t>(flags.qos()) <= static_cast<std::uint8_t>(options().qos_max) &&
        (!flags.retain() || options().retain_available);
    if (!is_name || !is_possible) {
        return false;
    }
    will.topic = std::string{topic};
    will.qos = static_cast<Qos>(flags.qos());
    will.retain = flags.retain();
    return true;
}

std::unique_ptr<Will> Connection::make_will(const WillData& data) const {
    if (data.topic.empty()) {
        return nullptr;
    }
    auto will = std::make_unique<Will>();
    will->topic = data.topic;
    will->payload = data.message;
    will->qos = data.qos;
    will->retain = data.retain;
    return will;
}

void Connection::on_will_topic_update(const WillTopicUpdate& packet) {
    WillData will = work().client.will;
    const bool is_possible =
        packet.topic.empty() || take_will_topic(will, packet.flags, packet.topic);
    if (packet.topic.empty()) {
        will = {};  // topic and message are deleted (6.4)
    }
    if (!is_possible || !broker().set_will(*session_, make_will(will))) {
        send(WillTopicResponse{ReturnCode::not_supported});
        return;
    }
    work().client.will = std::move(will);
    save_state();
    reply({.ticket = broker().store_ticket(*session_), .type = MessageType::willtopicresp});
}

void Connection::on_will_message_update(const WillMessageUpdate& packet) {
    WillData will = work().client.will;
    will.message = std::string{as_text(packet.message)};
    if (!broker().set_will(*session_, make_will(will))) {
        send(WillMessageResponse{ReturnCode::not_supported});
        return;
    }
    work().client.will = std::move(will);
    save_state();
    reply({.ticket = broker().store_ticket(*session_), .type = MessageType::willmsgresp});
}

}  // namespace gw::mqttsn
