#include "adapters/coap/codec/writer.hpp"

namespace gw::coap {

namespace {

constexpr std::uint8_t version_bits = 0x40;

std::uint8_t nibble_of(std::size_t value) {
    return value < 13 ? static_cast<std::uint8_t>(value) : value < 269 ? 13 : 14;
}

void write_extension(ByteBuffer& out, std::size_t value) {
    if (value >= 269) {
        out.u16_be(static_cast<std::uint16_t>(value - 269));
    } else if (value >= 13) {
        out.u8(static_cast<std::uint8_t>(value - 13));
    }
}

}  // namespace

MessageWriter::MessageWriter(ByteBuffer& out, Type type, Code code, std::uint16_t message_id,
                             const Token& token)
    : out_(out) {
    out.u8(static_cast<std::uint8_t>(version_bits | static_cast<unsigned>(type) << 4 | token.size));
    out.u8(static_cast<std::uint8_t>(code));
    out.u16_be(message_id);
    out.append(token.view());
}

MessageWriter& MessageWriter::add(std::uint16_t number, Bytes value) {
    GW_ASSERT(number >= number_ && value.size() <= 65535 + 269);
    const std::size_t delta = number - static_cast<std::size_t>(number_);
    out_.u8(static_cast<std::uint8_t>(nibble_of(delta) << 4 | nibble_of(value.size())));
    write_extension(out_, delta);
    write_extension(out_, value.size());
    out_.append(value);
    number_ = number;
    return *this;
}

MessageWriter& MessageWriter::add_uint(std::uint16_t number, std::uint32_t value) {
    std::uint8_t bytes[4];
    std::size_t count = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
        const auto byte = static_cast<std::uint8_t>(value >> shift);
        if (count != 0 || byte != 0) {
            bytes[count++] = byte;
        }
    }
    return add(number, Bytes{bytes, count});
}

void MessageWriter::payload(Bytes bytes) {
    if (!bytes.empty()) {
        out_.u8(0xff);
        out_.append(bytes);
    }
}

void write_empty(ByteBuffer& out, Type type, std::uint16_t message_id) {
    MessageWriter{out, type, Code::empty, message_id};
}

}  // namespace gw::coap
