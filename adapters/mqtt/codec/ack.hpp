#pragma once

#include "adapters/mqtt/codec/decode_error.hpp"
#include "adapters/mqtt/codec/frame.hpp"
#include "adapters/mqtt/codec/property.hpp"
#include "broker-core/base/bytes.hpp"
#include "broker-core/base/result.hpp"
#include "broker-core/message/reason.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace gw::mqtt {

/// PUBACK, PUBREC, PUBREL or PUBCOMP (MQTT 5.0, 3.4 to 3.7). Below version 5 only the packet id is
/// on the wire.
struct AckPacket {
    std::uint16_t packet_id = 0;
    ReasonCode reason = ReasonCode::success;
    std::optional<std::string_view> reason_string;
    UserProperties user_properties;
};

/// Decodes the body of the acknowledgement `type`, which must be one of the four.
Result<AckPacket, DecodeError> decode_ack(PacketType type, Bytes body, Version version);

/// Size of the whole packet in bytes.
std::size_t ack_size(Version version, const AckPacket& packet);

/// Appends the acknowledgement `type`, in its shortest form.
void encode_ack(ByteBuffer& out, Version version, PacketType type, const AckPacket& packet);

/// Appends one without reason string and user properties: the common case, 4 or 5 bytes.
void encode_ack(ByteBuffer& out, Version version, PacketType type, std::uint16_t packet_id,
                ReasonCode reason = ReasonCode::success);

}  // namespace gw::mqtt
