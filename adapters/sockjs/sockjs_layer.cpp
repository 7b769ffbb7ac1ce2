#include "adapters/sockjs/sockjs_layer.hpp"

#include "adapters/sockjs/text.hpp"

#include <utility>

namespace gw::sockjs {

namespace {

using websocket::Opcode;

void append_text(ByteBuffer& down, std::string_view frame) {
    websocket::append_frame(down, Opcode::text, as_bytes(frame));
}

/// Where the layer does all there is to do.
class IdleMachine final : public StreamMachine {
public:
    IdleMachine(StreamConnection& connection, Service service) : connection_(connection) {
        if (service == Service::close) {
            connection_.close(CloseMode::drain);
        }
    }
    std::size_t on_bytes(Bytes bytes) override { return bytes.size(); }
    void on_deadline() override {}
    void on_closed(ReasonCode) override {}
    void on_output_drained() override {}
    void on_shutdown(ReasonCode) override { connection_.close(CloseMode::drain); }

private:
    StreamConnection& connection_;
};

class SockJsUpgrade final : public transport::StreamUpgrade {
public:
    SockJsUpgrade(EndpointPtr endpoint, websocket::UpgradeInfo info, MonotonicTime now)
        : endpoint_(std::move(endpoint)), info_(std::move(info)), now_(now) {}

    std::unique_ptr<transport::StreamLayer> make_layer() const override {
        return std::make_unique<SockJsLayer>(endpoint_, now_);
    }
    std::unique_ptr<StreamMachine> make_machine(std::uint32_t worker, StreamConnection& connection,
                                                PeerInfo peer) const override {
        if (endpoint_->service != Service::protocol) {
            return std::make_unique<IdleMachine>(connection, endpoint_->service);
        }
        websocket::describe_upgrade(info_, peer);
        return endpoint_->make_machine(worker, connection, std::move(peer));
    }

private:
    EndpointPtr endpoint_;
    websocket::UpgradeInfo info_;
    MonotonicTime now_;
};

class RawUpgrade final : public transport::StreamUpgrade {
public:
    explicit RawUpgrade(EndpointPtr endpoint) : endpoint_(std::move(endpoint)) {}

    std::unique_ptr<transport::StreamLayer> make_layer() const override {
        return std::make_unique<websocket::EchoLayer>(endpoint_->raw_rules);
    }
    std::unique_ptr<StreamMachine> make_machine(std::uint32_t, StreamConnection& connection,
                                                PeerInfo) const override {
        return std::make_unique<IdleMachine>(connection, endpoint_->service);
    }

private:
    EndpointPtr endpoint_;
};

}  // namespace

SockJsLayer::SockJsLayer(EndpointPtr endpoint, MonotonicTime now)
    : FrameLayer(endpoint->read_rules),
      endpoint_(std::move(endpoint)),
      next_heartbeat_(now + endpoint_->heartbeat),
      payload_(endpoint_->content) {}

void SockJsLayer::on_send(Bytes bytes, ByteBuffer& down) {
    std::string frame = "a[";
    if (!is_ended() && payload_.give(bytes, frame)) {
        append_text(down, frame + "]");
    }
}

void SockJsLayer::on_close(ByteBuffer& down) {
    if (!is_ended()) {
        const CloseReason why = is_going_away()                        ? going_away
                                : endpoint_->service == Service::close ? go_away
                                                                       : normal_closure;
        append_text(down, close_frame(why.code, why.text));
    }
    FrameLayer::on_close(down);
}

void SockJsLayer::on_deadline(MonotonicTime now, ByteBuffer& down) {
    next_heartbeat_ = now + endpoint_->heartbeat;
    append_text(down, "h");
}

std::optional<websocket::CloseCode> SockJsLayer::on_part(Part part, ByteBuffer& up,
                                                         ByteBuffer& down) {
    if (part == Part::more_follows || message_.empty()) {
        return std::nullopt;  // empty messages are to be passed over
    }
    auto messages = decode_messages(as_text(message_.view()));
    message_.release();
    if (!messages) {
        return websocket::CloseCode::protocol_error;
    }
    std::string echo;
    for (std::string& message : *messages) {
        if (endpoint_->service == Service::echo) {
            echo += echo.empty() ? "" : ",";
            append_json(echo, message);
        } else if (!payload_.take(std::move(message), up)) {
            return websocket::CloseCode::invalid_payload;
        }
    }
    if (!echo.empty()) {
        append_text(down, "a[" + echo + "]");
    }
    return std::nullopt;
}

std::shared_ptr<const transport::StreamUpgrade> sockjs_upgrade(EndpointPtr endpoint,
                                                               websocket::UpgradeInfo info,
                                                               MonotonicTime now) {
    return std::make_shared<SockJsUpgrade>(std::move(endpoint), std::move(info), now);
}

std::shared_ptr<const transport::StreamUpgrade> raw_upgrade(EndpointPtr endpoint) {
    return std::make_shared<RawUpgrade>(std::move(endpoint));
}

}  // namespace gw::sockjs
