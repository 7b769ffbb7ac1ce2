#include "adapters/websocket/websocket_handler.hpp"

#include <algorithm>
#include <utility>

namespace gw::websocket {

namespace {

/// What a connection is after its upgrade.
class WebSocketUpgrade final : public transport::StreamUpgrade {
public:
    WebSocketUpgrade(std::shared_ptr<const Endpoint> endpoint, const Subprotocol& subprotocol,
                     UpgradeInfo info)
        : endpoint_(std::move(endpoint)), subprotocol_(subprotocol), info_(std::move(info)) {}

    std::unique_ptr<transport::StreamLayer> make_layer() const override {
        const bool is_binary = subprotocol_.content == WebSocketLayer::Content::binary;
        return std::make_unique<WebSocketLayer>(
            is_binary ? endpoint_->binary_rules : endpoint_->text_rules, subprotocol_.content);
    }
    std::unique_ptr<StreamMachine> make_machine(std::uint32_t worker, StreamConnection& connection,
                                                PeerInfo peer) const override {
        describe_upgrade(info_, peer);
        return subprotocol_.make_machine(worker, connection, std::move(peer));
    }

private:
    std::shared_ptr<const Endpoint> endpoint_;
    const Subprotocol& subprotocol_;  // of the endpoint
    UpgradeInfo info_;
};

}  // namespace

std::shared_ptr<const Endpoint> make_endpoint(EndpointOptions options) {
    auto endpoint = std::make_shared<Endpoint>();
    endpoint->handshake.requires_protocol = options.requires_protocol;
    endpoint->handshake.origins = std::move(options.origins);
    endpoint->binary_rules = {
        .frame_bytes_max = options.frame_bytes_max, .message_bytes_max = 0, .allows_text = false};
    endpoint->text_rules = {.frame_bytes_max = options.frame_bytes_max, .message_bytes_max = 0};
    endpoint->subprotocols = std::move(options.subprotocols);
    for (const Subprotocol& one : endpoint->subprotocols) {
        endpoint->handshake.protocols.push_back(one.name);
    }
    return endpoint;
}

void WebSocketHandler::on_request(http::Exchange& exchange) const {
    auto answer = answer_handshake(exchange.request(), endpoint_->handshake);
    if (!answer) {
        exchange.respond(answer.error());
        return;
    }
    if (!exchange.admit()) {
        return;
    }
    const auto& all = endpoint_->subprotocols;
    auto chosen = std::find_if(all.begin(), all.end(), [&](const Subprotocol& one) {
        return one.name == answer->protocol;
    });
    if (chosen == all.end()) {
        chosen = all.begin();
    }
    const http::Response response = answer->response;
    exchange.upgrade(response,
                     std::make_shared<WebSocketUpgrade>(
                         endpoint_, *chosen, upgrade_info(exchange.peer(), std::move(*answer))));
}

}  // namespace gw::websocket
