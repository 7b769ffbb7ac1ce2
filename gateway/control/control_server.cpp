#include "gateway/control/control_server.hpp"

#include "gateway/control/control_socket.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <chrono>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace gw {

namespace asio = boost::asio;
using asio::local::stream_protocol;
using boost::system::error_code;

namespace {

constexpr std::size_t request_bytes_max = 4096;
constexpr std::chrono::seconds time_max{10};
constexpr std::chrono::seconds retry_pause{1};

}  // namespace

/// One request. Keeps itself alive until it is answered, fails or takes too long. The handlers
/// hold `server_` only while the io_context runs, which ends before the server does.
class ControlServer::Connection : public std::enable_shared_from_this<Connection> {
public:
    Connection(stream_protocol::socket socket, const ControlServer& server)
        : socket_(std::move(socket)), timer_(socket_.get_executor()), server_(server) {}

    void start() {
        timer_.expires_after(time_max);
        timer_.async_wait([self = shared_from_this()](error_code failure) {
            if (!failure) {
                self->close();
            }
        });
        asio::async_read_until(socket_, asio::dynamic_buffer(request_, request_bytes_max), '\n',
                               [self = shared_from_this()](error_code failure, std::size_t count) {
                                   self->on_request(failure, count);
                               });
    }

private:
    void on_request(error_code failure, std::size_t count) {
        if (failure) {
            close();
            return;
        }
        reply_ = server_.answer_(std::string_view{request_}.substr(0, count - 1));
        reply_ += '\n';
        asio::async_write(socket_, asio::buffer(reply_),
                          [self = shared_from_this()](error_code, std::size_t) { self->close(); });
    }

    void close() {
        error_code ignored;
        socket_.close(ignored);
        timer_.cancel();
    }

    stream_protocol::socket socket_;
    asio::steady_timer timer_;
    const ControlServer& server_;
    std::string request_;
    std::string reply_;
};

ControlServer::ControlServer(asio::io_context& io, const std::filesystem::path& data_dir,
                             Answer answer)
    : path_(data_dir / "control.sock"), answer_(std::move(answer)), acceptor_(io), retry_(io) {
    const ControlAddress address{data_dir};
    // The data folder is locked by us, so whoever made the socket that lies here is gone.
    ::unlink(path_.c_str());
    const mode_t mask = ::umask(0177);
    error_code failure;
    acceptor_.open(stream_protocol{}, failure);
    if (!failure) {
        acceptor_.bind(stream_protocol::endpoint{address.text()}, failure);
    }
    ::umask(mask);
    if (!failure) {
        acceptor_.listen(asio::socket_base::max_listen_connections, failure);
    }
    if (failure) {
        throw std::runtime_error("control socket " + path_.string() + ": " + failure.message());
    }
    accept_next();
}

ControlServer::~ControlServer() {
    error_code ignored;
    acceptor_.close(ignored);
    ::unlink(path_.c_str());
}

void ControlServer::accept_next() {
    acceptor_.async_accept([this](error_code failure, stream_protocol::socket socket) {
        if (failure == asio::error::operation_aborted) {
            return;
        }
        if (!failure) {
            std::make_shared<Connection>(std::move(socket), *this)->start();
            accept_next();
            return;
        }
        // Out of descriptors, as a rule: trying again at once would spin.
        retry_.expires_after(retry_pause);
        retry_.async_wait([this](error_code stopped) {
            if (!stopped) {
                accept_next();
            }
        });
    });
}

}  // namespace gw
