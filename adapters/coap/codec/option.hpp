#pragma once

#include "broker-core/base/bytes.hpp"

#include <cstdint>
#include <optional>

namespace gw::coap {

/// Options that mean something here (RFC 7252 5.10, RFC 7641, 7959, 7967, 8768, 9175).
namespace option {
inline constexpr std::uint16_t if_match = 1;
inline constexpr std::uint16_t uri_host = 3;
inline constexpr std::uint16_t etag = 4;
inline constexpr std::uint16_t if_none_match = 5;
inline constexpr std::uint16_t observe = 6;
inline constexpr std::uint16_t uri_port = 7;
inline constexpr std::uint16_t location_path = 8;
inline constexpr std::uint16_t uri_path = 11;
inline constexpr std::uint16_t content_format = 12;
inline constexpr std::uint16_t max_age = 14;
inline constexpr std::uint16_t uri_query = 15;
inline constexpr std::uint16_t accept = 17;
inline constexpr std::uint16_t location_query = 20;
inline constexpr std::uint16_t block2 = 23;
inline constexpr std::uint16_t block1 = 27;
inline constexpr std::uint16_t size2 = 28;
inline constexpr std::uint16_t proxy_uri = 35;
inline constexpr std::uint16_t proxy_scheme = 39;
inline constexpr std::uint16_t size1 = 60;
inline constexpr std::uint16_t echo = 252;
inline constexpr std::uint16_t no_response = 258;
inline constexpr std::uint16_t request_tag = 292;
}  // namespace option

/// An option that is not understood makes its request fail when it is critical (RFC 7252, 5.4.1).
inline bool is_critical(std::uint16_t number) {
    return (number & 1) != 0;
}

/// What a request may hold of one option.
struct OptionFormat {
    std::uint16_t number = 0;
    std::uint16_t bytes_min = 0;
    std::uint16_t bytes_max = 0;
    bool is_repeatable = false;
};

/// Null: not understood.
const OptionFormat* find_option_format(std::uint16_t number);

/// An unsigned integer without leading zeros, as options hold them (RFC 7252, 3.2). At most 4
/// bytes; leading zeros are taken.
std::uint32_t uint_of(Bytes value);

/// A Block option's value (RFC 7959, 2.2).
struct Block {
    std::uint32_t number = 0;  // 20 bits
    bool has_more = false;
    std::uint8_t size_exponent = 0;  // 0 to 6: 16 to 1,024 bytes

    std::uint32_t bytes() const { return 16U << size_exponent; }
    std::uint64_t offset() const { return std::uint64_t{number} << (size_exponent + 4); }
    std::uint32_t encoded() const { return number << 4 | (has_more ? 8U : 0U) | size_exponent; }
    bool operator==(const Block&) const = default;
};

inline constexpr std::uint32_t block_number_max = (1U << 20) - 1;
inline constexpr std::uint8_t size_exponent_max = 6;

/// Nothing when the size is the reserved one: a bad request (RFC 7959, 2.2).
std::optional<Block> block_of(Bytes value);

/// The largest exponent whose block has at most `bytes` bytes, at least 0.
std::uint8_t size_exponent_of(std::size_t bytes);

}  // namespace gw::coap
