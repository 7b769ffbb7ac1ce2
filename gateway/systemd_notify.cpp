#include "gateway/systemd_notify.hpp"

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace gw {

SystemdNotifier SystemdNotifier::from_environment() {
    const char* address = std::getenv("NOTIFY_SOCKET");
    return SystemdNotifier{address == nullptr ? "" : address};
}

void SystemdNotifier::reloading() const {
    // systemd compares the stamp with its own CLOCK_MONOTONIC, which steady_clock is on Linux.
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    const auto stamp = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
    send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(stamp));
}

void SystemdNotifier::send(const std::string& message) const {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    if (address_.empty() || address_.size() >= sizeof to.sun_path) {
        return;
    }
    std::memcpy(to.sun_path, address_.data(), address_.size());
    if (address_.front() == '@') {
        to.sun_path[0] = '\0';
    }
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0) {
        return;
    }
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
    static_cast<void>(::sendto(socket, message.data(), message.size(), MSG_NOSIGNAL,
                               reinterpret_cast<const sockaddr*>(&to), length));
    ::close(socket);
}

}  // namespace gw
