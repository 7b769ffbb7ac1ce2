#pragma once

#include "adapters/mqttsn/codec/packets.hpp"
#include "broker-core/base/bytes.hpp"
#include "broker-core/base/result.hpp"

#include <cstdint>
#include <string_view>

namespace gw::mqttsn {

/// Why a datagram is no message. Each has a counter; decode_error_text() has the sentence.
enum class DecodeError : std::uint8_t {
    truncated,        // ends before its length field, or before its fixed fields
    length_mismatch,  // the length field does not name the datagram's size
    unknown_type,     // a message type that the specification reserves
    overlong,         // more follows than the message type has fields
    nested_too_deep,  // more encapsulations than any forwarder chain has
};
inline constexpr std::size_t decode_error_count = 5;
std::string_view decode_error_text(DecodeError error);

/// The header of a message (section 5.2): a length of one or three octets, and the type.
struct Frame {
    MessageType type = MessageType::advertise;
    Bytes body;
};

/// Reads the header of a whole datagram. Encapsulated messages must have been unwrapped.
Result<Frame, DecodeError> read_frame(Bytes datagram);

/// The type of the message that the datagram begins with, without any check but its bounds; 0xff
/// when there is none.
std::uint8_t peek_type(Bytes datagram);

/// How deep forwarders may stand behind each other.
inline constexpr int encapsulation_depth_max = 4;

/// Takes the headers of forwarder encapsulation (section 5.5) off a datagram. What they name, the
/// way to the node that the message is from, is appended to `node` in the form that
/// begins an answer to it: headers with a Ctrl octet of 0, outermost first. @return the message
/// inside, the datagram itself when nothing is around it.
Result<Bytes, DecodeError> unwrap(Bytes datagram, ByteBuffer& node);

/// Bytes that a header takes in front of a body of that size.
inline std::size_t header_bytes(std::size_t body_bytes) {
    return body_bytes + 2 < 256 ? 2 : 4;
}

/// Largest body that the length field can announce.
inline constexpr std::size_t body_bytes_max = 65535 - 4;

}  // namespace gw::mqttsn
