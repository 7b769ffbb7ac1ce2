#pragma once

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include <functional>

namespace gw::transport {

/// Accepts connections from a listening socket on one worker's io_context. That worker's thread.
class Acceptor {
public:
    /// Gets each accepted socket, non-blocking, and owns it from then on.
    using OnAccept = std::function<void(int fd)>;
    /// Told once each time that accepting had to pause: no descriptors or memory left.
    using OnTrouble = std::function<void(int error)>;

    /// Takes the listening socket over.
    Acceptor(boost::asio::io_context& context, int listen_fd, OnAccept on_accept,
             OnTrouble on_trouble);

    void start();
    void close();

private:
    using Executor = boost::asio::io_context::executor_type;

    void accept_some();
    void pause();

    boost::asio::posix::basic_stream_descriptor<Executor> socket_;
    boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                      boost::asio::wait_traits<std::chrono::steady_clock>, Executor>
        timer_;
    OnAccept on_accept_;
    OnTrouble on_trouble_;
};

}  // namespace gw::transport
