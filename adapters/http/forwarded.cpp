#include "adapters/http/forwarded.hpp"

#include "adapters/http/origin.hpp"

#include <algorithm>
#include <charconv>

namespace gw::http {

namespace {

bool is_trusted(const ProxyTrust& trust, const IpAddress& ip) {
    return std::any_of(trust.proxies.begin(), trust.proxies.end(),
                       [&ip](const IpRange& range) { return range.contains(ip); });
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (failure != std::errc{} || stop != text.data() + text.size()) {
        return std::nullopt;
    }
    return port;
}

std::string with_port(const IpAddress& ip, const std::optional<std::uint16_t>& port) {
    const std::string host = ip.is_v4() || !port ? ip.text() : "[" + ip.text() + "]";
    return port ? host + ":" + std::to_string(*port) : host;
}

}  // namespace

bool is_trusted(const ProxyTrust& trust, const PeerInfo& peer) {
    return !peer.is_unix && is_trusted(trust, peer.ip);
}

std::optional<ForwardedAddress> parse_forwarded(std::string_view text) {
    text = trim(text);
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
        text = text.substr(1, text.size() - 2);
    }
    if (const auto ip = IpAddress::parse(text)) {
        return ForwardedAddress{*ip};
    }
    std::string_view host = text;
    std::string_view port;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) {
            return std::nullopt;
        }
        host = text.substr(1, end - 1);
        port = text.substr(end + 1);
        if (port.empty()) {
            const auto ip = IpAddress::parse(host);
            return ip ? std::optional{ForwardedAddress{*ip}} : std::nullopt;
        }
        if (port.front() != ':') {
            return std::nullopt;
        }
        port.remove_prefix(1);
    } else {
        const std::size_t colon = text.find(':');
        if (colon == std::string_view::npos) {
            return std::nullopt;
        }
        host = text.substr(0, colon);
        port = text.substr(colon + 1);
    }
    const auto ip = IpAddress::parse(host);
    const auto number = parse_port(port);
    if (!ip || !number) {
        return std::nullopt;
    }
    return ForwardedAddress{*ip, number};
}

bool is_relayed(const Request& request, const ProxyTrust& trust) {
    const bool has_trace =
        std::any_of(request.fields.begin(), request.fields.end(), [&trust](const Field& field) {
            constexpr std::string_view prefix = "X-Forwarded-";
            const std::string_view name = field.name;
            return equals_ignoring_case(name.substr(0, prefix.size()), prefix) ||
                   equals_ignoring_case(name, "Forwarded") || equals_ignoring_case(name, "Via") ||
                   equals_ignoring_case(name, "X-Real-IP") ||
                   equals_ignoring_case(name, trust.address_field) ||
                   equals_ignoring_case(name, trust.port_field);
        });
    return has_trace || !is_of_this_host(request);
}

void apply_forwarded(const Request& request, const ProxyTrust& trust, PeerInfo& peer) {
    peer.is_relayed = peer.is_relayed || is_relayed(request, trust);
    if (!is_trusted(trust, peer)) {
        return;
    }
    std::optional<ForwardedAddress> client;
    const std::string list = request.joined(trust.address_field);
    const auto hops = split_list(list);
    for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
        const auto address = parse_forwarded(*hop);
        if (!address) {
            break;  // "unknown", or nonsense: the proxy that wrote it is as far as we see
        }
        client = address;
        if (!is_trusted(trust, address->ip)) {
            break;
        }
    }
    if (hops.empty() && request.count("X-Real-IP") == 1) {
        client = parse_forwarded(*request.find("X-Real-IP"));
    }
    // The proxy's own requests have a proxy's address; they do not count as local all the same.
    peer.is_relayed = true;
    if (!client) {
        return;
    }
    if (!client->port && request.count(trust.port_field) == 1) {
        client->port = parse_port(trim(*request.find(trust.port_field)));
    }
    peer.ip = client->ip;
    peer.address = with_port(client->ip, client->port);
}

}  // namespace gw::http
