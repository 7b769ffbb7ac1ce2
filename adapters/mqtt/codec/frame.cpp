#include "adapters/mqtt/codec/frame.hpp"

#include "broker-core/base/assert.hpp"

namespace gw::mqtt {

namespace {

constexpr std::uint8_t dup_flag = 0x08;

/// Whether type and flags can stand together (MQTT 5.0, 2.1.2 and 2.1.3).
std::optional<DecodeError> judge_first_byte(std::uint8_t first_byte,
                                            std::optional<Version> version) {
    const std::uint8_t flags = first_byte & 0x0f;
    switch (first_byte >> 4) {
        case 0:
            return DecodeError::packet_type_reserved;
        case static_cast<int>(PacketType::publish):
            // DUP with QoS 0 is left to decode_publish(): version 3.1 does not forbid it.
            if ((flags & 0x06) == 0x06) {
                return DecodeError::qos_invalid;
            }
            return std::nullopt;
        case static_cast<int>(PacketType::pubrel):
        case static_cast<int>(PacketType::subscribe):
        case static_cast<int>(PacketType::unsubscribe):
            if (flags == 0x02 || (version == Version::v3_1 && flags == (0x02 | dup_flag))) {
                return std::nullopt;
            }
            return DecodeError::header_flags_invalid;
        default:
            if (flags != 0) {
                return DecodeError::header_flags_invalid;
            }
            return std::nullopt;
    }
}

FrameOutcome error_outcome(DecodeError error) {
    FrameOutcome outcome;
    outcome.status = FrameStatus::error;
    outcome.error = error;
    return outcome;
}

}  // namespace

const char* packet_type_name(PacketType type) {
    switch (type) {
        case PacketType::connect:
            return "CONNECT";
        case PacketType::connack:
            return "CONNACK";
        case PacketType::publish:
            return "PUBLISH";
        case PacketType::puback:
            return "PUBACK";
        case PacketType::pubrec:
            return "PUBREC";
        case PacketType::pubrel:
            return "PUBREL";
        case PacketType::pubcomp:
            return "PUBCOMP";
        case PacketType::subscribe:
            return "SUBSCRIBE";
        case PacketType::suback:
            return "SUBACK";
        case PacketType::unsubscribe:
            return "UNSUBSCRIBE";
        case PacketType::unsuback:
            return "UNSUBACK";
        case PacketType::pingreq:
            return "PINGREQ";
        case PacketType::pingresp:
            return "PINGRESP";
        case PacketType::disconnect:
            return "DISCONNECT";
        case PacketType::auth:
            return "AUTH";
    }
    return "reserved";
}

FrameOutcome read_frame(Bytes in, std::size_t packet_bytes_max, std::optional<Version> version) {
    if (in.empty()) {
        return {};
    }
    if (const auto error = judge_first_byte(in[0], version)) {
        return error_outcome(*error);
    }
    std::size_t length = 0;
    std::size_t header_bytes = 1;
    std::uint8_t digit = 0;
    do {
        if (header_bytes == 5) {
            return error_outcome(DecodeError::remaining_length_malformed);
        }
        if (header_bytes == in.size()) {
            return {};
        }
        digit = in[header_bytes];
        length |= static_cast<std::size_t>(digit & 0x7f) << (7 * (header_bytes - 1));
        ++header_bytes;
    } while ((digit & 0x80) != 0);
    if (digit == 0 && header_bytes > 2 && version == Version::v5) {
        return error_outcome(DecodeError::remaining_length_malformed);
    }

    FrameOutcome outcome;
    outcome.announced_bytes = header_bytes + length;
    if (outcome.announced_bytes > packet_bytes_max) {
        return error_outcome(DecodeError::packet_too_large);
    }
    if (outcome.announced_bytes > in.size()) {
        return outcome;
    }
    outcome.status = FrameStatus::frame;
    outcome.frame.first_byte = in[0];
    outcome.frame.body = in.subspan(header_bytes, length);
    outcome.frame.packet_bytes = outcome.announced_bytes;
    return outcome;
}

}  // namespace gw::mqtt
