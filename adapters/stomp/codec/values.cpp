#include "adapters/stomp/codec/values.hpp"

#include "adapters/stomp/codec/header_text.hpp"

#include <algorithm>

namespace gw::stomp {

namespace {

/// Cuts the part up to the next comma off.
std::string_view take_item(std::string_view& rest) {
    const std::size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    return trimmed(item);
}

}  // namespace

std::optional<std::uint64_t> parse_number(std::string_view text) {
    constexpr std::size_t digits_max = 18;
    if (text.empty()) {
        return std::nullopt;
    }
    std::uint64_t value = 0;
    std::size_t digits = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') {
            return std::nullopt;
        }
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
        // Leading zeros do not count.
        digits += value != 0 ? 1 : 0;
        if (digits > digits_max) {
            return std::nullopt;
        }
    }
    return value;
}

std::optional<bool> parse_flag(std::string_view text) {
    if (text == "true" || text == "1") {
        return true;
    }
    if (text == "false" || text == "0") {
        return false;
    }
    return std::nullopt;
}

std::optional<HeartBeat> parse_heart_beat(std::string_view text) {
    constexpr std::uint64_t longest_ms = 1'000'000'000;  // some 11 days: as good as none
    const std::size_t comma = text.find(',');
    if (comma == std::string_view::npos) {
        return std::nullopt;
    }
    const auto sends = parse_number(trimmed(text.substr(0, comma)));
    const auto wants = parse_number(trimmed(text.substr(comma + 1)));
    if (!sends || !wants) {
        return std::nullopt;
    }
    return HeartBeat{Milliseconds{std::min(*sends, longest_ms)},
                     Milliseconds{std::min(*wants, longest_ms)}};
}

std::optional<Version> choose_version(std::optional<std::string_view> accept_version) {
    if (!accept_version) {
        return Version::v1_0;
    }
    std::optional<Version> best;
    std::string_view rest = *accept_version;
    while (!rest.empty()) {
        const std::string_view item = take_item(rest);
        for (const Version version : {Version::v1_0, Version::v1_1, Version::v1_2}) {
            if (item == version_text(version)) {
                best = std::max(best.value_or(version), version);
            }
        }
    }
    return best;
}

}  // namespace gw::stomp
