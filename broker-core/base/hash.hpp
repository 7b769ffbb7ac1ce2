#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace gw {

namespace detail {
__extension__ using Wide = unsigned __int128;
inline std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}
inline std::uint64_t load64(const char* at) {
    std::uint64_t value = 0;
    std::memcpy(&value, at, 8);
    return value;
}
inline std::uint64_t load32(const char* at) {
    std::uint32_t value = 0;
    std::memcpy(&value, at, 4);
    return value;
}
}  // namespace detail

/// 64-bit hash of text under a key: multiply and fold over 8-byte words. The key is drawn at
/// start, so that names chosen by a client do not collide at will.
inline std::uint64_t hash_text(std::string_view text, std::uint64_t key) {
    constexpr std::uint64_t k0 = 0xa0761d6478bd642fULL;
    constexpr std::uint64_t k1 = 0xe7037ed1a0b428dbULL;
    std::uint64_t seed = key ^ k0;
    const char* at = text.data();
    std::size_t left = text.size();
    while (left > 16) {
        seed = detail::fold(detail::load64(at) ^ k1, detail::load64(at + 8) ^ seed);
        at += 16;
        left -= 16;
    }
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    if (left >= 8) {
        a = detail::load64(at);
        b = detail::load64(at + left - 8);
    } else if (left >= 4) {
        a = detail::load32(at);
        b = detail::load32(at + left - 4);
    } else if (left > 0) {
        a = static_cast<std::uint64_t>(static_cast<unsigned char>(at[0])) << 16 |
            static_cast<std::uint64_t>(static_cast<unsigned char>(at[left >> 1])) << 8 |
            static_cast<unsigned char>(at[left - 1]);
    }
    return detail::fold(k1 ^ text.size(), detail::fold(a ^ k1, b ^ seed) ^ key);
}

}  // namespace gw
