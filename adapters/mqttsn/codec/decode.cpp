#include "adapters/mqttsn/codec/codec.hpp"

namespace gw::mqttsn {

namespace {

/// A message whose fields end with the last one that was read.
Result<Packet, DecodeError> whole(const Reader& in, Packet packet) {
    if (in.failed()) {
        return DecodeError::truncated;
    }
    if (!in.at_end()) {
        return DecodeError::overlong;
    }
    return packet;
}

ReturnCode read_code(Reader& in) {
    return static_cast<ReturnCode>(in.u8());
}

/// Flags and topic of a will, both absent when there shall be none.
template <class Message>
Result<Packet, DecodeError> read_will_topic(Reader& in) {
    Message packet;
    if (!in.at_end()) {
        packet.flags.bits = in.u8();
        packet.topic = as_text(in.rest());
    }
    return whole(in, packet);
}

template <class Message>
Result<Packet, DecodeError> read_subscription(Reader& in) {
    Message packet;
    packet.flags.bits = in.u8();
    packet.message_id = in.u16_be();
    if (packet.flags.topic_id_type() == TopicIdType::predefined) {
        packet.topic.topic_id = in.u16_be();
    } else {
        packet.topic.name = as_text(in.rest());
    }
    return whole(in, packet);
}

template <class Message>
Result<Packet, DecodeError> read_topic_ack(Reader& in) {
    Message packet;
    packet.topic_id = in.u16_be();
    packet.message_id = in.u16_be();
    packet.code = read_code(in);
    return whole(in, packet);
}

template <class Message>
Result<Packet, DecodeError> read_message_id(Reader& in) {
    Message packet;
    packet.message_id = in.u16_be();
    return whole(in, packet);
}

template <class Message>
Result<Packet, DecodeError> read_code_alone(Reader& in) {
    Message packet;
    packet.code = read_code(in);
    return whole(in, packet);
}

Result<Packet, DecodeError> read_discovery(MessageType type, Reader& in) {
    if (type == MessageType::advertise) {
        Advertise packet;
        packet.gateway_id = in.u8();
        packet.duration = in.u16_be();
        return whole(in, packet);
    }
    if (type == MessageType::searchgw) {
        SearchGateway packet;
        packet.radius = in.u8();
        return whole(in, packet);
    }
    GatewayInfo packet;
    packet.gateway_id = in.u8();
    packet.address = in.rest();
    return whole(in, packet);
}

Result<Packet, DecodeError> read_connect(Reader& in) {
    Connect packet;
    packet.flags.bits = in.u8();
    packet.protocol_id = in.u8();
    packet.duration = in.u16_be();
    packet.client_id = as_text(in.rest());
    return whole(in, packet);
}

Result<Packet, DecodeError> read_register(Reader& in) {
    Register packet;
    packet.topic_id = in.u16_be();
    packet.message_id = in.u16_be();
    packet.topic = as_text(in.rest());
    return whole(in, packet);
}

Result<Packet, DecodeError> read_suback(Reader& in) {
    Suback packet;
    packet.flags.bits = in.u8();
    packet.topic_id = in.u16_be();
    packet.message_id = in.u16_be();
    packet.code = read_code(in);
    return whole(in, packet);
}

Result<Packet, DecodeError> read_disconnect(Reader& in) {
    Disconnect packet;
    if (!in.at_end()) {
        packet.duration = in.u16_be();
    }
    return whole(in, packet);
}

}  // namespace

Result<Publish, DecodeError> decode_publish(Bytes body) {
    Reader in{body};
    Publish packet;
    packet.flags.bits = in.u8();
    packet.topic_id = in.u16_be();
    packet.message_id = in.u16_be();
    packet.data = in.rest();
    if (in.failed()) {
        return DecodeError::truncated;
    }
    return packet;
}

Result<Packet, DecodeError> decode_body(const Frame& frame) {
    Reader in{frame.body};
    switch (frame.type) {
        case MessageType::advertise:
        case MessageType::searchgw:
        case MessageType::gwinfo:
            return read_discovery(frame.type, in);
        case MessageType::connect:
            return read_connect(in);
        case MessageType::connack:
            return read_code_alone<Connack>(in);
        case MessageType::willtopicreq:
            return whole(in, WillTopicRequest{});
        case MessageType::willtopic:
            return read_will_topic<WillTopic>(in);
        case MessageType::willmsgreq:
            return whole(in, WillMessageRequest{});
        case MessageType::willmsg:
            return Packet{WillMessage{frame.body}};
        case MessageType::register_topic:
            return read_register(in);
        case MessageType::regack:
            return read_topic_ack<Regack>(in);
        case MessageType::publish: {
            const auto packet = decode_publish(frame.body);
            return packet ? Result<Packet, DecodeError>{*packet} : packet.error();
        }
        case MessageType::puback:
            return read_topic_ack<Puback>(in);
        case MessageType::pubcomp:
            return read_message_id<Pubcomp>(in);
        case MessageType::pubrec:
            return read_message_id<Pubrec>(in);
        case MessageType::pubrel:
            return read_message_id<Pubrel>(in);
        case MessageType::subscribe:
            return read_subscription<Subscribe>(in);
        case MessageType::suback:
            return read_suback(in);
        case MessageType::unsubscribe:
            return read_subscription<Unsubscribe>(in);
        case MessageType::unsuback:
            return read_message_id<Unsuback>(in);
        case MessageType::pingreq:
            return Packet{Pingreq{as_text(frame.body)}};
        case MessageType::pingresp:
            return whole(in, Pingresp{});
        case MessageType::disconnect:
            return read_disconnect(in);
        case MessageType::willtopicupd:
            return read_will_topic<WillTopicUpdate>(in);
        case MessageType::willtopicresp:
            return read_code_alone<WillTopicResponse>(in);
        case MessageType::willmsgupd:
            return Packet{WillMessageUpdate{frame.body}};
        case MessageType::willmsgresp:
            return read_code_alone<WillMessageResponse>(in);
        case MessageType::encapsulated:
            break;  // unwrap() has taken those apart
    }
    return DecodeError::unknown_type;
}

Result<Packet, DecodeError> decode(Bytes datagram) {
    const auto frame = read_frame(datagram);
    if (!frame) {
        return frame.error();
    }
    return decode_body(*frame);
}

}  // namespace gw::mqttsn
