#pragma once

#include "adapters/http/origin.hpp"
#include "adapters/sockjs/payload.hpp"
#include "adapters/websocket/websocket_handler.hpp"
#include "broker-core/base/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace gw::sockjs {

/// What the messages of an endpoint's sessions mean.
enum class Service : std::uint8_t {
    protocol,  // the bytes of a machine
    echo,      // each comes back; for conformance suites
    close,     // the server closes at once; for conformance suites
};

/// One SockJS endpoint: a path of a listener, with its settings. Never changed; kept as long as a
/// session made by it lives.
struct Endpoint {
    std::string scope;  // sessions are found by it and their id: listener and path
    std::string path;   // "/stomp"
    Service service = Service::protocol;
    Content content = Content::text;
    websocket::MachineFactory make_machine{};          // of a protocol
    std::shared_ptr<const websocket::Endpoint> raw{};  // of plain WebSocket; null: echo, close
    websocket::HandshakeRules handshake{};             // of SockJS's own WebSocket
    websocket::ReadRules read_rules{};                 // of messages in WebSocket frames
    websocket::ReadRules raw_rules{};                  // of an echo over plain WebSocket
    bool has_websocket = true;
    bool is_cookie_needed = false;                // for load balancers that go by JSESSIONID
    std::size_t response_bytes_max = 128 * 1024;  // then a streaming response ends
    std::size_t session_count_max = 65536;        // of all endpoints on one worker
    Milliseconds heartbeat{25'000};
    Milliseconds disconnect_delay{5000};
    std::string client_url;    // of the client's script, for the iframe page
    std::string login_cookie;  // the cookie that says who a browser's user is; empty: none
};
using EndpointPtr = std::shared_ptr<const Endpoint>;

/// Why and how the server ends a session.
struct CloseReason {
    unsigned code = 1000;
    std::string_view text = "Normal closure";  // a literal
};
inline constexpr CloseReason go_away{3000, "Go away!"};
inline constexpr CloseReason normal_closure{1000, "Normal closure"};
inline constexpr CloseReason going_away{1001, "Going away"};
inline constexpr CloseReason interrupted{1002, "Connection interrupted"};
inline constexpr CloseReason broken_content{1007, "Not the bytes of this protocol"};
inline constexpr CloseReason another_connection{2010, "Another connection still open"};

}  // namespace gw::sockjs
