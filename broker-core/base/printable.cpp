#include "broker-core/base/printable.hpp"

#include "broker-core/base/utf8.hpp"

#include <algorithm>
#include <cstdint>

namespace gw {

namespace {

constexpr std::uint32_t no_character = 0xffffffff;

/// The first character and its bytes; no_character and 1 byte where there is none.
struct First {
    std::uint32_t code = no_character;
    std::size_t bytes = 1;
};

First first_of(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text.front());
    if (lead < 0x80) {
        return {lead, 1};
    }
    const std::size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (bytes > text.size() || !is_valid_utf8(as_bytes(text.substr(0, bytes)))) {
        return {};
    }
    std::uint32_t code = lead & (0x7fU >> bytes);
    for (std::size_t i = 1; i < bytes; ++i) {
        code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3fU);
    }
    return {code, bytes};
}

bool is_printable(std::uint32_t code) {
    const auto is_within = [code](std::uint32_t first, std::uint32_t last) {
        return code >= first && code <= last;
    };
    return code >= 0x20 && !is_within(0x7f, 0x9f) && code != 0x061c && !is_within(0x200b, 0x200f) &&
           !is_within(0x2028, 0x202e) && !is_within(0x2060, 0x206f) && code != 0xfeff &&
           code != no_character;
}

}  // namespace

std::size_t unprintable_bytes(std::string_view text) {
    if (text.empty()) {
        return 0;
    }
    const First first = first_of(text);
    return is_printable(first.code) ? 0 : first.bytes;
}

std::size_t character_bytes(std::string_view text) {
    return text.empty() ? 0 : first_of(text).bytes;
}

void append_printable(std::string& out, std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    while (!text.empty()) {
        const std::size_t bad = unprintable_bytes(text);
        const std::size_t bytes = bad != 0 ? bad : character_bytes(text);
        for (const char c : text.substr(0, bytes)) {
            const auto byte = static_cast<unsigned char>(c);
            if (bad == 0) {
                out += c;
            } else {
                out += "\\x";
                out += digits[byte >> 4];
                out += digits[byte & 15];
            }
        }
        text.remove_prefix(bytes);
    }
}

}  // namespace gw
