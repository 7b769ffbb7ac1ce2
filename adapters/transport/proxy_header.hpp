#pragma once

#include "broker-core/base/bytes.hpp"
#include "broker-core/base/ip_address.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gw::transport {

/// An address and a port, as a proxy tells them.
struct ProxyEndpoint {
    IpAddress ip;
    std::uint16_t port = 0;

    /// "10.0.0.1:5123", "[fd00::1]:5123".
    std::string text() const;
};

/// What a proxy says of the connection that it passes on (HAProxy's PROXY protocol, versions 1
/// and 2).
struct ProxyHeader {
    /// Whose connection it is; none: the proxy's own (LOCAL), or one that it cannot describe
    /// (UNKNOWN, UNSPEC, a Unix socket). Then the addresses of the real connection count.
    std::optional<ProxyEndpoint> source{};
    std::optional<ProxyEndpoint> destination{};
    bool is_tls = false;            // the client spoke TLS with the proxy
    bool is_cert_verified = false;  // and showed a certificate that the proxy found valid
    std::string common_name{};      // of that certificate; empty when it was not verified
    std::string server_name{};      // SNI, PP2_TYPE_AUTHORITY
    std::size_t header_bytes = 0;
};

/// A header is refused when it announces more.
inline constexpr std::size_t proxy_header_bytes_max = 4096;

enum class ProxyStatus : std::uint8_t { complete, need_more, error };

struct ProxyOutcome {
    ProxyStatus status = ProxyStatus::need_more;
    ProxyHeader header{};
    std::string_view error{};
};

/// Reads the header at the front of a connection; says no at the first byte that cannot be right,
/// so a connection without header is found out at once.
ProxyOutcome decode_proxy_header(Bytes bytes);

}  // namespace gw::transport
