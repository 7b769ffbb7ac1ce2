#pragma once

#include "config/schema/listener_blocks.hpp"

/// The keys of listeners that speak HTTP before anything else, for every kind of them: its type in
/// Config has a member `http`.
namespace gw::config {

namespace blocks {

/// Into a member of the listener's Http.
template <auto List, auto Member>
void into_http(Config& config, const Placeholders& where, const Value& value) {
    bind::assign(bind::find_or_add(config.*List, where.name).http.*Member, value);
}

}  // namespace blocks

template <Text Prefix, auto List>
inline constexpr std::array http_option_keys{
    Key{.name = joined<Prefix, ".origins">,
        .value_max = "4096",
        .on_reload = Reload::new_connections,
        .summary = "Which web pages may connect, beside those of the same host and programs that "
                   "are no browser: `https://app.example`, `https://*.example`, `app.example` (any "
                   "scheme and port), `null` (files), separated by commas. `*`: all, but cookies "
                   "of pages that are not listed do not count.",
        .why = "A browser carries its user's cookies and reaches its user's network for any page.",
        .emq = "Any page.",
        .store = blocks::into_http<List, &Http::origins>},
    Key{.name = joined<Prefix, ".trusted_proxies">,
        .type = ValueType::address_ranges,
        .value_default = "none",
        .on_reload = Reload::new_connections,
        .summary = "Reverse proxies, as CIDR ranges with commas, whose word on the client's "
                   "address counts (proxy_address_header, X-Real-IP).",
        .why = "Anybody can send such a header.",
        .emq = "Believed everybody.",
        .store = blocks::into_http<List, &Http::trusted_proxies>},
    Key{.name = joined<Prefix, ".proxy_address_header">,
        .value_default = "X-Forwarded-For",
        .value_min = "1",
        .value_max = "64",
        .on_reload = Reload::new_connections,
        .summary = "The header in which trusted_proxies list whom they saw, the last one at the "
                   "right. Read from the right, through addresses of trusted proxies.",
        .why = "What nginx and others send.",
        .store = blocks::into_http<List, &Http::address_header>},
    Key{.name = joined<Prefix, ".proxy_port_header">,
        .value_default = "X-Forwarded-Port",
        .value_min = "1",
        .value_max = "64",
        .on_reload = Reload::new_connections,
        .summary = "The header in which trusted_proxies tell the client's port.",
        .why = "Only for logs.",
        .store = blocks::into_http<List, &Http::port_header>},
    Key{.name = joined<Prefix, ".max_header_size">,
        .type = ValueType::byte_size,
        .value_default = "8KB",
        .value_min = "1KB",
        .value_max = "64KB",
        .on_reload = Reload::new_connections,
        .summary = "The request line and headers of one HTTP request; larger ones get 431.",
        .why = "Room for cookies and a token; held for every connection before it is let in.",
        .store = blocks::into_http<List, &Http::head_bytes_max>},
    Key{.name = joined<Prefix, ".request_timeout">,
        .type = ValueType::duration,
        .value_default = "10s",
        .value_min = "1s",
        .value_max = "10m",
        .on_reload = Reload::new_connections,
        .summary = "How long one HTTP request may take to arrive; slower ones get 408.",
        .why = "A request fits into a packet or two.",
        .store = blocks::into_http<List, &Http::request_timeout>},
    Key{.name = joined<Prefix, ".max_frame_size">,
        .type = ValueType::byte_size,
        .value_default = "16MB",
        .value_min = "1KB",
        .value_max = "1GB",
        .on_reload = Reload::new_connections,
        .summary = "The payload of one WebSocket frame; a larger one is refused (1009) when its "
                   "header announces it.",
        .why = "A frame may hold many packets, whose size has a limit of its own; nothing is kept "
               "of it.",
        .store = blocks::into_http<List, &Http::frame_bytes_max>},
};

/// Of listeners for MQTT over WebSocket.
template <Text Prefix, auto List>
inline constexpr std::array websocket_option_keys{
    Key{.name = joined<Prefix, ".path">,
        .value_default = "/mqtt",
        .value_min = "1",
        .value_max = "256",
        .on_reload = Reload::new_connections,
        .summary = "The path of the upgrade request, without what stands behind a question mark.",
        .why = "EMQ's, which was fixed, and what clients have preset.",
        .store = blocks::into_http<List, &Http::path>},
};

}  // namespace gw::config
