#pragma once

#include "config/schema/listener_blocks.hpp"

/// The keys of listeners on TCP ports that may stand behind a proxy which speaks the PROXY
/// protocol.
namespace gw::config {

namespace blocks {

/// Into a member of the listener's ProxyProtocol.
template <auto List, auto Member>
void into_proxy(Config& config, const Placeholders& where, const Value& value) {
    bind::assign(bind::find_or_add(config.*List, where.name).proxy.*Member, value);
}

}  // namespace blocks

template <Text Prefix, auto List>
inline constexpr std::array proxy_option_keys{
    Key{.name = joined<Prefix, ".proxy_protocol">,
        .type = ValueType::flag,
        .value_default = "off",
        .on_reload = Reload::new_connections,
        .summary = "Whether every connection begins with a header of the PROXY protocol, version 1 "
                   "or 2, that tells the client's address. Needs proxy_protocol.trusted.",
        .why = "Only a proxy sends it.",
        .store = blocks::into_proxy<List, &ProxyProtocol::is_on>},
    Key{.name = joined<Prefix, ".proxy_protocol_timeout">,
        .type = ValueType::duration,
        .value_default = "3s",
        .value_min = "100ms",
        .value_max = "1m",
        .on_reload = Reload::new_connections,
        .summary = "How long the header may take.",
        .why = "EMQ's; a proxy sends it at once.",
        .store = blocks::into_proxy<List, &ProxyProtocol::timeout>},
    Key{.name = joined<Prefix, ".proxy_protocol.trusted">,
        .type = ValueType::address_ranges,
        .value_default = "none",
        .on_reload = Reload::new_connections,
        .summary = "With proxy_protocol: the proxies, as CIDR ranges with commas. Nobody else may "
                   "connect. Access rules are then asked with the client's address.",
        .why = "Whoever may tell an address can claim any.",
        .emq = "Believed everybody.",
        .store = blocks::into_proxy<List, &ProxyProtocol::trusted>},
    Key{.name = joined<Prefix, ".proxy_protocol.common_name">,
        .type = ValueType::flag,
        .value_default = "off",
        .on_reload = Reload::new_connections,
        .summary = "Whether the name of the client's certificate that the proxy verified, as the "
                   "header tells it (version 2), counts as proven by the client.",
        .why = "Then the proxy decides who is who.",
        .store = blocks::into_proxy<List, &ProxyProtocol::takes_common_name>},
};

}  // namespace gw::config
