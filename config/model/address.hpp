#pragma once

#include "broker-core/base/ip_address.hpp"

#include <cstdint>
#include <string>

namespace gw::config {

/// Where a stream or datagram listener listens.
struct ListenAddress {
    std::string host;        ///< IPv4 or IPv6 address without brackets, or a host name
    std::uint16_t port = 0;  ///< 0: the system picks a free one

    /// "127.0.0.1:1883", "[::1]:1883".
    std::string text() const;
    bool operator==(const ListenAddress&) const = default;
};

}  // namespace gw::config
