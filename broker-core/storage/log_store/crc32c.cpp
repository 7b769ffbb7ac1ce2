#include "broker-core/storage/log_store/crc32c.hpp"

#include <array>
#include <cstddef>

namespace gw {

namespace {

using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

/// tables[k][b]: what byte b does to the remainder when k more bytes follow it.
constexpr Tables make_tables() {
    Tables tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t rest = byte;
        for (int bit = 0; bit < 8; ++bit) {
            rest = (rest & 1) != 0 ? (rest >> 1) ^ 0x82f63b78U : rest >> 1;
        }
        tables[0][byte] = rest;
    }
    for (std::size_t more = 1; more < tables.size(); ++more) {
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint32_t rest = tables[more - 1][byte];
            tables[more][byte] = (rest >> 8) ^ tables[0][rest & 0xff];
        }
    }
    return tables;
}

constexpr Tables tables = make_tables();

std::uint32_t load32_le(const std::uint8_t* at) {
    return static_cast<std::uint32_t>(at[0]) | static_cast<std::uint32_t>(at[1]) << 8 |
           static_cast<std::uint32_t>(at[2]) << 16 | static_cast<std::uint32_t>(at[3]) << 24;
}

}  // namespace

std::uint32_t crc32c(Bytes bytes, std::uint32_t before) {
    std::uint32_t rest = ~before;
    const std::uint8_t* at = bytes.data();
    std::size_t left = bytes.size();
    while (left >= 8) {  // eight bytes a step: about eight times as fast as one
        const std::uint32_t low = load32_le(at) ^ rest;
        const std::uint32_t high = load32_le(at + 4);
        rest = tables[7][low & 0xff] ^ tables[6][(low >> 8) & 0xff] ^
               tables[5][(low >> 16) & 0xff] ^ tables[4][low >> 24] ^ tables[3][high & 0xff] ^
               tables[2][(high >> 8) & 0xff] ^ tables[1][(high >> 16) & 0xff] ^
               tables[0][high >> 24];
        at += 8;
        left -= 8;
    }
    for (; left > 0; --left, ++at) {
        rest = (rest >> 8) ^ tables[0][(rest ^ *at) & 0xff];
    }
    return ~rest;
}

}  // namespace gw
