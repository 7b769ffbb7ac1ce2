#include "adapters/websocket/frame.hpp"

#include <cstring>

namespace gw::websocket {

namespace {

constexpr std::uint8_t final_bit = 0x80;
constexpr std::uint8_t reserved_bits = 0x70;
constexpr std::uint8_t opcode_bits = 0x0f;
constexpr std::uint8_t mask_bit = 0x80;
constexpr std::uint8_t length_is_16_bits = 126;
constexpr std::uint8_t length_is_64_bits = 127;

HeaderOutcome broken(std::string_view why) {
    return {.status = HeaderStatus::error, .header = {}, .error = why};
}

bool is_known_opcode(std::uint8_t opcode) {
    return opcode <= 2 || (opcode >= 8 && opcode <= 10);
}

}  // namespace

bool is_allowed_close_code(std::uint16_t code) {
    // 1004, 1005, 1006 and 1015 never stand on the wire; 1012 to 1014 were registered later.
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

HeaderOutcome decode_client_header(Bytes bytes) {
    if (bytes.empty()) {
        return {};
    }
    HeaderOutcome outcome;
    FrameHeader& header = outcome.header;
    const std::uint8_t first = bytes[0];
    if ((first & reserved_bits) != 0) {
        return broken("reserved bits are set, no extension was agreed");
    }
    if (!is_known_opcode(first & opcode_bits)) {
        return broken("unknown opcode");
    }
    header.opcode = static_cast<Opcode>(first & opcode_bits);
    header.is_final = (first & final_bit) != 0;
    const bool is_control = header.opcode >= Opcode::close;
    if (is_control && !header.is_final) {
        return broken("fragmented control frame");
    }
    if (bytes.size() < 2) {
        return outcome;
    }
    const std::uint8_t second = bytes[1];
    if ((second & mask_bit) == 0) {
        return broken("frame of a client without mask");
    }
    const std::uint8_t length = second & static_cast<std::uint8_t>(~mask_bit);
    if (is_control && length > control_payload_bytes_max) {
        return broken("control frame of more than 125 bytes");
    }
    Reader in{bytes.subspan(2)};
    std::uint64_t shortest = 0;
    if (length == length_is_16_bits) {
        header.payload_bytes = in.u16_be();
        shortest = length_is_16_bits;
    } else if (length == length_is_64_bits) {
        const std::uint64_t high = in.u32_be();
        header.payload_bytes = high << 32 | in.u32_be();
        shortest = 0x10000;
    } else {
        header.payload_bytes = length;
    }
    if (in.failed()) {
        header.payload_bytes = 0;
        return outcome;
    }
    if (header.payload_bytes < shortest) {
        return broken("length is not in its shortest form");
    }
    if (header.payload_bytes >> 63 != 0) {
        return broken("length of more than 63 bits");
    }
    const Bytes mask = in.take(4);
    if (in.failed()) {
        // Nothing more can go wrong in the header, so a limit on the length can be held already.
        return outcome;
    }
    std::memcpy(header.mask.data(), mask.data(), mask.size());
    header.header_bytes = bytes.size() - in.remaining();
    outcome.status = HeaderStatus::complete;
    return outcome;
}

void append_frame_header(ByteBuffer& out, Opcode opcode, std::uint64_t payload_bytes) {
    out.u8(static_cast<std::uint8_t>(final_bit | static_cast<std::uint8_t>(opcode)));
    if (payload_bytes < length_is_16_bits) {
        out.u8(static_cast<std::uint8_t>(payload_bytes));
    } else if (payload_bytes <= 0xffff) {
        out.u8(length_is_16_bits);
        out.u16_be(static_cast<std::uint16_t>(payload_bytes));
    } else {
        out.u8(length_is_64_bits);
        out.u32_be(static_cast<std::uint32_t>(payload_bytes >> 32));
        out.u32_be(static_cast<std::uint32_t>(payload_bytes));
    }
}

void append_frame(ByteBuffer& out, Opcode opcode, Bytes payload) {
    append_frame_header(out, opcode, payload.size());
    out.append(payload);
}

void append_close(ByteBuffer& out, CloseCode code, std::string_view reason) {
    GW_ASSERT(reason.size() + 2 <= control_payload_bytes_max);
    append_frame_header(out, Opcode::close, reason.size() + 2);
    out.u16_be(static_cast<std::uint16_t>(code));
    out.append(reason);
}

void apply_mask(std::uint8_t* data, std::size_t size, const std::array<std::uint8_t, 4>& mask,
                std::uint64_t offset) {
    std::array<std::uint8_t, 8> turned{};
    for (std::size_t i = 0; i < turned.size(); ++i) {
        turned[i] = mask[(offset + i) % mask.size()];
    }
    std::uint64_t wide = 0;
    std::memcpy(&wide, turned.data(), sizeof wide);
    std::size_t at = 0;
    for (; at + sizeof wide <= size; at += sizeof wide) {
        std::uint64_t word = 0;
        std::memcpy(&word, data + at, sizeof word);
        word ^= wide;
        std::memcpy(data + at, &word, sizeof word);
    }
    for (std::size_t i = 0; at < size; ++at, ++i) {
        data[at] ^= turned[i];
    }
}

}  // namespace gw::websocket
