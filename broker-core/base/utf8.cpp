#include "broker-core/base/utf8.hpp"

namespace gw {

namespace {

/// Length of the sequence at `at` (2 to 4), or 0 when it is not well formed. Table 3-7 of the
/// Unicode standard: the second byte's range depends on the first.
std::size_t sequence_length(const std::uint8_t* at, std::size_t left) {
    const std::uint8_t lead = at[0];
    std::size_t length = 0;
    std::uint8_t low = 0x80;
    std::uint8_t high = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) {
        length = 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        length = 3;
        low = lead == 0xe0 ? 0xa0 : 0x80;
        high = lead == 0xed ? 0x9f : 0xbf;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        length = 4;
        low = lead == 0xf0 ? 0x90 : 0x80;
        high = lead == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 0;
    }
    if (left < length || at[1] < low || at[1] > high) {
        return 0;
    }
    for (std::size_t i = 2; i < length; ++i) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

}  // namespace

bool is_valid_utf8(Bytes bytes) {
    const std::uint8_t* at = bytes.data();
    std::size_t left = bytes.size();
    while (left != 0) {
        // Eight ASCII bytes at once: none zero, none with the top bit.
        if (left >= 8) {
            std::uint64_t word = 0;
            std::memcpy(&word, at, 8);
            constexpr std::uint64_t tops = 0x8080808080808080ULL;
            constexpr std::uint64_t ones = 0x0101010101010101ULL;
            if ((word & tops) == 0 && (((word - ones) & ~word) & tops) == 0) {
                at += 8;
                left -= 8;
                continue;
            }
        }
        std::size_t length = 1;
        if (*at >= 0x80) {
            length = sequence_length(at, left);
            if (length == 0) {
                return false;
            }
        } else if (*at == 0) {
            return false;
        }
        at += length;
        left -= length;
    }
    return true;
}

}  // namespace gw
