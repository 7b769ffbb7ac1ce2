#include "adapters/transport/listen_socket.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>

namespace gw::transport {

namespace {

Error system_error(const std::string& what) {
    return {Errc::io, what + ": " + std::generic_category().message(errno)};
}

std::string address_text(const sockaddr_storage& storage) {
    char text[INET6_ADDRSTRLEN] = {};
    if (storage.ss_family == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
        ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
        return std::string{text} + ":" + std::to_string(ntohs(v4.sin_port));
    }
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    const std::string port = ":" + std::to_string(ntohs(v6.sin6_port));
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
        ::inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text, sizeof text);
        return text + port;
    }
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    return "[" + std::string{text} + "]" + port;
}

bool is_loopback(const sockaddr_storage& storage) {
    if (storage.ss_family == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
        return (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
    }
    return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr);
}

void set_option(int fd, int level, int name, int value) {
    // A tuning that the system refuses is no reason not to listen.
    ::setsockopt(fd, level, name, &value, sizeof value);
}

/// Accepted sockets inherit buffer sizes and TCP_NODELAY from the listening one.
void tune(int fd, const ListenOptions& options) {
    if (options.receive_buffer_bytes != 0) {
        set_option(fd, SOL_SOCKET, SO_RCVBUF, options.receive_buffer_bytes);
    }
    if (options.send_buffer_bytes != 0) {
        set_option(fd, SOL_SOCKET, SO_SNDBUF, options.send_buffer_bytes);
    }
}

Result<ListenSocket> listen_at(const addrinfo& address, const ListenOptions& options) {
    ListenSocket socket;
    socket.fd = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket.fd < 0) {
        return system_error("cannot make a socket");
    }
    set_option(socket.fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set_option(socket.fd, IPPROTO_TCP, TCP_NODELAY, 1);
    tune(socket.fd, options);
    if (::bind(socket.fd, address.ai_addr, address.ai_addrlen) != 0 ||
        ::listen(socket.fd, options.backlog) != 0) {
        Error error = system_error("cannot listen");
        ::close(socket.fd);
        return error;
    }
    sockaddr_storage bound{};
    socklen_t length = sizeof bound;
    ::getsockname(socket.fd, reinterpret_cast<sockaddr*>(&bound), &length);
    socket.address = address_text(bound);
    socket.is_loopback = is_loopback(bound);
    return socket;
}

}  // namespace

Result<ListenSocket> listen_tcp(const std::string& host, std::uint16_t port,
                                const ListenOptions& options) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const std::string where = (host.find(':') == std::string::npos ? host : "[" + host + "]") +
                              ":" + std::to_string(port);
    const int failure = ::getaddrinfo(host.empty() ? nullptr : host.c_str(),
                                      std::to_string(port).c_str(), &hints, &found);
    if (failure != 0) {
        return Error{Errc::not_found, "cannot listen on " + where + ": " + ::gai_strerror(failure)};
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses{found, &::freeaddrinfo};
    auto socket = listen_at(*addresses, options);
    if (!socket) {
        const std::string& text = socket.error().text();
        return Error{socket.error().code(),
                     "cannot listen on " + where + text.substr(text.find(": "))};
    }
    return socket;
}

Result<ListenSocket> listen_unix(const std::string& path, unsigned mode,
                                 const ListenOptions& options) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        return Error{Errc::invalid_argument, "cannot listen on " + path + ": path too long"};
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    ListenSocket socket;
    socket.fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket.fd < 0) {
        return system_error("cannot make a socket");
    }
    tune(socket.fd, options);
    const auto* const name = reinterpret_cast<const sockaddr*>(&address);
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) {
        const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (::connect(probe, name, sizeof address) != 0 && errno == ECONNREFUSED) {
            ::unlink(path.c_str());
        }
        ::close(probe);
    }
    // Closed to others until its mode is set.
    const mode_t old_mask = ::umask(0177);
    const bool bound = ::bind(socket.fd, name, sizeof address) == 0;
    ::umask(old_mask);
    if (!bound || ::chmod(path.c_str(), mode) != 0 || ::listen(socket.fd, options.backlog) != 0) {
        Error error = system_error("cannot listen on " + path);
        ::close(socket.fd);
        return error;
    }
    socket.address = path;
    socket.is_loopback = true;
    return socket;
}

PeerInfo peer_of(int fd) {
    PeerInfo peer;
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0 ||
        storage.ss_family == AF_UNIX) {
        peer.is_unix = storage.ss_family == AF_UNIX;
        peer.address = peer.is_unix ? "unix" : "unknown";
        return peer;
    }
    peer.address = address_text(storage);
    if (storage.ss_family == AF_INET) {
        std::array<std::uint8_t, 4> v4{};
        std::memcpy(v4.data(), &reinterpret_cast<sockaddr_in&>(storage).sin_addr, v4.size());
        peer.ip = IpAddress::from_v4(v4);
    } else {
        std::memcpy(peer.ip.bytes.data(), &reinterpret_cast<sockaddr_in6&>(storage).sin6_addr,
                    peer.ip.bytes.size());
    }
    return peer;
}

}  // namespace gw::transport
