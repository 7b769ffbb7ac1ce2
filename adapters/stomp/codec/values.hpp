#pragma once

#include "adapters/stomp/codec/frame.hpp"
#include "broker-core/base/clock.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace gw::stomp {

/// Digits only, at most 18 of them.
std::optional<std::uint64_t> parse_number(std::string_view text);

/// true, false, 1, 0.
std::optional<bool> parse_flag(std::string_view text);

/// A heart-beat header (STOMP 1.2, "Heart-beating"): what its sender can guarantee and what it
/// wants; 0 is none.
struct HeartBeat {
    Milliseconds sends{0};
    Milliseconds wants{0};
};
std::optional<HeartBeat> parse_heart_beat(std::string_view text);

/// The newest version that a client's accept-version and this server have in common. Nothing: none.
/// Clients without the header speak 1.0 (STOMP 1.2, "Protocol Negotiation").
std::optional<Version> choose_version(std::optional<std::string_view> accept_version);

}  // namespace gw::stomp
