#include "broker-core/base/ip_address.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>

namespace gw {

namespace {

constexpr std::array<std::uint8_t, 12> v4_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::uint8_t v4_prefix_bits = 96;

bool prefix_bit(const IpAddress& address, std::size_t index) {
    return ((address.bytes[index / 8] >> (7 - index % 8)) & 1) != 0;
}

}  // namespace

bool IpAddress::is_v4() const {
    return std::equal(v4_prefix.begin(), v4_prefix.end(), bytes.begin());
}

bool IpAddress::is_loopback() const {
    static const IpAddress v6_loopback{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
    return is_v4() ? bytes[12] == 127 : *this == v6_loopback;
}

IpAddress IpAddress::from_v4(const std::array<std::uint8_t, 4>& v4) {
    IpAddress address;
    std::copy(v4_prefix.begin(), v4_prefix.end(), address.bytes.begin());
    std::copy(v4.begin(), v4.end(), address.bytes.begin() + v4_prefix.size());
    return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    const std::string terminated{text};  // inet_pton wants a terminator
    if (terminated.find('\0') != std::string::npos) {
        return std::nullopt;
    }
    std::array<std::uint8_t, 4> v4{};
    if (inet_pton(AF_INET, terminated.c_str(), v4.data()) == 1) {
        return from_v4(v4);
    }
    std::array<std::uint8_t, 16> v6{};
    if (inet_pton(AF_INET6, terminated.c_str(), v6.data()) == 1) {
        return from_v6(v6);
    }
    return std::nullopt;
}

std::string IpAddress::text() const {
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    if (is_v4()) {
        inet_ntop(AF_INET, bytes.data() + v4_prefix.size(), buffer.data(), buffer.size());
    } else {
        inet_ntop(AF_INET6, bytes.data(), buffer.data(), buffer.size());
    }
    return buffer.data();
}

bool IpRange::contains(const IpAddress& address) const {
    const std::size_t whole = prefix_bits / 8;
    if (!std::equal(base.bytes.begin(), base.bytes.begin() + static_cast<std::ptrdiff_t>(whole),
                    address.bytes.begin())) {
        return false;
    }
    for (std::size_t bit = whole * 8; bit < prefix_bits; ++bit) {
        if (prefix_bit(base, bit) != prefix_bit(address, bit)) {
            return false;
        }
    }
    return true;
}

std::optional<IpRange> IpRange::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto address = IpAddress::parse(text.substr(0, slash));
    if (!address) {
        return std::nullopt;
    }
    IpRange range{.base = *address, .prefix_bits = 128};
    if (slash == std::string_view::npos) {
        return range;
    }
    // ::ffff:10.0.0.0/104 is written with colons: its prefix counts in the 16-byte form.
    const bool dotted = text.find(':') == std::string_view::npos;
    const std::string_view digits = text.substr(slash + 1);
    unsigned bits = 0;
    const auto [stop, failure] =
        std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (failure != std::errc{} || stop != digits.data() + digits.size() ||
        bits > (dotted ? 32U : 128U)) {
        return std::nullopt;
    }
    range.prefix_bits = static_cast<std::uint8_t>(bits + (dotted ? v4_prefix_bits : 0));
    for (std::size_t bit = range.prefix_bits; bit < 128; ++bit) {
        if (prefix_bit(range.base, bit)) {
            return std::nullopt;
        }
    }
    return range;
}

std::string IpRange::text() const {
    if (base.is_v4() && prefix_bits >= v4_prefix_bits) {
        return base.text() + "/" + std::to_string(prefix_bits - v4_prefix_bits);
    }
    return base.text() + "/" + std::to_string(prefix_bits);
}

}  // namespace gw
