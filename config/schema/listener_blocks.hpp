#pragma once

#include "config/schema/bind.hpp"
#include "config/schema/key.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

/// Keys that listeners of several kinds share, declared once for all of them: a kind names its
/// prefix ("listener.ssl.<name>") and its list in Config.
namespace gw::config {

/// A text that can be a template argument.
template <std::size_t Size>
struct Text {
    consteval Text(const char (&text)[Size]) { std::copy_n(text, Size, chars); }
    char chars[Size]{};
    static constexpr std::size_t size = Size - 1;
};

template <Text First, Text Second>
struct Joined {
    static constexpr auto chars = [] {
        std::array<char, First.size + Second.size> all{};
        std::copy_n(First.chars, First.size, all.begin());
        std::copy_n(Second.chars, Second.size, all.begin() + First.size);
        return all;
    }();
};

template <Text First, Text Second>
inline constexpr std::string_view joined{Joined<First, Second>::chars.data(),
                                         Joined<First, Second>::chars.size()};

namespace blocks {

template <auto List>
void store_address(Config& config, const Placeholders& where, const Value& value) {
    bind::find_or_add(config.*List, where.name).address = value.address;
}

template <auto List>
void store_rule(Config& config, const Placeholders& where, const Value& value) {
    // The loader applies rules in ascending order of <N>, so appending keeps them ordered.
    bind::find_or_add(config.*List, where.name).access.push_back(value.rule);
}

template <auto List>
void store_anonymous(Config& config, const Placeholders& where, const Value& value) {
    std::optional<Anonymous>& place =
        bind::find_or_add(config.*List, where.name).limits.allow_anonymous;
    // The last word, `inherit`, stands for the global key.
    constexpr auto inherit = static_cast<std::int64_t>(Anonymous::local) + 1;
    if (value.number == inherit) {
        place.reset();
    } else {
        place = static_cast<Anonymous>(value.number);
    }
}

/// Into .store_ack; inherit is no value.
template <auto List>
void store_store_ack(Config& config, const Placeholders& where, const Value& value) {
    std::optional<StoreAck>& place = bind::find_or_add(config.*List, where.name).limits.store_ack;
    place.reset();
    if (value.number < 2) {
        place = static_cast<StoreAck>(value.number);
    }
}

}  // namespace blocks

/// Options of every listener: limits, mount point, what its clients may do.
template <Text Prefix, auto List>
inline constexpr std::array listener_option_keys{
    Key{.name = joined<Prefix, ".max_clients">,
        .type = ValueType::integer,
        .unit = "connections",
        .value_default = "0",
        .value_max = "16777216",
        .on_reload = Reload::new_connections,
        .summary = "Connections of this listener; further ones are closed at once. 0: no limit of "
                   "its own.",
        .why = "node.max_connections bounds all together.",
        .emq = "1024.",
        .store = bind::into_limits<List, &ListenerLimits::client_count_max>},
    Key{.name = joined<Prefix, ".max_unauthenticated">,
        .type = ValueType::integer,
        .unit = "connections",
        .value_default = "0",
        .value_max = "16777216",
        .on_reload = Reload::new_connections,
        .summary = "Connections of this listener that have not been authenticated; further ones "
                   "are closed at once. 0: no limit of its own.",
        .why = "door.max_unauthenticated bounds all together.",
        .store = bind::into_limits<List, &ListenerLimits::unauthenticated_count_max>},
    Key{.name = joined<Prefix, ".max_conn_rate">,
        .type = ValueType::integer,
        .unit = "connections/s",
        .value_default = "0",
        .value_max = "1000000",
        .on_reload = Reload::new_connections,
        .summary = "New connections a second; further ones are closed at once. 0: no limit.",
        .why = "After an outage everybody comes at once; whoever has slow authentication sets it.",
        .store = bind::into_limits<List, &ListenerLimits::connect_rate_max>},
    Key{.name = joined<Prefix, ".mountpoint">,
        .type = ValueType::text,
        .value_max = "1024",
        .on_reload = Reload::new_connections,
        .summary = "Put before every topic and filter of this listener's clients, and taken off "
                   "what they receive: they live in a part of the topic tree of their own. Empty: "
                   "none.",
        .why = "One tree for all is what MQTT describes.",
        .store = bind::into_limits<List, &ListenerLimits::mountpoint>},
    Key{.name = joined<Prefix, ".backlog">,
        .type = ValueType::integer,
        .unit = "connections",
        .value_default = "1024",
        .value_min = "1",
        .value_max = "65535",
        .summary = "Connections that the system completes while the program has not yet accepted "
                   "them.",
        .why = "EMQ's; the system lowers it to net.core.somaxconn.",
        .store = bind::into_limits<List, &ListenerLimits::backlog_count>},
    Key{.name = joined<Prefix, ".allow_anonymous">,
        .type = ValueType::word,
        .value_default = "inherit",
        .words = "false|true|local|inherit",
        .synonyms = "off=false|on=true",
        .on_reload = Reload::new_connections,
        .summary = "As allow_anonymous, for this listener alone; inherit: what allow_anonymous "
                   "says.",
        .why = "One listener for devices with credentials, another for a closed network without.",
        .store = blocks::store_anonymous<List>},
    Key{.name = joined<Prefix, ".store_ack">,
        .type = ValueType::word,
        .value_default = "inherit",
        .words = "memory|local|inherit",
        .on_reload = Reload::new_connections,
        .summary = "As store.ack, for the publishers of this listener alone; inherit: what "
                   "store.ack says.",
        .why = "Telemetry that is stale in a second may go by one listener, orders by another.",
        .store = blocks::store_store_ack<List>},
};

/// Further options of listeners on TCP ports.
template <Text Prefix, auto List>
inline constexpr std::array tcp_option_keys{
    Key{.name = joined<Prefix, ".access.<N>">,
        .type = ValueType::access_rule,
        .on_reload = Reload::new_connections,
        .summary = "Who may connect: `allow` or `deny`, and a CIDR range or `all`. The first rule "
                   "that matches, in order of <N> (1 to 65535), decides; an address that no rule "
                   "matches is let in.",
        .why = "EMQ's; end the rules with `deny all` for a list of those allowed.",
        .store = blocks::store_rule<List>,
        .optional = true},
    Key{.name = joined<Prefix, ".recbuf">,
        .type = ValueType::byte_size,
        .value_default = "0",
        .value_max = "64MB",
        .summary = "Receive buffer of each socket (SO_RCVBUF); 0: the system's choice.",
        .why = "The system sizes buffers by what a connection does.",
        .store = bind::into_listener<List, &TcpListener::receive_buffer_bytes>},
    Key{.name = joined<Prefix, ".sndbuf">,
        .type = ValueType::byte_size,
        .value_default = "0",
        .value_max = "64MB",
        .summary = "Send buffer of each socket (SO_SNDBUF); 0: the system's choice.",
        .why = "The system sizes buffers by what a connection does.",
        .store = bind::into_listener<List, &TcpListener::send_buffer_bytes>},
};

}  // namespace gw::config
