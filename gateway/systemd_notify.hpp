#pragma once

#include <string>
#include <string_view>

namespace gw {

/// Tells systemd how far the program is (sd_notify(3)), for units of Type=notify. Does nothing
/// without $NOTIFY_SOCKET; a failure is not one of the program's, so none is reported.
class SystemdNotifier {
public:
    /// Takes the address from the environment variable NOTIFY_SOCKET.
    static SystemdNotifier from_environment();
    /// A file name, "@name" for an abstract socket, or empty for none.
    explicit SystemdNotifier(std::string address) : address_(std::move(address)) {}

    void ready() const { send("READY=1"); }
    /// Follow it with ready() when the reload is over, however it went.
    void reloading() const;
    void stopping() const { send("STOPPING=1"); }
    /// One line for `systemctl status`.
    void status(std::string_view text) const { send("STATUS=" + std::string{text}); }

private:
    void send(const std::string& message) const;

    std::string address_;
};

}  // namespace gw
