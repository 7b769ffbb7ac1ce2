#include "broker-core/storage/log_store/segment.hpp"

#include "broker-core/base/assert.hpp"
#include "broker-core/storage/log_store/crc32c.hpp"

#include <array>

namespace gw {

namespace {

/// `rest` is the segment from its format byte on.
std::uint32_t check_value(Bytes rest, std::uint64_t id) {
    std::array<std::uint8_t, 8> number{};
    for (std::size_t index = 0; index < number.size(); ++index) {
        number[index] = static_cast<std::uint8_t>(id >> (56 - 8 * index));
    }
    return crc32c(rest, crc32c(number));
}

}  // namespace

void begin_segment(ByteBuffer& out) {
    out.clear();
    out.u32_be(0);
    out.u8(segment_format);
}

void seal_segment(ByteBuffer& segment, std::uint64_t id) {
    GW_ASSERT(segment.size() >= segment_header_bytes);
    const std::uint32_t value = check_value(segment.view().subspan(4), id);
    std::uint8_t* out = segment.data();
    out[0] = static_cast<std::uint8_t>(value >> 24);
    out[1] = static_cast<std::uint8_t>(value >> 16);
    out[2] = static_cast<std::uint8_t>(value >> 8);
    out[3] = static_cast<std::uint8_t>(value);
}

std::optional<Bytes> open_segment(Bytes segment, std::uint64_t id) {
    Reader in{segment};
    const std::uint32_t value = in.u32_be();
    const std::uint8_t format = in.u8();
    if (in.failed() || format != segment_format || value != check_value(segment.subspan(4), id)) {
        return std::nullopt;
    }
    return in.rest();
}

}  // namespace gw
