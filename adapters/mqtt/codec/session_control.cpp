#include "adapters/mqtt/codec/session_control.hpp"

#include "adapters/mqtt/codec/property_block.hpp"
#include "adapters/mqtt/codec/reason_rules.hpp"
#include "adapters/mqtt/codec/wire.hpp"

namespace gw::mqtt {

namespace {

template <class Sink>
void put_properties(Sink& sink, const DisconnectPacket& packet) {
    put_u32(sink, PropertyId::session_expiry_interval, packet.session_expiry_interval);
    put_text(sink, PropertyId::reason_string, packet.reason_string);
    put_text(sink, PropertyId::server_reference, packet.server_reference);
    put_user_properties(sink, packet.user_properties);
}

template <class Sink>
void put_properties(Sink& sink, const AuthPacket& packet) {
    put_text(sink, PropertyId::authentication_method, packet.authentication_method);
    put_binary(sink, PropertyId::authentication_data, packet.authentication_data);
    put_text(sink, PropertyId::reason_string, packet.reason_string);
    put_user_properties(sink, packet.user_properties);
}

/// DISCONNECT and AUTH are alike: success without properties is an empty body, and the length of
/// the properties may be left out when there are none (MQTT 5.0, 3.14.2.1, 3.14.2.2.1, 3.15.2.1).
/// AUTH must not use the second form, having always a method.
template <class Sink, class Packet>
void put_body(Sink& sink, const Packet& packet) {
    SizeCounter properties;
    put_properties(properties, packet);
    const bool has_properties = properties.bytes() != 0;
    if (packet.reason == ReasonCode::success && !has_properties) {
        return;
    }
    sink.u8(static_cast<std::uint8_t>(packet.reason));
    if (has_properties) {
        sink.variable_integer(properties.bytes());
        put_properties(sink, packet);
    }
}

void read_reason(PacketReader& in, PacketType type, Sender sender, ReasonCode& reason) {
    reason = static_cast<ReasonCode>(in.u8());
    if (!is_reason_allowed(type, sender, reason)) {
        in.fail(DecodeError::reason_code_invalid);
    }
}

void read_disconnect(PacketReader& in, Sender sender, DisconnectPacket& packet) {
    read_reason(in, PacketType::disconnect, sender, packet.reason);
    if (in.at_end()) {
        return;
    }
    const auto take = [&packet](const Property& property) {
        if (property.id == PropertyId::session_expiry_interval) {
            packet.session_expiry_interval = property.number;
        } else if (property.id == PropertyId::reason_string) {
            packet.reason_string = property.text;
        } else {
            packet.server_reference = property.text;  // the only other one allowed
        }
    };
    packet.user_properties = read_properties(in, PacketType::disconnect, take);
    if (packet.session_expiry_interval && sender == Sender::server) {
        in.fail(DecodeError::session_expiry_from_server);
    }
}

void read_auth(PacketReader& in, Sender sender, AuthPacket& packet) {
    read_reason(in, PacketType::auth, sender, packet.reason);
    const auto take = [&packet](const Property& property) {
        if (property.id == PropertyId::authentication_method) {
            packet.authentication_method = property.text;
        } else if (property.id == PropertyId::authentication_data) {
            packet.authentication_data = property.binary();
        } else {
            packet.reason_string = property.text;  // the only other one allowed
        }
    };
    packet.user_properties = read_properties(in, PacketType::auth, take);
    if (!packet.authentication_method) {
        in.fail(DecodeError::authentication_method_missing);
    }
}

}  // namespace

Result<DisconnectPacket, DecodeError> decode_disconnect(Bytes body, Version version,
                                                        Sender sender) {
    PacketReader in{body};
    DisconnectPacket packet;
    if (version == Version::v5 && !in.at_end()) {
        read_disconnect(in, sender, packet);
    }
    if (const auto error = in.finish()) {
        return *error;
    }
    return packet;
}

std::size_t disconnect_size(Version version, const DisconnectPacket& packet) {
    if (version != Version::v5) {
        return 2;
    }
    return packet_size([&packet](auto& sink) { put_body(sink, packet); });
}

void encode_disconnect(ByteBuffer& out, Version version, const DisconnectPacket& packet) {
    append_packet(out, first_byte_of(PacketType::disconnect), [&](auto& sink) {
        if (version == Version::v5) {
            put_body(sink, packet);
        }
    });
}

Result<AuthPacket, DecodeError> decode_auth(Bytes body, Version version, Sender sender) {
    if (version != Version::v5) {
        return DecodeError::packet_not_in_version;
    }
    PacketReader in{body};
    AuthPacket packet;
    if (in.at_end()) {
        // Reason success may be left out with all else (MQTT 5.0, 3.15.2.1); it is the server's.
        if (!is_reason_allowed(PacketType::auth, sender, packet.reason)) {
            return DecodeError::reason_code_invalid;
        }
        return packet;
    }
    read_auth(in, sender, packet);
    if (const auto error = in.finish()) {
        return *error;
    }
    return packet;
}

std::size_t auth_size(const AuthPacket& packet) {
    return packet_size([&packet](auto& sink) { put_body(sink, packet); });
}

void encode_auth(ByteBuffer& out, const AuthPacket& packet) {
    GW_ASSERT(packet.reason == ReasonCode::success || packet.authentication_method);
    append_packet(out, first_byte_of(PacketType::auth),
                  [&packet](auto& sink) { put_body(sink, packet); });
}

Result<void, DecodeError> decode_ping(Bytes body) {
    if (!body.empty()) {
        return DecodeError::trailing_bytes;
    }
    return {};
}

void encode_pingreq(ByteBuffer& out) {
    PacketWriter writer{out, 2};
    writer.u8(first_byte_of(PacketType::pingreq));
    writer.u8(0);
}

void encode_pingresp(ByteBuffer& out) {
    PacketWriter writer{out, 2};
    writer.u8(first_byte_of(PacketType::pingresp));
    writer.u8(0);
}

}  // namespace gw::mqtt
