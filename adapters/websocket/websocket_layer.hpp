#pragma once

#include "adapters/transport/stream_layer.hpp"
#include "adapters/websocket/frame_reader.hpp"
#include "adapters/websocket/handshake.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace gw::websocket {

/// What the upgrade request said of the client; kept for as long as the connection lives, since a
/// connection that moves between workers is described again.
struct UpgradeInfo {
    std::string cookie{};     // the Cookie field
    std::string address{};    // of the client
    IpAddress ip{};           // of `address`
    bool is_relayed = false;  // as PeerInfo's
};

/// What is known once the request was read: `client` as HttpMachine found it out.
UpgradeInfo upgrade_info(const PeerInfo& client, Handshake handshake);
/// Adds what the request said to what the socket said.
void describe_upgrade(const UpgradeInfo& info, PeerInfo& peer);

/// The frames of one connection after the upgrade: reads frames, answers pings and Close, and
/// leaves to its subclasses what becomes of messages. Server side; pure.
class FrameLayer : public transport::StreamLayer {
public:
    Status on_received(Bytes bytes, ByteBuffer& up, ByteBuffer& down) final;
    void on_close(ByteBuffer& down) override;
    void on_shutdown() final { goodbye_ = CloseCode::going_away; }
    Failure failure() const final;

protected:
    /// The rules outlive the layer: the upgrade holds them.
    explicit FrameLayer(const ReadRules& rules) : reader_(rules) {}

    /// Where payload is put as it comes; on_part() follows each time.
    virtual ByteBuffer& payload_buffer(ByteBuffer& up) = 0;
    enum class Part : std::uint8_t { more_follows, last };
    /// Part of a message was added to payload_buffer(). Gives the code to close with, if any.
    virtual std::optional<CloseCode> on_part(Part part, ByteBuffer& up, ByteBuffer& down) = 0;

    bool is_text() const { return reader_.is_text(); }
    bool is_ended() const { return is_ended_; }
    bool is_going_away() const { return goodbye_ == CloseCode::going_away; }
    /// Says Close; nothing is sent after it.
    void end(ByteBuffer& down, CloseCode code, std::string_view reason);

private:
    /// `reason` must be a literal.
    Status fail(ByteBuffer& down, CloseCode code, std::string_view reason);

    FrameReader reader_;
    std::string_view failure_text_;
    CloseCode goodbye_ = CloseCode::normal;
    CloseCode failure_code_ = CloseCode::normal;
    bool is_ended_ = false;  // a Close frame was sent: nothing may follow it
};

/// A stream of bytes over WebSocket messages, whose bounds mean nothing: MQTT (MQTT 5.0, 6), STOMP.
/// A turn's output is one message. Each Content says what is taken (by its ReadRules) and sent:
/// binary, or text where the bytes are UTF-8 and binary where they are not.
class WebSocketLayer final : public FrameLayer {
public:
    enum class Content : std::uint8_t { binary, text };

    WebSocketLayer(const ReadRules& rules, Content content)
        : FrameLayer(rules), content_(content) {}

    void on_send(Bytes bytes, ByteBuffer& down) override;
    void on_close(ByteBuffer& down) override;

private:
    void send_text(Bytes bytes, ByteBuffer& down);

    ByteBuffer& payload_buffer(ByteBuffer& up) override { return up; }
    std::optional<CloseCode> on_part(Part, ByteBuffer&, ByteBuffer&) override {
        return std::nullopt;
    }

    Content content_;
    /// The first bytes of a character whose rest has not come: texts are cut between characters.
    std::array<std::uint8_t, 3> tail_{};
    std::uint8_t tail_bytes_ = 0;
};

/// Sends every message back as it came, type and all: what conformance suites speak to.
class EchoLayer final : public FrameLayer {
public:
    explicit EchoLayer(const ReadRules& rules) : FrameLayer(rules) {}

    void on_send(Bytes, ByteBuffer&) override {}

private:
    ByteBuffer& payload_buffer(ByteBuffer&) override { return message_; }
    std::optional<CloseCode> on_part(Part part, ByteBuffer& up, ByteBuffer& down) override;

    ByteBuffer message_;
};

}  // namespace gw::websocket
