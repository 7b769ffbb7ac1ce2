#include "adapters/mqtt/codec/connect.hpp"
#include "adapters/mqtt/codec/property_block.hpp"
#include "adapters/mqtt/codec/reason_rules.hpp"
#include "adapters/mqtt/codec/wire.hpp"

namespace gw::mqtt {

namespace {

/// What the return codes of MQTT 3.1.1, 3.2.2.3, are in MQTT 5.
constexpr ReasonCode reasons_of_return_codes[] = {
    ReasonCode::success,
    ReasonCode::unsupported_protocol_version,
    ReasonCode::client_identifier_not_valid,
    ReasonCode::server_unavailable,
    ReasonCode::bad_user_name_or_password,
    ReasonCode::not_authorized,
};

void set_property(ConnackPacket& packet, const Property& property) {
    switch (property.id) {
        case PropertyId::session_expiry_interval:
            packet.session_expiry_interval = property.number;
            break;
        case PropertyId::receive_maximum:
            packet.receive_maximum = static_cast<std::uint16_t>(property.number);
            break;
        case PropertyId::maximum_qos:
            packet.maximum_qos = static_cast<Qos>(property.number);
            break;
        case PropertyId::retain_available:
            packet.retain_available = property.flag();
            break;
        case PropertyId::maximum_packet_size:
            packet.maximum_packet_size = property.number;
            break;
        case PropertyId::assigned_client_identifier:
            packet.assigned_client_identifier = property.text;
            break;
        case PropertyId::topic_alias_maximum:
            packet.topic_alias_maximum = static_cast<std::uint16_t>(property.number);
            break;
        case PropertyId::reason_string:
            packet.reason_string = property.text;
            break;
        case PropertyId::wildcard_subscription_available:
            packet.wildcard_subscription_available = property.flag();
            break;
        case PropertyId::subscription_identifier_available:
            packet.subscription_identifier_available = property.flag();
            break;
        case PropertyId::shared_subscription_available:
            packet.shared_subscription_available = property.flag();
            break;
        case PropertyId::server_keep_alive:
            packet.server_keep_alive = static_cast<std::uint16_t>(property.number);
            break;
        case PropertyId::response_information:
            packet.response_information = property.text;
            break;
        case PropertyId::server_reference:
            packet.server_reference = property.text;
            break;
        case PropertyId::authentication_method:
            packet.authentication_method = property.text;
            break;
        case PropertyId::authentication_data:
            packet.authentication_data = property.binary();
            break;
        default:  // the cursor lets only properties of a CONNACK pass
            break;
    }
}

template <class Sink>
void put_unavailable(Sink& sink, PropertyId id, bool available) {
    if (!available) {
        put_u8(sink, id, 0);
    }
}

template <class Sink>
void put_properties(Sink& sink, const ConnackPacket& packet) {
    put_u32(sink, PropertyId::session_expiry_interval, packet.session_expiry_interval);
    if (packet.receive_maximum != 65535) {
        put_u16(sink, PropertyId::receive_maximum, packet.receive_maximum);
    }
    if (packet.maximum_qos != Qos::exactly_once) {
        put_u8(sink, PropertyId::maximum_qos, static_cast<std::uint8_t>(packet.maximum_qos));
    }
    put_unavailable(sink, PropertyId::retain_available, packet.retain_available);
    put_u32(sink, PropertyId::maximum_packet_size, packet.maximum_packet_size);
    put_text(sink, PropertyId::assigned_client_identifier, packet.assigned_client_identifier);
    if (packet.topic_alias_maximum != 0) {
        put_u16(sink, PropertyId::topic_alias_maximum, packet.topic_alias_maximum);
    }
    put_text(sink, PropertyId::reason_string, packet.reason_string);
    put_user_properties(sink, packet.user_properties);
    put_unavailable(sink, PropertyId::wildcard_subscription_available,
                    packet.wildcard_subscription_available);
    put_unavailable(sink, PropertyId::subscription_identifier_available,
                    packet.subscription_identifier_available);
    put_unavailable(sink, PropertyId::shared_subscription_available,
                    packet.shared_subscription_available);
    if (packet.server_keep_alive) {
        put_u16(sink, PropertyId::server_keep_alive, *packet.server_keep_alive);
    }
    put_text(sink, PropertyId::response_information, packet.response_information);
    put_text(sink, PropertyId::server_reference, packet.server_reference);
    put_text(sink, PropertyId::authentication_method, packet.authentication_method);
    put_binary(sink, PropertyId::authentication_data, packet.authentication_data);
}

template <class Sink>
void put_body(Sink& sink, Version version, const ConnackPacket& packet) {
    // The first byte is reserved in 3.1; since 3.1.1 a session is present on success only.
    const bool session_present =
        packet.session_present && version != Version::v3_1 && packet.reason == ReasonCode::success;
    sink.u8(session_present ? 1 : 0);
    if (version != Version::v5) {
        sink.u8(connack_return_code(packet.reason));
        return;
    }
    sink.u8(static_cast<std::uint8_t>(packet.reason));
    put_property_block(sink, [&packet](auto& block) { put_properties(block, packet); });
}

/// Reads the first two bytes (MQTT 5.0, 3.2.2.1 and 3.2.2.2).
void read_outcome(PacketReader& in, Version version, ConnackPacket& packet) {
    const std::uint8_t flags = in.u8();
    const std::uint8_t code = in.u8();
    if (version == Version::v5) {
        packet.reason = static_cast<ReasonCode>(code);
        if (!is_reason_allowed(PacketType::connack, Sender::server, packet.reason)) {
            in.fail(DecodeError::reason_code_invalid);
        }
    } else if (code < std::size(reasons_of_return_codes)) {
        packet.reason = reasons_of_return_codes[code];
    } else {
        in.fail(DecodeError::reason_code_invalid);
    }
    if (version == Version::v3_1) {
        return;  // "reserved values, not used" (MQTT 3.1, 3.2)
    }
    packet.session_present = (flags & 0x01) != 0;
    if ((flags & 0xfe) != 0) {
        in.fail(DecodeError::connack_flags_invalid);
    } else if (packet.session_present && packet.reason != ReasonCode::success) {
        in.fail(DecodeError::session_present_with_error);
    }
}

}  // namespace

std::uint8_t connack_return_code(ReasonCode reason) {
    switch (reason) {
        case ReasonCode::success:
            return 0;
        case ReasonCode::unsupported_protocol_version:
            return 1;
        case ReasonCode::client_identifier_not_valid:
            return 2;
        case ReasonCode::bad_user_name_or_password:
        case ReasonCode::bad_authentication_method:
            return 4;
        case ReasonCode::not_authorized:
        case ReasonCode::banned:
        case ReasonCode::topic_name_invalid:    // the will's topic, which is refused for good
        case ReasonCode::retain_not_supported:  // the will's
        case ReasonCode::qos_not_supported:     // the will's
            return 5;
        default:  // all others are states of the server, which may change
            return 3;
    }
}

Result<ConnackPacket, DecodeError> decode_connack(Bytes body, Version version) {
    PacketReader in{body};
    ConnackPacket packet;
    read_outcome(in, version, packet);
    if (version == Version::v5) {
        packet.user_properties = read_properties(
            in, PacketType::connack,
            [&packet](const Property& property) { set_property(packet, property); });
    }
    if (const auto error = in.finish()) {
        return *error;
    }
    return packet;
}

std::size_t connack_size(Version version, const ConnackPacket& packet) {
    return packet_size([&](auto& sink) { put_body(sink, version, packet); });
}

void encode_connack(ByteBuffer& out, Version version, const ConnackPacket& packet) {
    append_packet(out, first_byte_of(PacketType::connack),
                  [&](auto& sink) { put_body(sink, version, packet); });
}

}  // namespace gw::mqtt
