#pragma once

#include "broker-core/base/result.hpp"
#include "broker-core/message/peer_info.hpp"

#include <cstdint>
#include <string>

namespace gw::transport {

/// How to listen. Sizes 0: the system's.
struct ListenOptions {
    int backlog = 1024;
    int receive_buffer_bytes = 0;
    int send_buffer_bytes = 0;
};

/// A listening, non-blocking socket; the caller owns the descriptor.
struct ListenSocket {
    int fd = -1;
    std::string address;  // where it listens, with the port that the system chose
    bool is_loopback = false;
};

/// Listens on a host, which may be a name, and a port, 0 for one that is free. May block for the
/// name.
Result<ListenSocket> listen_tcp(const std::string& host, std::uint16_t port,
                                const ListenOptions& options);
/// Listens on a Unix socket. A socket file that nobody listens on any more is replaced, one in use
/// is an error.
Result<ListenSocket> listen_unix(const std::string& path, unsigned mode,
                                 const ListenOptions& options);

/// What the system knows of a connected socket's peer; its address is "unknown" when it has gone.
PeerInfo peer_of(int fd);

}  // namespace gw::transport
