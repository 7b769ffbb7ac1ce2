#pragma once

#include "adapters/http/message.hpp"
#include "broker-core/message/peer_info.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gw::http {

/// Which HTTP proxies are believed, and in which fields they tell the client's address.
struct ProxyTrust {
    std::vector<IpRange> proxies;  // none: nobody is believed
    std::string address_field = "X-Forwarded-For";
    std::string port_field = "X-Forwarded-Port";
};

/// Whether `peer` is one of them.
bool is_trusted(const ProxyTrust& trust, const PeerInfo& peer);

/// An address as proxies write it, with a port or without: "10.0.0.1", "10.0.0.1:80", "fd00::1",
/// "[fd00::1]:80", in quotes or not.
struct ForwardedAddress {
    IpAddress ip;
    std::optional<std::uint16_t> port{};
};
std::optional<ForwardedAddress> parse_forwarded(std::string_view text);

/// Whether somebody stands between us and whoever speaks, believed or not: a proxy left its trace,
/// or it is a page of which nobody knows whose it is (is_of_this_host()). A proxy on this machine
/// must not lend its nearness to the world, whether or not anybody has configured it.
bool is_relayed(const Request& request, const ProxyTrust& trust);

/// Finds out from where a request comes. Sets PeerInfo::is_relayed, and replaces the peer's address
/// by the client's as trusted proxies tell it. Each proxy adds whom it saw at the right of the
/// list, so it is read from the right, through addresses of trusted proxies; what stands left of
/// the first one that is not was written by who knows whom.
void apply_forwarded(const Request& request, const ProxyTrust& trust, PeerInfo& peer);

}  // namespace gw::http
