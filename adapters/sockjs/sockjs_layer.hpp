#pragma once

#include "adapters/sockjs/endpoint.hpp"
#include "adapters/sockjs/payload.hpp"
#include "adapters/websocket/websocket_layer.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace gw::sockjs {

/// SockJS's frames in the messages of a WebSocket; such a session lives as long as its connection,
/// moves with it, and costs nothing but this. Server side; pure.
class SockJsLayer final : public websocket::FrameLayer {
public:
    SockJsLayer(EndpointPtr endpoint, MonotonicTime now);

    void on_send(Bytes bytes, ByteBuffer& down) override;
    void on_close(ByteBuffer& down) override;
    MonotonicTime next_deadline() const override { return is_ended() ? never : next_heartbeat_; }
    void on_deadline(MonotonicTime now, ByteBuffer& down) override;

private:
    ByteBuffer& payload_buffer(ByteBuffer&) override { return message_; }
    std::optional<websocket::CloseCode> on_part(Part part, ByteBuffer& up,
                                                ByteBuffer& down) override;

    EndpointPtr endpoint_;
    MonotonicTime next_heartbeat_;
    ByteBuffer message_;
    Payload payload_;
};

/// What a connection is after its upgrade on `<path>/<server>/<session>/websocket`.
std::shared_ptr<const transport::StreamUpgrade> sockjs_upgrade(EndpointPtr endpoint,
                                                               websocket::UpgradeInfo info,
                                                               MonotonicTime now);
/// And on `<path>/websocket`, of an echo or close service: messages as they are.
std::shared_ptr<const transport::StreamUpgrade> raw_upgrade(EndpointPtr endpoint);

}  // namespace gw::sockjs
