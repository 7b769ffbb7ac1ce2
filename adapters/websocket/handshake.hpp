#pragma once

#include "adapters/http/message.hpp"
#include "adapters/http/origin.hpp"
#include "broker-core/base/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gw::websocket {

/// What an endpoint wants of an upgrade request.
struct HandshakeRules {
    std::vector<std::string> protocols{};  // that are spoken here
    /// A client must offer one of them; otherwise one that offers none of them is taken all the
    /// same, and is told none.
    bool requires_protocol = true;
    http::OriginPolicy origins{};
    /// Versions 7 and 8 too, the drafts that browsers spoke in 2011 (SockJS demands it): the same
    /// frames, another name of the Origin field.
    bool takes_drafts = false;
};

struct Handshake {
    http::Response response{};  // 101
    std::string protocol{};     // that was agreed on; empty: none
    std::string cookie{};       // the Cookie field, when the page may use it
};

/// Checks an upgrade request (RFC 6455, 4.2). The failure is the response to refuse it with: 400,
/// 403 (Origin), or 426 for what is no upgrade to version 13.
Result<Handshake, http::Response> answer_handshake(const http::Request& request,
                                                   const HandshakeRules& rules);

/// Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455, 4.2.2).
std::string accept_value(std::string_view key);

}  // namespace gw::websocket
