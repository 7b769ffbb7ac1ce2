#pragma once

#include "adapters/mqtt/codec/decode_error.hpp"
#include "broker-core/base/bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace gw::mqtt {

/// The protocol versions spoken here, by their protocol level (MQTT 5.0, 3.1.2.2).
enum class Version : std::uint8_t { v3_1 = 3, v3_1_1 = 4, v5 = 5 };

/// Who sent a packet. Some values are allowed in one direction only.
enum class Sender : std::uint8_t { client, server };

/// Packet types (MQTT 5.0, 2.1.2). `auth` exists from version 5 on.
enum class PacketType : std::uint8_t {
    connect = 1,
    connack = 2,
    publish = 3,
    puback = 4,
    pubrec = 5,
    pubrel = 6,
    pubcomp = 7,
    subscribe = 8,
    suback = 9,
    unsubscribe = 10,
    unsuback = 11,
    pingreq = 12,
    pingresp = 13,
    disconnect = 14,
    auth = 15,
};

/// The type's name as the specification writes it ("PUBLISH"), for logs.
const char* packet_type_name(PacketType type);

/// The largest packet that the protocol can express: fixed header and 268,435,455 bytes behind it
/// (MQTT 5.0, 2.1.4). The encoders require that what they are given fits.
inline constexpr std::size_t remaining_length_max = 268'435'455;
inline constexpr std::size_t protocol_packet_bytes_max = 5 + remaining_length_max;

/// One complete packet, borrowed from the input.
struct Frame {
    std::uint8_t first_byte = 0;   // type and flags
    Bytes body;                    // all behind the fixed header
    std::size_t packet_bytes = 0;  // fixed header and body: what to take from the input

    PacketType type() const { return static_cast<PacketType>(first_byte >> 4); }
};

enum class FrameStatus : std::uint8_t { frame, need_more, error };

/// What read_frame() found: a frame, too few bytes, or a reason to close. Exactly one of them.
struct FrameOutcome {
    FrameStatus status = FrameStatus::need_more;
    DecodeError error = DecodeError::truncated;  // only with FrameStatus::error
    Frame frame;                                 // only with FrameStatus::frame
    /// Size of the whole packet once its length is known, else 0. With `need_more` it says how much
    /// must come; it never exceeds `packet_bytes_max`.
    std::size_t announced_bytes = 0;
};

/// Cuts the first packet off `in`.
///
/// Type, flags and length are judged as soon as their bytes are there, so that a packet over
/// `packet_bytes_max` (whole packet, fixed header included) costs no more than its header.
///
/// @param version  what the CONNECT named; nothing while it is not known. Version 3.1 sets DUP on
///                 repeated PUBREL, SUBSCRIBE and UNSUBSCRIBE (MQTT 3.1, 2.1), version 5 demands
///                 the shortest form of the length (MQTT 5.0, 1.5.5).
/// @error  packet_type_reserved, header_flags_invalid, qos_invalid, remaining_length_malformed,
///         packet_too_large
FrameOutcome read_frame(Bytes in, std::size_t packet_bytes_max,
                        std::optional<Version> version = std::nullopt);

}  // namespace gw::mqtt
