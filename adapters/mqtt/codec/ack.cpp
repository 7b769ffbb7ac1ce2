#include "adapters/mqtt/codec/ack.hpp"

#include "adapters/mqtt/codec/property_block.hpp"
#include "adapters/mqtt/codec/reason_rules.hpp"
#include "adapters/mqtt/codec/wire.hpp"

namespace gw::mqtt {

namespace {

bool is_ack(PacketType type) {
    return type == PacketType::puback || type == PacketType::pubrec || type == PacketType::pubrel ||
           type == PacketType::pubcomp;
}

/// The flags are reserved and fixed (MQTT 5.0, 2.1.3).
std::uint8_t ack_first_byte(PacketType type) {
    GW_ASSERT(is_ack(type));
    return first_byte_of(type, type == PacketType::pubrel ? 0x02 : 0x00);
}

template <class Sink>
void put_body(Sink& sink, Version version, const AckPacket& packet) {
    sink.u16(packet.packet_id);
    if (version != Version::v5) {
        return;
    }
    const bool has_properties = packet.reason_string || !packet.user_properties.empty();
    if (packet.reason == ReasonCode::success && !has_properties) {
        return;  // MQTT 5.0, 3.4.2.1
    }
    sink.u8(static_cast<std::uint8_t>(packet.reason));
    if (!has_properties) {
        return;  // MQTT 5.0, 3.4.2.2.1
    }
    put_property_block(sink, [&packet](auto& block) {
        put_text(block, PropertyId::reason_string, packet.reason_string);
        put_user_properties(block, packet.user_properties);
    });
}

}  // namespace

Result<AckPacket, DecodeError> decode_ack(PacketType type, Bytes body, Version version) {
    GW_ASSERT(is_ack(type));
    PacketReader in{body};
    AckPacket packet;
    packet.packet_id = in.packet_id();
    if (version == Version::v5 && !in.at_end()) {
        packet.reason = static_cast<ReasonCode>(in.u8());
        if (!is_reason_allowed(type, Sender::server, packet.reason)) {
            in.fail(DecodeError::reason_code_invalid);
        }
        if (!in.at_end()) {
            packet.user_properties = read_properties(in, type, [&packet](const Property& property) {
                packet.reason_string = property.text;  // the only other one allowed
            });
        }
    }
    if (const auto error = in.finish()) {
        return *error;
    }
    return packet;
}

std::size_t ack_size(Version version, const AckPacket& packet) {
    return packet_size([&](auto& sink) { put_body(sink, version, packet); });
}

void encode_ack(ByteBuffer& out, Version version, PacketType type, const AckPacket& packet) {
    GW_ASSERT(packet.packet_id != 0);
    append_packet(out, ack_first_byte(type), [&](auto& sink) { put_body(sink, version, packet); });
}

void encode_ack(ByteBuffer& out, Version version, PacketType type, std::uint16_t packet_id,
                ReasonCode reason) {
    GW_ASSERT(packet_id != 0);
    const bool has_reason = version == Version::v5 && reason != ReasonCode::success;
    PacketWriter writer{out, has_reason ? 5U : 4U};
    writer.u8(ack_first_byte(type));
    writer.u8(has_reason ? 3 : 2);
    writer.u16(packet_id);
    if (has_reason) {
        writer.u8(static_cast<std::uint8_t>(reason));
    }
}

}  // namespace gw::mqtt
