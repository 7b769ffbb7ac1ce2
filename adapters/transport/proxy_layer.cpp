#include "adapters/transport/proxy_layer.hpp"

#include "broker-core/base/utf8.hpp"

#include <utility>

namespace gw::transport {

StreamLayer::Status ProxyLayer::on_received(Bytes bytes, ByteBuffer& up, ByteBuffer&) {
    if (!rules_) {
        up.append(bytes);
        return Status::open;
    }
    // No more is kept than the longest header, whatever comes in one piece.
    kept_.append(bytes);
    ProxyOutcome outcome = decode_proxy_header(kept_.view());
    if (outcome.status == ProxyStatus::need_more) {
        return Status::opening;
    }
    if (outcome.status == ProxyStatus::error) {
        return refuse(HandshakeFailure::not_the_protocol, outcome.error);
    }
    ProxyHeader& header = outcome.header;
    if (rules_->lets_in && !rules_->lets_in(header.source ? &header.source->ip : nullptr)) {
        return refuse(HandshakeFailure::other, "the client's address may not connect");
    }
    if (header.source) {
        client_address_ = header.source->text();
        client_ip_ = header.source->ip;
    }
    if (rules_->takes_common_name && !header.common_name.empty() &&
        is_valid_utf8(as_bytes(header.common_name))) {
        auto identity = std::make_shared<TransportIdentity>();
        identity->common_name = std::move(header.common_name);
        identity_ = std::move(identity);
    }
    up.append(kept_.view().subspan(header.header_bytes));
    kept_.release();
    rules_.reset();
    return Status::open;
}

void ProxyLayer::describe(PeerInfo& peer) const {
    peer.is_relayed = true;
    if (!client_address_.empty()) {
        peer.address = client_address_;
        peer.ip = client_ip_;
        peer.is_unix = false;
    }
    if (identity_) {
        peer.identity = identity_;
    }
}

StreamLayer::Status ProxyLayer::refuse(HandshakeFailure reason, std::string_view why) {
    failure_ = {reason, std::string{why}};
    kept_.release();
    return Status::failed;
}

}  // namespace gw::transport
