#include "gateway/control/control_client.hpp"

#include "gateway/control/control_socket.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

namespace gw {

namespace {

constexpr std::size_t reply_bytes_max = std::size_t{64} << 20;
constexpr timeval wait_max{.tv_sec = 15, .tv_usec = 0};

class Socket {
public:
    Socket() : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    ~Socket() {
        if (socket_ >= 0) {
            ::close(socket_);
        }
    }
    int get() const { return socket_; }

private:
    int socket_;
};

Error io_error(std::string_view what) {
    const bool late = errno == EAGAIN || errno == EWOULDBLOCK;
    return Error{Errc::io, std::string{what} + ": " + (late ? "no answer" : std::strerror(errno))};
}

}  // namespace

Result<std::string> ask_running_program(const std::filesystem::path& data_dir,
                                        std::string_view request) {
    const ControlAddress address{data_dir};
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    if (address.text().size() >= sizeof to.sun_path) {
        return Error{Errc::unavailable, "no control socket in " + data_dir.string()};
    }
    std::memcpy(to.sun_path, address.text().data(), address.text().size());
    const Socket socket;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &wait_max, sizeof wait_max);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &wait_max, sizeof wait_max);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
        return Error{Errc::unavailable,
                     (data_dir / "control.sock").string() + ": " + std::strerror(errno)};
    }
    std::string line{request};
    line += '\n';
    if (::send(socket.get(), line.data(), line.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(line.size())) {
        return io_error("control socket");
    }
    std::string reply;
    std::array<char, 4096> chunk{};
    while (!reply.ends_with('\n')) {
        const ssize_t count = ::recv(socket.get(), chunk.data(), chunk.size(), 0);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return io_error("control socket");
        }
        if (count == 0 || reply.size() > reply_bytes_max) {
            return Error{Errc::io, "control socket: the answer is cut off"};
        }
        reply.append(chunk.data(), static_cast<std::size_t>(count));
    }
    reply.pop_back();
    return reply;
}

}  // namespace gw
