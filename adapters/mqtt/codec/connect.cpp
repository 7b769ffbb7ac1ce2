#include "adapters/mqtt/codec/connect.hpp"

#include "adapters/mqtt/codec/property_block.hpp"
#include "adapters/mqtt/codec/wire.hpp"

namespace gw::mqtt {

namespace {

constexpr std::string_view name_of_3_1 = "MQIsdp";
constexpr std::string_view name_since_3_1_1 = "MQTT";
constexpr std::uint8_t bridge_bit = 0x80;

constexpr std::uint8_t flag_reserved = 0x01;
constexpr std::uint8_t flag_clean_start = 0x02;
constexpr std::uint8_t flag_will = 0x04;
constexpr unsigned will_qos_shift = 3;
constexpr std::uint8_t flag_will_retain = 0x20;
constexpr std::uint8_t flag_password = 0x40;
constexpr std::uint8_t flag_username = 0x80;

/// Reads protocol name and level into `packet`. When the level is unknown, `reply_version` is the
/// version that the client is most likely to understand (MQTT 5.0, 3.1.2.2).
void read_protocol(PacketReader& in, ConnectPacket& packet, std::optional<Version>& reply_version) {
    const std::string_view name = as_text(in.binary());
    if (in.error()) {
        return;
    }
    if (name != name_of_3_1 && name != name_since_3_1_1) {
        in.fail(DecodeError::protocol_name_invalid);
        return;
    }
    const std::uint8_t level = in.u8();
    if (in.error()) {
        return;
    }
    if (name == name_of_3_1 && (level & ~bridge_bit) == 3) {
        packet.version = Version::v3_1;
    } else if (name == name_since_3_1_1 && (level & ~bridge_bit) == 4) {
        packet.version = Version::v3_1_1;
    } else if (name == name_since_3_1_1 && level == 5) {
        packet.version = Version::v5;
    } else {
        in.fail(DecodeError::protocol_version_unsupported);
        const Version nearest = level > 5 ? Version::v5 : Version::v3_1_1;
        reply_version = name == name_of_3_1 ? Version::v3_1 : nearest;
        return;
    }
    packet.is_bridge = (level & bridge_bit) != 0;
    reply_version = packet.version;
}

/// Whether the flags agree with each other (MQTT 5.0, 3.1.2.3 to 3.1.2.9).
std::optional<DecodeError> judge_flags(std::uint8_t flags, Version version) {
    const unsigned will_qos = flags >> will_qos_shift & 0x03U;
    const bool has_will = (flags & flag_will) != 0;
    if (has_will && will_qos == 3) {
        return DecodeError::will_qos_invalid;
    }
    const bool password_alone = (flags & flag_password) != 0 && (flags & flag_username) == 0;
    if (password_alone && version != Version::v5) {
        return DecodeError::connect_flags_invalid;
    }
    if (version == Version::v3_1) {
        return std::nullopt;  // the reserved bit and, without a will, its bits are not looked at
    }
    const bool will_bits_alone = !has_will && (will_qos != 0 || (flags & flag_will_retain) != 0);
    if ((flags & flag_reserved) != 0 || will_bits_alone) {
        return DecodeError::connect_flags_invalid;
    }
    return std::nullopt;
}

void read_connect_properties(PacketReader& in, ConnectPacket& packet) {
    const auto take = [&packet](const Property& property) {
        switch (property.id) {
            case PropertyId::session_expiry_interval:
                packet.session_expiry_interval = property.number;
                break;
            case PropertyId::receive_maximum:
                packet.receive_maximum = static_cast<std::uint16_t>(property.number);
                break;
            case PropertyId::maximum_packet_size:
                packet.maximum_packet_size = property.number;
                break;
            case PropertyId::topic_alias_maximum:
                packet.topic_alias_maximum = static_cast<std::uint16_t>(property.number);
                break;
            case PropertyId::request_response_information:
                packet.request_response_information = property.flag();
                break;
            case PropertyId::request_problem_information:
                packet.request_problem_information = property.flag();
                break;
            case PropertyId::authentication_method:
                packet.authentication_method = property.text;
                break;
            case PropertyId::authentication_data:
                packet.authentication_data = property.binary();
                break;
            default:  // the cursor lets only properties of a CONNECT pass
                break;
        }
    };
    packet.user_properties = read_properties(in, PacketType::connect, take);
    if (packet.authentication_data && !packet.authentication_method) {
        in.fail(DecodeError::authentication_method_missing);
    }
}

/// Reads the will's property block (MQTT 5.0, 3.1.3.2).
void read_will_properties(PacketReader& in, ByteBuffer& scratch, Will& will) {
    const Bytes block = in.take(in.variable_integer());
    ForwardedProperties forwarded{scratch};
    PropertyCursor cursor{block, PropertyOwner::will()};
    Property property;
    while (cursor.next(property)) {
        if (property.id == PropertyId::will_delay_interval) {
            will.delay_interval = property.number;
        } else if (property.id == PropertyId::message_expiry_interval) {
            will.message_expiry_interval = property.number;
        } else {
            forwarded.add(property.wire);
        }
    }
    if (cursor.error()) {
        in.fail(*cursor.error());
        return;
    }
    will.properties = forwarded.block();
    will.user_property_count = cursor.user_property_count();
}

Will read_will(PacketReader& in, std::uint8_t flags, Version version, ByteBuffer& scratch) {
    Will will;
    will.qos = static_cast<Qos>(flags >> will_qos_shift & 0x03U);
    will.retain = (flags & flag_will_retain) != 0;
    if (version == Version::v5) {
        read_will_properties(in, scratch, will);
    }
    const Bytes topic = in.binary();
    if (const auto error = judge_topic_name(topic)) {
        in.fail(*error);
    } else if (topic.empty()) {
        in.fail(DecodeError::topic_name_invalid);
    }
    will.topic = as_text(topic);
    will.payload = in.binary();
    return will;
}

/// Reads user name and password. Version 3.1 lets a client set the flags and leave the fields out:
/// "the Remaining Length field takes precedence over the User Name flag" (MQTT 3.1, 3.1).
void read_credentials(PacketReader& in, std::uint8_t flags, ConnectPacket& packet) {
    const bool may_be_missing = packet.version == Version::v3_1;
    if ((flags & flag_username) != 0 && !(may_be_missing && in.at_end())) {
        packet.username = in.text();
    }
    if ((flags & flag_password) != 0 && !(may_be_missing && in.at_end())) {
        packet.password = in.binary();
    }
}

template <class Sink>
void put_connect_properties(Sink& sink, const ConnectPacket& packet) {
    if (packet.session_expiry_interval != 0) {
        put_u32(sink, PropertyId::session_expiry_interval, packet.session_expiry_interval);
    }
    if (packet.receive_maximum != 65535) {
        put_u16(sink, PropertyId::receive_maximum, packet.receive_maximum);
    }
    put_u32(sink, PropertyId::maximum_packet_size, packet.maximum_packet_size);
    if (packet.topic_alias_maximum != 0) {
        put_u16(sink, PropertyId::topic_alias_maximum, packet.topic_alias_maximum);
    }
    if (packet.request_response_information) {
        put_u8(sink, PropertyId::request_response_information, 1);
    }
    if (!packet.request_problem_information) {
        put_u8(sink, PropertyId::request_problem_information, 0);
    }
    put_text(sink, PropertyId::authentication_method, packet.authentication_method);
    put_binary(sink, PropertyId::authentication_data, packet.authentication_data);
    put_user_properties(sink, packet.user_properties);
}

template <class Sink>
void put_will(Sink& sink, Version version, const Will& will) {
    if (version == Version::v5) {
        put_property_block(sink, [&will](auto& block) {
            if (will.delay_interval != 0) {
                put_u32(block, PropertyId::will_delay_interval, will.delay_interval);
            }
            put_u32(block, PropertyId::message_expiry_interval, will.message_expiry_interval);
            block.raw(will.properties);
        });
    }
    sink.text(will.topic);
    sink.binary(will.payload);
}

std::uint8_t flags_of(const ConnectPacket& packet) {
    unsigned flags = packet.clean_start ? flag_clean_start : 0U;
    if (packet.will) {
        flags |= flag_will | static_cast<unsigned>(packet.will->qos) << will_qos_shift;
        flags |= packet.will->retain ? flag_will_retain : 0U;
    }
    flags |= packet.username ? flag_username : 0U;
    flags |= packet.password ? flag_password : 0U;
    return static_cast<std::uint8_t>(flags);
}

template <class Sink>
void put_body(Sink& sink, const ConnectPacket& packet) {
    sink.text(packet.version == Version::v3_1 ? name_of_3_1 : name_since_3_1_1);
    sink.u8(static_cast<std::uint8_t>(static_cast<unsigned>(packet.version) |
                                      (packet.is_bridge ? bridge_bit : 0U)));
    sink.u8(flags_of(packet));
    sink.u16(packet.keep_alive);
    if (packet.version == Version::v5) {
        put_property_block(sink, [&packet](auto& block) { put_connect_properties(block, packet); });
    }
    sink.text(packet.client_id);
    if (packet.will) {
        put_will(sink, packet.version, *packet.will);
    }
    if (packet.username) {
        sink.text(*packet.username);
    }
    if (packet.password) {
        sink.binary(*packet.password);
    }
}

}  // namespace

Result<ConnectPacket, ConnectError> decode_connect(Bytes body, ByteBuffer& scratch) {
    PacketReader in{body};
    ConnectPacket packet;
    std::optional<Version> reply_version;
    read_protocol(in, packet, reply_version);
    if (in.error()) {
        return ConnectError{*in.error(), reply_version};
    }
    const std::uint8_t flags = in.u8();
    if (const auto error = judge_flags(flags, packet.version)) {
        return ConnectError{*error, reply_version};
    }
    packet.clean_start = (flags & flag_clean_start) != 0;
    packet.keep_alive = in.u16();
    if (packet.version == Version::v5) {
        read_connect_properties(in, packet);
    }
    packet.client_id = in.text();
    if ((flags & flag_will) != 0) {
        packet.will = read_will(in, flags, packet.version, scratch);
    }
    read_credentials(in, flags, packet);
    if (const auto error = in.finish()) {
        return ConnectError{*error, reply_version};
    }
    return packet;
}

std::size_t connect_size(const ConnectPacket& packet) {
    return packet_size([&packet](auto& sink) { put_body(sink, packet); });
}

void encode_connect(ByteBuffer& out, const ConnectPacket& packet) {
    GW_ASSERT(packet.version == Version::v5 || packet.username || !packet.password);
    GW_ASSERT(packet.version != Version::v5 || !packet.is_bridge);
    append_packet(out, first_byte_of(PacketType::connect),
                  [&packet](auto& sink) { put_body(sink, packet); });
}

}  // namespace gw::mqtt
