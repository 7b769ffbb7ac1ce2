#include "adapters/websocket/websocket_layer.hpp"

#include <algorithm>
#include <utility>

namespace gw::websocket {

UpgradeInfo upgrade_info(const PeerInfo& client, Handshake handshake) {
    UpgradeInfo info;
    info.cookie = std::move(handshake.cookie);
    info.is_relayed = client.is_relayed;
    if (info.is_relayed) {
        info.address = client.address;
        info.ip = client.ip;
    }
    return info;
}

void describe_upgrade(const UpgradeInfo& info, PeerInfo& peer) {
    peer.cookie = info.cookie;
    if (info.is_relayed) {
        peer.address = info.address;
        peer.ip = info.ip;
        peer.is_unix = false;
        peer.is_relayed = true;
    }
}

transport::StreamLayer::Status FrameLayer::on_received(Bytes bytes, ByteBuffer& up,
                                                       ByteBuffer& down) {
    using Event = FrameReader::Event;
    while (!is_ended_) {
        const Event event = reader_.next(bytes, payload_buffer(up));
        switch (event) {
            case Event::need_more:
            case Event::pong:
                break;
            case Event::ping:
                append_frame(down, Opcode::pong, reader_.control());
                break;
            case Event::data:
            case Event::message_end: {
                const Part part = event == Event::data ? Part::more_follows : Part::last;
                if (const auto code = on_part(part, up, down)) {
                    return fail(down, *code, "");
                }
                break;
            }
            case Event::close:
                // The same code goes back (RFC 6455, 5.5.1), or none when none came.
                append_frame(down, Opcode::close,
                             reader_.control().first(std::min<std::size_t>(reader_.control().size(),
                                                                           sizeof(std::uint16_t))));
                is_ended_ = true;
                return Status::ended;
            case Event::error:
                return fail(down, reader_.error_code(), reader_.error_text());
        }
        if (event == Event::need_more) {
            return Status::open;
        }
    }
    return Status::ended;
}

transport::StreamLayer::Failure FrameLayer::failure() const {
    const bool is_ours = failure_code_ != CloseCode::normal;
    return {HandshakeFailure::other, std::string{is_ours ? failure_text_ : std::string_view{}},
            is_ours ? static_cast<std::uint16_t>(failure_code_) : std::uint16_t{0}};
}

void FrameLayer::on_close(ByteBuffer& down) {
    end(down, goodbye_, "");
}

void FrameLayer::end(ByteBuffer& down, CloseCode code, std::string_view reason) {
    if (!is_ended_) {
        is_ended_ = true;
        append_close(down, code, reason);
    }
}

FrameLayer::Status FrameLayer::fail(ByteBuffer& down, CloseCode code, std::string_view reason) {
    failure_code_ = code;
    failure_text_ = reason;
    end(down, code, reason);
    return Status::failed;
}

void WebSocketLayer::on_send(Bytes bytes, ByteBuffer& down) {
    if (is_ended() || bytes.empty()) {
        return;
    }
    if (content_ == Content::text) {
        send_text(bytes, down);
    } else {
        append_frame(down, Opcode::binary, bytes);
    }
}

/// A large output comes in steps that know nothing of characters.
void WebSocketLayer::send_text(Bytes bytes, ByteBuffer& down) {
    ByteBuffer joined;
    if (tail_bytes_ != 0) {
        joined.append(Bytes{tail_.data(), tail_bytes_});
        joined.append(bytes);
        bytes = joined.view();
        tail_bytes_ = 0;
    }
    Utf8Validator utf8;
    if (!utf8.add(bytes)) {
        append_frame(down, Opcode::binary, bytes);
        return;
    }
    if (!utf8.is_complete()) {
        std::size_t whole = bytes.size() - 1;
        while ((bytes[whole] & 0xc0) == 0x80) {
            --whole;
        }
        const Bytes tail = bytes.subspan(whole);
        std::copy(tail.begin(), tail.end(), tail_.begin());
        tail_bytes_ = static_cast<std::uint8_t>(tail.size());
        bytes = bytes.first(whole);
    }
    if (!bytes.empty()) {
        append_frame(down, Opcode::text, bytes);
    }
}

void WebSocketLayer::on_close(ByteBuffer& down) {
    if (tail_bytes_ != 0 && !is_ended()) {
        append_frame(down, Opcode::binary, {tail_.data(), tail_bytes_});
        tail_bytes_ = 0;
    }
    FrameLayer::on_close(down);
}

std::optional<CloseCode> EchoLayer::on_part(Part part, ByteBuffer&, ByteBuffer& down) {
    if (part == Part::last) {
        append_frame(down, is_text() ? Opcode::text : Opcode::binary, message_.view());
        message_.release();
    }
    return std::nullopt;
}

}  // namespace gw::websocket
