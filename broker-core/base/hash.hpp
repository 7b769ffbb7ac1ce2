#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

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
/// Multiply and fold over 8-byte words. A word that equals `mask` cancels all that stands before
/// it, so who chooses the text must not know the mask.
inline std::uint64_t hash_words(std::string_view text, std::uint64_t key, std::uint64_t mask) {
    constexpr std::uint64_t k0 = 0xa0761d6478bd642fULL;
    constexpr std::uint64_t k1 = 0xe7037ed1a0b428dbULL;
    std::uint64_t seed = key ^ k0;
    const char* at = text.data();
    std::size_t left = text.size();
    while (left > 16) {
        seed = fold(load64(at) ^ mask, load64(at + 8) ^ seed);
        at += 16;
        left -= 16;
    }
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    if (left >= 8) {
        a = load64(at);
        b = load64(at + left - 8);
    } else if (left >= 4) {
        a = load32(at);
        b = load32(at + left - 4);
    } else if (left > 0) {
        a = static_cast<std::uint64_t>(static_cast<unsigned char>(at[0])) << 16 |
            static_cast<std::uint64_t>(static_cast<unsigned char>(at[left >> 1])) << 8 |
            static_cast<unsigned char>(at[left - 1]);
    }
    return fold(k1 ^ text.size(), fold(a ^ mask, b ^ seed) ^ key);
}
inline constexpr std::uint64_t known_mask = 0xe7037ed1a0b428dbULL;
}  // namespace detail

/// 64-bit hash of text under a key that was drawn when the process started (draw_hash_key()), so
/// that names which strangers choose do not collide at will. For all tables of such names.
inline std::uint64_t hash_text(std::string_view text, std::uint64_t key) {
    return detail::hash_words(text, key, detail::known_mask ^ std::rotl(key, 32));
}

/// The same in every process, for what is stored or has to be chosen alike everywhere. Anybody can
/// find texts that collide: only where a collision harms nobody but who chose the text.
inline std::uint64_t stored_hash(std::string_view text, std::uint64_t salt) {
    return detail::hash_words(text, salt, detail::known_mask);
}

/// A key for hash_text(), from the system's random source.
std::uint64_t draw_hash_key();

/// hash_text() for tables of the standard library; with std::equal_to<>, texts are found without
/// being copied.
struct KeyedHash {
    using is_transparent = void;
    std::uint64_t key = draw_hash_key();
    std::size_t operator()(std::string_view text) const { return hash_text(text, key); }
};

/// A table of what strangers name. Its order is another one in each process.
template <class Value>
using NameTable = std::unordered_map<std::string, Value, KeyedHash, std::equal_to<>>;

}  // namespace gw
