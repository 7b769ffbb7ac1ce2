#pragma once

#include "adapters/sockjs/endpoint.hpp"
#include "adapters/sockjs/payload.hpp"
#include "adapters/websocket/hixie76.hpp"
#include "adapters/websocket/websocket_layer.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace gw::sockjs {

/// What a session over WebSocket says and understands, whatever the version of the frames below;
/// such a session lives as long as its connection, moves with it, and costs nothing but this. Pure.
class MessageFrames {
public:
    MessageFrames(EndpointPtr endpoint, MonotonicTime now);

    const Endpoint& endpoint() const { return *endpoint_; }
    /// Takes a client's message; what it means to the layer above is appended to `up`. An echo's
    /// answer is put into `answer`. Gives the code to end with, if any.
    std::optional<websocket::CloseCode> take(std::string_view message, ByteBuffer& up,
                                             std::string& answer);
    /// The frame for what the layer above sends, when it makes one.
    std::optional<std::string> give(Bytes bytes);
    /// The frame that ends the session.
    std::string close(bool is_going_away) const;

    MonotonicTime next_heartbeat() const { return next_heartbeat_; }
    std::string_view heartbeat(MonotonicTime now);

private:
    EndpointPtr endpoint_;
    MonotonicTime next_heartbeat_;
    Payload payload_;
};

/// SockJS's frames in the messages of a WebSocket. Server side; pure.
class SockJsLayer final : public websocket::FrameLayer {
public:
    SockJsLayer(EndpointPtr endpoint, MonotonicTime now);

    void on_send(Bytes bytes, ByteBuffer& down) override;
    void on_close(ByteBuffer& down) override;
    MonotonicTime next_deadline() const override {
        return is_ended() ? never : frames_.next_heartbeat();
    }
    void on_deadline(MonotonicTime now, ByteBuffer& down) override;

private:
    ByteBuffer& payload_buffer(ByteBuffer&) override { return message_; }
    std::optional<websocket::CloseCode> on_part(Part part, ByteBuffer& up,
                                                ByteBuffer& down) override;

    MessageFrames frames_;
    ByteBuffer message_;
};

/// The same in the frames of draft-hixie-thewebsocketprotocol-76. Server side; pure.
class Hixie76Layer final : public transport::StreamLayer {
public:
    Hixie76Layer(EndpointPtr endpoint, MonotonicTime now);

    Status on_received(Bytes bytes, ByteBuffer& up, ByteBuffer& down) override;
    void on_send(Bytes bytes, ByteBuffer& down) override;
    void on_close(ByteBuffer& down) override;
    void on_shutdown() override { is_going_away_ = true; }
    MonotonicTime next_deadline() const override {
        return is_ended_ ? never : frames_.next_heartbeat();
    }
    void on_deadline(MonotonicTime now, ByteBuffer& down) override;
    Failure failure() const override;

private:
    Status fail(websocket::CloseCode code, ByteBuffer& down);

    MessageFrames frames_;
    websocket::Hixie76Reader reader_;
    ByteBuffer message_;
    websocket::CloseCode failure_code_ = websocket::CloseCode::normal;
    bool is_going_away_ = false;
    bool is_ended_ = false;  // nothing may follow
};

/// Which frames carry a session's messages.
enum class WebSocketDraft : std::uint8_t { hybi, hixie76 };

/// What a connection is after its upgrade on `<path>/<server>/<session>/websocket`.
std::shared_ptr<const transport::StreamUpgrade> sockjs_upgrade(
    EndpointPtr endpoint, websocket::UpgradeInfo info, MonotonicTime now,
    WebSocketDraft draft = WebSocketDraft::hybi);
/// And on `<path>/websocket`, of an echo or close service: messages as they are.
std::shared_ptr<const transport::StreamUpgrade> raw_upgrade(EndpointPtr endpoint);

}  // namespace gw::sockjs
