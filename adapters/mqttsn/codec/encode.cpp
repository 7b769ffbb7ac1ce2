#include "adapters/mqttsn/codec/codec.hpp"

namespace gw::mqttsn {

namespace {

void header(ByteBuffer& out, MessageType type, std::size_t body_bytes) {
    GW_ASSERT(body_bytes <= body_bytes_max);
    const std::size_t total = body_bytes + header_bytes(body_bytes);
    if (total < 256) {
        out.u8(static_cast<std::uint8_t>(total));
    } else {
        out.u8(0x01);
        out.u16_be(static_cast<std::uint16_t>(total));
    }
    out.u8(static_cast<std::uint8_t>(type));
}

void code_alone(ByteBuffer& out, MessageType type, ReturnCode code) {
    header(out, type, 1);
    out.u8(static_cast<std::uint8_t>(code));
}

void message_id_alone(ByteBuffer& out, MessageType type, std::uint16_t message_id) {
    header(out, type, 2);
    out.u16_be(message_id);
}

template <class Message>
void topic_ack(ByteBuffer& out, MessageType type, const Message& packet) {
    header(out, type, 5);
    out.u16_be(packet.topic_id);
    out.u16_be(packet.message_id);
    out.u8(static_cast<std::uint8_t>(packet.code));
}

template <class Message>
void will_topic(ByteBuffer& out, MessageType type, const Message& packet) {
    if (packet.topic.empty() && packet.flags.bits == 0) {
        header(out, type, 0);
        return;
    }
    header(out, type, 1 + packet.topic.size());
    out.u8(packet.flags.bits);
    out.append(packet.topic);
}

template <class Message>
void subscription(ByteBuffer& out, MessageType type, const Message& packet) {
    const bool by_id = packet.flags.topic_id_type() == TopicIdType::predefined;
    header(out, type, 3 + (by_id ? 2 : packet.topic.name.size()));
    out.u8(packet.flags.bits);
    out.u16_be(packet.message_id);
    if (by_id) {
        out.u16_be(packet.topic.topic_id);
    } else {
        out.append(packet.topic.name);
    }
}

}  // namespace

void encode(ByteBuffer& out, const Advertise& packet) {
    header(out, MessageType::advertise, 3);
    out.u8(packet.gateway_id);
    out.u16_be(packet.duration);
}

void encode(ByteBuffer& out, const SearchGateway& packet) {
    header(out, MessageType::searchgw, 1);
    out.u8(packet.radius);
}

void encode(ByteBuffer& out, const GatewayInfo& packet) {
    header(out, MessageType::gwinfo, 1 + packet.address.size());
    out.u8(packet.gateway_id);
    out.append(packet.address);
}

void encode(ByteBuffer& out, const Connect& packet) {
    header(out, MessageType::connect, 4 + packet.client_id.size());
    out.u8(packet.flags.bits);
    out.u8(packet.protocol_id);
    out.u16_be(packet.duration);
    out.append(packet.client_id);
}

void encode(ByteBuffer& out, const Connack& packet) {
    code_alone(out, MessageType::connack, packet.code);
}

void encode(ByteBuffer& out, const WillTopicRequest&) {
    header(out, MessageType::willtopicreq, 0);
}

void encode(ByteBuffer& out, const WillTopic& packet) {
    will_topic(out, MessageType::willtopic, packet);
}

void encode(ByteBuffer& out, const WillMessageRequest&) {
    header(out, MessageType::willmsgreq, 0);
}

void encode(ByteBuffer& out, const WillMessage& packet) {
    header(out, MessageType::willmsg, packet.message.size());
    out.append(packet.message);
}

void encode(ByteBuffer& out, const Register& packet) {
    header(out, MessageType::register_topic, 4 + packet.topic.size());
    out.u16_be(packet.topic_id);
    out.u16_be(packet.message_id);
    out.append(packet.topic);
}

void encode(ByteBuffer& out, const Regack& packet) {
    topic_ack(out, MessageType::regack, packet);
}

void encode(ByteBuffer& out, const Publish& packet) {
    header(out, MessageType::publish, 5 + packet.data.size());
    out.u8(packet.flags.bits);
    out.u16_be(packet.topic_id);
    out.u16_be(packet.message_id);
    out.append(packet.data);
}

void encode(ByteBuffer& out, const Puback& packet) {
    topic_ack(out, MessageType::puback, packet);
}

void encode(ByteBuffer& out, const Pubcomp& packet) {
    message_id_alone(out, MessageType::pubcomp, packet.message_id);
}

void encode(ByteBuffer& out, const Pubrec& packet) {
    message_id_alone(out, MessageType::pubrec, packet.message_id);
}

void encode(ByteBuffer& out, const Pubrel& packet) {
    message_id_alone(out, MessageType::pubrel, packet.message_id);
}

void encode(ByteBuffer& out, const Subscribe& packet) {
    subscription(out, MessageType::subscribe, packet);
}

void encode(ByteBuffer& out, const Suback& packet) {
    header(out, MessageType::suback, 6);
    out.u8(packet.flags.bits);
    out.u16_be(packet.topic_id);
    out.u16_be(packet.message_id);
    out.u8(static_cast<std::uint8_t>(packet.code));
}

void encode(ByteBuffer& out, const Unsubscribe& packet) {
    subscription(out, MessageType::unsubscribe, packet);
}

void encode(ByteBuffer& out, const Unsuback& packet) {
    message_id_alone(out, MessageType::unsuback, packet.message_id);
}

void encode(ByteBuffer& out, const Pingreq& packet) {
    header(out, MessageType::pingreq, packet.client_id.size());
    out.append(packet.client_id);
}

void encode(ByteBuffer& out, const Pingresp&) {
    header(out, MessageType::pingresp, 0);
}

void encode(ByteBuffer& out, const Disconnect& packet) {
    header(out, MessageType::disconnect, packet.duration ? 2 : 0);
    if (packet.duration) {
        out.u16_be(*packet.duration);
    }
}

void encode(ByteBuffer& out, const WillTopicUpdate& packet) {
    will_topic(out, MessageType::willtopicupd, packet);
}

void encode(ByteBuffer& out, const WillTopicResponse& packet) {
    code_alone(out, MessageType::willtopicresp, packet.code);
}

void encode(ByteBuffer& out, const WillMessageUpdate& packet) {
    header(out, MessageType::willmsgupd, packet.message.size());
    out.append(packet.message);
}

void encode(ByteBuffer& out, const WillMessageResponse& packet) {
    code_alone(out, MessageType::willmsgresp, packet.code);
}

void encode(ByteBuffer& out, const Packet& packet) {
    std::visit([&out](const auto& message) { encode(out, message); }, packet);
}

MessageType type_of(const Packet& packet) {
    // By the order of the variant, which is that of the numbers.
    constexpr MessageType types[] = {
        MessageType::advertise,      MessageType::searchgw,   MessageType::gwinfo,
        MessageType::connect,        MessageType::connack,    MessageType::willtopicreq,
        MessageType::willtopic,      MessageType::willmsgreq, MessageType::willmsg,
        MessageType::register_topic, MessageType::regack,     MessageType::publish,
        MessageType::puback,         MessageType::pubcomp,    MessageType::pubrec,
        MessageType::pubrel,         MessageType::subscribe,  MessageType::suback,
        MessageType::unsubscribe,    MessageType::unsuback,   MessageType::pingreq,
        MessageType::pingresp,       MessageType::disconnect, MessageType::willtopicupd,
        MessageType::willtopicresp,  MessageType::willmsgupd, MessageType::willmsgresp,
    };
    static_assert(std::size(types) == std::variant_size_v<Packet>);
    return types[packet.index()];
}

std::string_view type_name(MessageType type) {
    constexpr std::string_view names[] = {
        "ADVERTISE",   "SEARCHGW",   "GWINFO",       "",
        "CONNECT",     "CONNACK",    "WILLTOPICREQ", "WILLTOPIC",
        "WILLMSGREQ",  "WILLMSG",    "REGISTER",     "REGACK",
        "PUBLISH",     "PUBACK",     "PUBCOMP",      "PUBREC",
        "PUBREL",      "",           "SUBSCRIBE",    "SUBACK",
        "UNSUBSCRIBE", "UNSUBACK",   "PINGREQ",      "PINGRESP",
        "DISCONNECT",  "",           "WILLTOPICUPD", "WILLTOPICRESP",
        "WILLMSGUPD",  "WILLMSGRESP"};
    const auto index = static_cast<std::size_t>(type);
    return index < std::size(names) ? names[index] : std::string_view{"ENCAPSULATED"};
}

}  // namespace gw::mqttsn
