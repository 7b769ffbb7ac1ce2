#include "adapters/transport/acceptor.hpp"

#include <cerrno>
#include <chrono>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace gw::transport {

Acceptor::Acceptor(boost::asio::io_context& context, int listen_fd, OnAccept on_accept,
                   OnTrouble on_trouble)
    : socket_(context, listen_fd),
      timer_(context),
      on_accept_(std::move(on_accept)),
      on_trouble_(std::move(on_trouble)) {}

void Acceptor::start() {
    socket_.async_wait(decltype(socket_)::wait_read,
                       [this](const boost::system::error_code& error) {
                           if (!error) {
                               accept_some();
                           }
                       });
}

void Acceptor::close() {
    boost::system::error_code ignored;
    socket_.close(ignored);
    timer_.cancel();
}

void Acceptor::accept_some() {
    // So many in one go that a storm of connects does not keep the clients that are in waiting.
    constexpr int batch_count = 64;
    for (int i = 0; i < batch_count; ++i) {
        const int fd =
            ::accept4(socket_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            const int on = 1;
            ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // fails on Unix sockets
            on_accept_(fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            on_trouble_(errno);
            pause();
            return;
        }
        if (errno == EAGAIN) {
            break;
        }
        // Others concern the one connection, which is gone (accept(2)).
    }
    start();
}

void Acceptor::pause() {
    timer_.expires_after(std::chrono::milliseconds{100});
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            accept_some();
        }
    });
}

}  // namespace gw::transport
