#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace gw {

/// Answers `mangrove status` and its like on the Unix socket `<data>/control.sock`: one line in,
/// one line out, then the connection ends. The file's mode, 0600, says who may ask.
/// Belongs to the thread that runs `io`; a request is answered in the call of `answer`.
class ControlServer {
public:
    /// Gets a line without its end, returns one without its end.
    using Answer = std::function<std::string(std::string_view request)>;

    /// Replaces a socket left behind. Throws std::runtime_error when it cannot listen.
    ControlServer(boost::asio::io_context& io, const std::filesystem::path& data_dir,
                  Answer answer);
    /// Closes and removes the socket.
    ~ControlServer();
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;

private:
    class Connection;

    void accept_next();

    std::filesystem::path path_;
    Answer answer_;
    boost::asio::local::stream_protocol::acceptor acceptor_;
    boost::asio::steady_timer retry_;
};

}  // namespace gw
