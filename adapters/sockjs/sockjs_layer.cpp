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
    SockJsUpgrade(EndpointPtr endpoint, websocket::UpgradeInfo info, MonotonicTime now,
                  WebSocketDraft draft)
        : endpoint_(std::move(endpoint)), info_(std::move(info)), now_(now), draft_(draft) {}

    std::unique_ptr<transport::StreamLayer> make_layer() const override {
        if (draft_ == WebSocketDraft::hixie76) {
            return std::make_unique<Hixie76Layer>(endpoint_, now_);
        }
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
    WebSocketDraft draft_;
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

// ----------------------------------------------------------------------------- whatever the frames

MessageFrames::MessageFrames(EndpointPtr endpoint, MonotonicTime now)
    : endpoint_(std::move(endpoint)),
      next_heartbeat_(now + endpoint_->heartbeat),
      payload_(endpoint_->content) {}

std::optional<websocket::CloseCode> MessageFrames::take(std::string_view message, ByteBuffer& up,
                                                        std::string& answer) {
    if (message.empty()) {
        return std::nullopt;  // to be passed over
    }
    auto messages = decode_messages(message);
    if (!messages) {
        return websocket::CloseCode::protocol_error;
    }
    for (std::string& one : *messages) {
        if (endpoint_->service == Service::echo) {
            answer += answer.empty() ? "a[" : ",";
            append_json(answer, one);
        } else if (!payload_.take(std::move(one), up)) {
            return websocket::CloseCode::invalid_payload;
        }
    }
    answer += answer.empty() ? "" : "]";
    return std::nullopt;
}

std::optional<std::string> MessageFrames::give(Bytes bytes) {
    std::string frame = "a[";
    if (!payload_.give(bytes, frame)) {
        return std::nullopt;
    }
    return frame + "]";
}

std::string MessageFrames::close(bool is_going_away) const {
    const CloseReason why = is_going_away                          ? going_away
                            : endpoint_->service == Service::close ? go_away
                                                                   : normal_closure;
    return close_frame(why.code, why.text);
}

std::string_view MessageFrames::heartbeat(MonotonicTime now) {
    next_heartbeat_ = now + endpoint_->heartbeat;
    return "h";
}

// ------------------------------------------------------------------------------------- RFC 6455

SockJsLayer::SockJsLayer(EndpointPtr endpoint, MonotonicTime now)
    : FrameLayer(endpoint->read_rules), frames_(std::move(endpoint), now) {}

void SockJsLayer::on_send(Bytes bytes, ByteBuffer& down) {
    if (is_ended()) {
        return;
    }
    if (const auto frame = frames_.give(bytes)) {
        append_text(down, *frame);
    }
}

void SockJsLayer::on_close(ByteBuffer& down) {
    if (!is_ended()) {
        append_text(down, frames_.close(is_going_away()));
    }
    FrameLayer::on_close(down);
}

void SockJsLayer::on_deadline(MonotonicTime now, ByteBuffer& down) {
    append_text(down, frames_.heartbeat(now));
}

std::optional<websocket::CloseCode> SockJsLayer::on_part(Part part, ByteBuffer& up,
                                                         ByteBuffer& down) {
    if (part == Part::more_follows) {
        return std::nullopt;
    }
    std::string answer;
    const auto code = frames_.take(as_text(message_.view()), up, answer);
    message_.release();
    if (!code && !answer.empty()) {
        append_text(down, answer);
    }
    return code;
}

// -------------------------------------------------------------------------------------- draft 76

Hixie76Layer::Hixie76Layer(EndpointPtr endpoint, MonotonicTime now)
    : frames_(std::move(endpoint), now), reader_(frames_.endpoint().read_rules.message_bytes_max) {}

transport::StreamLayer::Status Hixie76Layer::on_received(Bytes bytes, ByteBuffer& up,
                                                         ByteBuffer& down) {
    using Event = websocket::Hixie76Reader::Event;
    while (!is_ended_) {
        switch (reader_.next(bytes, message_)) {
            case Event::need_more:
                return Status::open;
            case Event::message_end: {
                std::string answer;
                const auto code = frames_.take(as_text(message_.view()), up, answer);
                message_.release();
                if (code) {
                    return fail(*code, down);
                }
                if (!answer.empty()) {
                    websocket::append_hixie76_text(down, answer);
                }
                break;
            }
            case Event::close:
                is_ended_ = true;
                websocket::append_hixie76_close(down);
                break;
            case Event::malformed:
                return fail(websocket::CloseCode::protocol_error, down);
            case Event::too_big:
                return fail(websocket::CloseCode::too_big, down);
        }
    }
    return Status::ended;
}

transport::StreamLayer::Status Hixie76Layer::fail(websocket::CloseCode code, ByteBuffer& down) {
    failure_code_ = code;
    is_ended_ = true;
    websocket::append_hixie76_close(down);
    return Status::failed;
}

transport::StreamLayer::Failure Hixie76Layer::failure() const {
    const bool is_ours = failure_code_ != websocket::CloseCode::normal;
    return {HandshakeFailure::other, "",
            is_ours ? static_cast<std::uint16_t>(failure_code_) : std::uint16_t{0}};
}

void Hixie76Layer::on_send(Bytes bytes, ByteBuffer& down) {
    if (is_ended_) {
        return;
    }
    if (const auto frame = frames_.give(bytes)) {
        websocket::append_hixie76_text(down, *frame);
    }
}

void Hixie76Layer::on_close(ByteBuffer& down) {
    if (!is_ended_) {
        is_ended_ = true;
        websocket::append_hixie76_text(down, frames_.close(is_going_away_));
        websocket::append_hixie76_close(down);
    }
}

void Hixie76Layer::on_deadline(MonotonicTime now, ByteBuffer& down) {
    websocket::append_hixie76_text(down, frames_.heartbeat(now));
}

std::shared_ptr<const transport::StreamUpgrade> sockjs_upgrade(EndpointPtr endpoint,
                                                               websocket::UpgradeInfo info,
                                                               MonotonicTime now,
                                                               WebSocketDraft draft) {
    return std::make_shared<SockJsUpgrade>(std::move(endpoint), std::move(info), now, draft);
}

std::shared_ptr<const transport::StreamUpgrade> raw_upgrade(EndpointPtr endpoint) {
    return std::make_shared<RawUpgrade>(std::move(endpoint));
}

}  // namespace gw::sockjs
