#include "adapters/mqtt/codec/property_block.hpp"
#include "adapters/mqtt/codec/reason_rules.hpp"
#include "adapters/mqtt/codec/subscribe.hpp"
#include "adapters/mqtt/codec/wire.hpp"

namespace gw::mqtt {

namespace {

/// The one failure that a SUBACK below version 5 knows (MQTT 3.1.1, 3.9.3).
constexpr auto failure_below_5 = static_cast<std::uint8_t>(ReasonCode::unspecified_error);

bool is_reason_byte_allowed(PacketType type, Version version, std::uint8_t byte) {
    if (version != Version::v5) {
        return byte <= 2 || byte == failure_below_5;
    }
    return is_reason_allowed(type, Sender::server, static_cast<ReasonCode>(byte));
}

void read_properties_of_5(PacketReader& in, PacketType type, SubackPacket& packet) {
    packet.user_properties = read_properties(in, type, [&packet](const Property& property) {
        packet.reason_string = property.text;  // the only other one allowed
    });
}

void read_reasons(PacketReader& in, PacketType type, Version version, SubackPacket& packet) {
    packet.reasons = in.rest();
    if (packet.reasons.empty()) {
        in.fail(DecodeError::list_empty);
    }
    for (const std::uint8_t byte : packet.reasons) {
        if (!is_reason_byte_allowed(type, version, byte)) {
            in.fail(DecodeError::reason_code_invalid);
        }
    }
}

template <class Sink>
void put_properties(Sink& sink, const SubackPacket& packet) {
    put_property_block(sink, [&packet](auto& block) {
        put_text(block, PropertyId::reason_string, packet.reason_string);
        put_user_properties(block, packet.user_properties);
    });
}

template <class Sink>
void put_suback(Sink& sink, Version version, const SubackPacket& packet) {
    sink.u16(packet.packet_id);
    if (version == Version::v5) {
        put_properties(sink, packet);
        sink.raw(packet.reasons);
        return;
    }
    for (const std::uint8_t byte : packet.reasons) {
        sink.u8(is_error(static_cast<ReasonCode>(byte)) ? failure_below_5 : byte);
    }
}

template <class Sink>
void put_unsuback(Sink& sink, Version version, const UnsubackPacket& packet) {
    sink.u16(packet.packet_id);
    if (version == Version::v5) {
        put_properties(sink, packet);
        sink.raw(packet.reasons);
    }
}

}  // namespace

Result<SubackPacket, DecodeError> decode_suback(Bytes body, Version version) {
    PacketReader in{body};
    SubackPacket packet;
    packet.packet_id = in.packet_id();
    if (version == Version::v5) {
        read_properties_of_5(in, PacketType::suback, packet);
    }
    read_reasons(in, PacketType::suback, version, packet);
    if (const auto error = in.finish()) {
        return *error;
    }
    return packet;
}

Result<UnsubackPacket, DecodeError> decode_unsuback(Bytes body, Version version) {
    PacketReader in{body};
    UnsubackPacket packet;
    packet.packet_id = in.packet_id();
    if (version == Version::v5) {
        read_properties_of_5(in, PacketType::unsuback, packet);
        read_reasons(in, PacketType::unsuback, version, packet);
    }
    if (const auto error = in.finish()) {
        return *error;
    }
    return packet;
}

std::size_t suback_size(Version version, const SubackPacket& packet) {
    return packet_size([&](auto& sink) { put_suback(sink, version, packet); });
}

void encode_suback(ByteBuffer& out, Version version, const SubackPacket& packet) {
    GW_ASSERT(packet.packet_id != 0 && !packet.reasons.empty());
    append_packet(out, first_byte_of(PacketType::suback),
                  [&](auto& sink) { put_suback(sink, version, packet); });
}

std::size_t unsuback_size(Version version, const UnsubackPacket& packet) {
    return packet_size([&](auto& sink) { put_unsuback(sink, version, packet); });
}

void encode_unsuback(ByteBuffer& out, Version version, const UnsubackPacket& packet) {
    GW_ASSERT(packet.packet_id != 0 && (version != Version::v5 || !packet.reasons.empty()));
    append_packet(out, first_byte_of(PacketType::unsuback),
                  [&](auto& sink) { put_unsuback(sink, version, packet); });
}

}  // namespace gw::mqtt
