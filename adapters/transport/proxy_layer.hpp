#pragma once

#include "adapters/transport/proxy_header.hpp"
#include "adapters/transport/stream_layer.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace gw::transport {

/// What a listener wants of the PROXY headers at its connections' front. Whether the sender may be
/// believed was decided before, by its address.
struct ProxyRules {
    /// Whether this client may go on: access rules and rates by the address that the proxy tells;
    /// none is told of connections that are the proxy's own. Any thread.
    std::function<bool(const IpAddress* client)> lets_in{};
    /// Whether the certificate's name that the proxy tells stands for the client.
    bool takes_common_name = false;
};

/// The lowest layer of a listener with proxy_protocol = on: takes the PROXY header off the front
/// and passes all else on as it is.
class ProxyLayer final : public StreamLayer {
public:
    explicit ProxyLayer(std::shared_ptr<const ProxyRules> rules) : rules_(std::move(rules)) {}

    Status on_received(Bytes bytes, ByteBuffer& up, ByteBuffer& down) override;
    void on_send(Bytes bytes, ByteBuffer& down) override { down.append(bytes); }
    void on_close(ByteBuffer&) override {}
    void describe(PeerInfo& peer) const override;
    Failure failure() const override { return failure_; }

private:
    Status refuse(HandshakeFailure reason, std::string_view why);

    std::shared_ptr<const ProxyRules> rules_;  // null once the header was read
    ByteBuffer kept_;                          // a header that came in pieces
    std::string client_address_;               // empty: the proxy's own connection
    IpAddress client_ip_;
    TransportIdentityPtr identity_;
    Failure failure_;
};

}  // namespace gw::transport
