#pragma once

#include "broker-core/base/assert.hpp"
#include "config/schema/key.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

/// Joins a key to the member of Config that it fills, for use as Key::store.
namespace gw::config::bind {

/// Turns a checked value into the member's type. The bounds of the key keep it in range: a number
/// that does not fit is a mistake in the declaration, hence the assertion.
template <class Member>
void assign(Member& member, const Value& value) {
    if constexpr (std::is_same_v<Member, bool> || std::is_same_v<Member, std::optional<bool>>) {
        member = value.number != 0;
    } else if constexpr (std::is_same_v<Member, double>) {
        member = value.real;
    } else if constexpr (std::is_same_v<Member, std::string>) {
        member = value.text;
    } else if constexpr (std::is_same_v<Member, Milliseconds>) {
        member = Milliseconds{value.number};
    } else if constexpr (std::is_same_v<Member, Seconds>) {
        member = Seconds{value.number / 1000};
    } else if constexpr (std::is_same_v<Member, Administrators>) {
        member = value.administrators;
    } else if constexpr (std::is_same_v<Member, std::vector<IpRange>>) {
        member = value.administrators.ranges;
    } else if constexpr (std::is_enum_v<Member>) {
        member = static_cast<Member>(value.number);
    } else {
        static_assert(std::is_integral_v<Member>);
        member = static_cast<Member>(value.number);
        GW_ASSERT(value.number >= 0 &&
                  static_cast<std::uint64_t>(member) == static_cast<std::uint64_t>(value.number));
    }
}

/// Into config.<Part>.<Member>.
template <auto Part, auto Member>
void into(Config& config, const Placeholders&, const Value& value) {
    assign((config.*Part).*Member, value);
}

/// The listener of that name, made when it is new; the list stays ordered by name.
template <class Listener>
Listener& find_or_add(std::vector<Listener>& listeners, const std::string& name) {
    const auto at = std::lower_bound(
        listeners.begin(), listeners.end(), name,
        [](const Listener& one, const std::string& key) { return one.name < key; });
    if (at != listeners.end() && at->name == name) {
        return *at;
    }
    Listener added;
    added.name = name;
    return *listeners.insert(at, std::move(added));
}

/// Into a member of the listener named by `<name>`.
template <auto List, auto Member>
void into_listener(Config& config, const Placeholders& where, const Value& value) {
    assign(find_or_add(config.*List, where.name).*Member, value);
}

/// Into the limits of the listener named by `<name>`.
template <auto List, auto Member>
void into_limits(Config& config, const Placeholders& where, const Value& value) {
    assign(find_or_add(config.*List, where.name).limits.*Member, value);
}

}  // namespace gw::config::bind
