#include "adapters/mqtt/codec/wire.hpp"

#include <algorithm>

namespace gw::mqtt {

namespace {

constexpr std::uint64_t low_bits = 0x0101010101010101ULL;
constexpr std::uint64_t top_bits = 0x8080808080808080ULL;

/// Top bits set when a byte of `word` is zero; exact about whether, not about which.
constexpr std::uint64_t zero_bytes(std::uint64_t word) {
    return (word - low_bits) & ~word & top_bits;
}

/// Whether all eight bytes are ASCII, none of them U+0000, '+' or '#'.
constexpr bool is_plain(std::uint64_t word) {
    const std::uint64_t found = (word & top_bits) | zero_bytes(word) |
                                zero_bytes(word ^ low_bits * '+') |
                                zero_bytes(word ^ low_bits * '#');
    return found == 0;
}

bool is_plain(Bytes name) {
    std::uint64_t word = low_bits * 'a';
    if (name.size() < 8) {
        for (std::size_t i = 0; i < name.size(); ++i) {
            word = word << 8 | name[i];
        }
        return is_plain(word);
    }
    for (std::size_t at = 0; at + 8 <= name.size(); at += 8) {
        std::memcpy(&word, name.data() + at, 8);
        if (!is_plain(word)) {
            return false;
        }
    }
    // The last eight bytes; some of them were seen already.
    std::memcpy(&word, name.data() + name.size() - 8, 8);
    return is_plain(word);
}

}  // namespace

std::optional<DecodeError> judge_topic_name(Bytes name) {
    if (is_plain(name)) [[likely]] {
        return std::nullopt;
    }
    if (!is_valid_utf8(name)) {
        return DecodeError::utf8_invalid;
    }
    const auto is_wildcard = [](std::uint8_t byte) {
        return byte == '+' || byte == '#';
    };
    if (std::any_of(name.begin(), name.end(), is_wildcard)) {
        return DecodeError::topic_name_invalid;
    }
    return std::nullopt;
}

std::uint32_t PacketReader::variable_integer() {
    std::uint32_t value = 0;
    for (unsigned shift = 0; shift < 28; shift += 7) {
        const std::uint8_t digit = u8();
        value |= static_cast<std::uint32_t>(digit & 0x7f) << shift;
        if ((digit & 0x80) == 0) {
            if (digit == 0 && shift != 0 && !error_) {
                break;
            }
            return value;
        }
    }
    fail(DecodeError::variable_integer_malformed);
    return 0;
}

}  // namespace gw::mqtt
