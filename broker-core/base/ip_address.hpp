#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gw {

/// An IP address in 16 bytes; IPv4 in the mapped form ::ffff:a.b.c.d, so that an IPv4 client seen
/// through a dual-stack socket compares equal to the same client seen through an IPv4 one.
struct IpAddress {
    std::array<std::uint8_t, 16> bytes{};

    bool is_v4() const;
    bool is_loopback() const;
    bool operator==(const IpAddress&) const = default;

    static IpAddress from_v4(const std::array<std::uint8_t, 4>& v4);
    static IpAddress from_v6(const std::array<std::uint8_t, 16>& v6) { return IpAddress{v6}; }
    /// Numbers only, no names, no zone. Empty when `text` is no address.
    static std::optional<IpAddress> parse(std::string_view text);
    std::string text() const;
};

/// A CIDR range such as 10.0.0.0/8 or fd00::/8; a bare address is a range of one.
struct IpRange {
    IpAddress base;
    std::uint8_t prefix_bits = 128;  ///< counted in the 16-byte form: IPv4 /8 is 104

    bool contains(const IpAddress& address) const;
    bool operator==(const IpRange&) const = default;

    /// Empty when `text` is no range, or has bits set behind the prefix.
    static std::optional<IpRange> parse(std::string_view text);
    std::string text() const;
};

}  // namespace gw
