#pragma once

#include "adapters/http/router.hpp"
#include "adapters/websocket/frame_reader.hpp"
#include "adapters/websocket/handshake.hpp"
#include "adapters/websocket/websocket_layer.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace gw::websocket {

/// Makes the machine that speaks in a WebSocket, on the worker that has the connection.
using MachineFactory = std::function<std::unique_ptr<StreamMachine>(
    std::uint32_t worker, StreamConnection& connection, PeerInfo peer)>;

/// A subprotocol and who speaks it.
struct Subprotocol {
    std::string name;
    WebSocketLayer::Content content = WebSocketLayer::Content::binary;
    MachineFactory make_machine;
};

/// A path that upgrades to WebSocket. Kept as long as a connection made by it lives.
struct Endpoint {
    HandshakeRules handshake;               // its protocols are those below
    ReadRules binary_rules;                 // of subprotocols with binary content
    ReadRules text_rules;                   // of those with text
    std::vector<Subprotocol> subprotocols;  // the first also speaks when none was agreed on
};

/// An endpoint that speaks these subprotocols. `frame_bytes_max` bounds the payload of one frame; a
/// client must offer a subprotocol when `requires_protocol`.
struct EndpointOptions {
    std::vector<Subprotocol> subprotocols;
    bool requires_protocol = true;
    http::OriginPolicy origins;
    std::uint64_t frame_bytes_max = 0;
};
std::shared_ptr<const Endpoint> make_endpoint(EndpointOptions options);

/// Answers GET on an endpoint's path.
class WebSocketHandler final : public http::Handler {
public:
    explicit WebSocketHandler(std::shared_ptr<const Endpoint> endpoint)
        : endpoint_(std::move(endpoint)) {}

    void on_request(http::Exchange& exchange) const override;

private:
    std::shared_ptr<const Endpoint> endpoint_;
};

}  // namespace gw::websocket
