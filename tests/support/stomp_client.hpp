#pragma once

#include "adapters/stomp/machine/connection_machine.hpp"
#include "tests/support/sim_world.hpp"

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gw::test {

/// Settings of a STOMP listener; the world lets everybody in.
inline stomp::MachineOptions open_stomp_listener() {
    return {};
}

/// A frame that a StompClient got.
struct StompFrame {
    std::string command;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;

    /// The first of its name; "" when there is none.
    std::string get(std::string_view name) const;
    /// "MESSAGE subscription=1 destination=a qos=0 | body": all headers in order but for lengths
    /// and message ids, which are told apart by `get`.
    std::string text() const;
};

using StompHeaders = std::vector<std::pair<std::string, std::string>>;

/// A STOMP client that knows no rules: sends exactly what the test says and keeps what comes.
class StompClient final : public SimPeer {
public:
    explicit StompClient(SimWorld& world, std::uint32_t worker = 0,
                         const stomp::MachineOptions& options = open_stomp_listener());
    ~StompClient() override { world_.forget_peer(link_); }
    StompClient(const StompClient&) = delete;
    StompClient& operator=(const StompClient&) = delete;

    /// Sends CONNECT, with accept-version unless the version is 1.0.
    void connect(stomp::Version version = stomp::Version::v1_2, const StompHeaders& headers = {});
    /// Sends a frame, escaped for the client's version.
    void frame(stomp::Command command, const StompHeaders& headers = {},
               std::string_view body = {});
    void subscribe(std::string_view id, std::string_view destination, std::string_view ack = "auto",
                   bool durable = false);
    void ack(const StompFrame& message, stomp::Command command = stomp::Command::ack,
             const StompHeaders& more = {});
    void publish(std::string_view destination, std::string_view body, StompHeaders headers = {});
    /// Bytes as they are.
    void raw(std::string_view bytes);
    /// What carries the bytes changes them on their way, from now on.
    using Change = std::function<std::string(Bytes)>;
    void set_carrier(Change to_server, Change to_client) {
        to_server_ = std::move(to_server);
        to_client_ = std::move(to_client);
    }
    /// Called with all that comes, before it is changed.
    std::function<void(Bytes)> on_heard;
    void close();

    /// The next frame that has come; its command is "" when there is none.
    StompFrame next_frame();
    /// Its text; "" when there is none.
    std::string next() { return next_frame().text(); }
    std::vector<std::string> take();
    /// Line ends that came between frames.
    std::size_t beats() const { return beats_; }
    bool is_closed() const { return is_closed_; }
    LinkId link() const { return link_; }
    FakeConnection& connection() { return world_.connection(link_); }

private:
    void on_bytes(Bytes bytes) override;
    void on_closed() override { is_closed_ = true; }

    SimWorld& world_;
    stomp::Version version_ = stomp::Version::v1_2;
    ByteBuffer input_;
    std::vector<StompFrame> frames_;
    std::size_t beats_ = 0;
    bool is_closed_ = false;
    Change to_server_;  // null: nothing is changed
    Change to_client_;
    LinkId link_;
};

}  // namespace gw::test
