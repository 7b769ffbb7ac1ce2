#pragma once

#include "broker-core/base/bytes.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gw::websocket {

/// RFC 6455, 5.2.
enum class Opcode : std::uint8_t {
    continuation = 0,
    text = 1,
    binary = 2,
    close = 8,
    ping = 9,
    pong = 10,
};

/// RFC 6455, 7.4.1: those that we send.
enum class CloseCode : std::uint16_t {
    normal = 1000,
    going_away = 1001,
    protocol_error = 1002,
    unsupported_data = 1003,
    invalid_payload = 1007,
    policy_violation = 1008,
    too_big = 1009,
    internal_error = 1011,
};

inline constexpr std::size_t control_payload_bytes_max = 125;
inline constexpr std::size_t frame_header_bytes_max = 14;

/// Whether a peer may send this code in a Close frame (RFC 6455, 7.4.2, and the IANA registry).
bool is_allowed_close_code(std::uint16_t code);

/// The header of a frame as it stands on the wire.
struct FrameHeader {
    Opcode opcode = Opcode::continuation;
    bool is_final = true;
    std::array<std::uint8_t, 4> mask{};
    std::uint64_t payload_bytes = 0;
    std::size_t header_bytes = 0;
};

enum class HeaderStatus : std::uint8_t { complete, need_more, error };

struct HeaderOutcome {
    HeaderStatus status = HeaderStatus::need_more;
    FrameHeader header{};      // need_more: the opcode, after one byte, and the length when known
    std::string_view error{};  // why it breaks the protocol (close code 1002)
};

/// Reads the header of a client's frame and checks what stands in it alone: masked, no reserved
/// bits, a known opcode, the shortest form of the length, control frames whole and short. Decides
/// as early as the bytes allow.
HeaderOutcome decode_client_header(Bytes bytes);

/// Appends one whole, unmasked frame, as servers send.
void append_frame(ByteBuffer& out, Opcode opcode, Bytes payload);
/// Appends the header alone, of a final frame.
void append_frame_header(ByteBuffer& out, Opcode opcode, std::uint64_t payload_bytes);
/// Appends a Close frame; the reason must fit: at most 123 bytes.
void append_close(ByteBuffer& out, CloseCode code, std::string_view reason);

/// XORs in place; `offset` is where these bytes stand in their frame (RFC 6455, 5.3).
void apply_mask(std::uint8_t* data, std::size_t size, const std::array<std::uint8_t, 4>& mask,
                std::uint64_t offset);

}  // namespace gw::websocket
