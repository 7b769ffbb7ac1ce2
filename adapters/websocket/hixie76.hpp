#pragma once

#include "adapters/http/message.hpp"
#include "adapters/machine/stream_machine.hpp"
#include "adapters/transport/stream_layer.hpp"
#include "adapters/websocket/handshake.hpp"
#include "broker-core/base/bytes.hpp"
#include "broker-core/base/result.hpp"
#include "broker-core/message/peer_info.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

/// The WebSocket of draft-hixie-thewebsocketprotocol-76, which browsers of 2010 speak: another
/// handshake, whose last eight bytes come behind the request, and other frames. Server side; pure.
namespace gw::websocket {

/// Whether an upgrade request is one of this draft.
bool is_hixie76(const http::Request& request);

/// The number that a Sec-WebSocket-Key1 or -Key2 stands for: its digits, divided by its spaces.
/// None when it is malformed.
std::optional<std::uint32_t> hixie76_number(std::string_view key);

struct Hixie76Handshake : Handshake {
    std::uint32_t number1 = 0;  // of the keys
    std::uint32_t number2 = 0;
};

/// Checks such an upgrade request. The failure is the response to refuse it with.
Result<Hixie76Handshake, http::Response> answer_hixie76(const http::Request& request,
                                                        const HandshakeRules& rules);

inline constexpr std::size_t hixie76_nonce_bytes = 8;

/// The 16 bytes that answer the eight behind the request; none when this system has no MD5.
std::optional<std::string> hixie76_answer(std::uint32_t number1, std::uint32_t number2,
                                          Bytes nonce);

/// What a connection is after the response to such a request: it waits for the eight bytes, answers
/// them, says `opening`, and goes on as `next`. `client` is the peer as the request knew it.
std::shared_ptr<const transport::StreamUpgrade> hixie76_upgrade(
    const Hixie76Handshake& handshake, std::string opening,
    std::shared_ptr<const transport::StreamUpgrade> next, const PeerInfo& client,
    MonotonicTime now);

/// Reads what a client sends after the handshake. Pure; one a connection.
class Hixie76Reader {
public:
    enum class Event : std::uint8_t {
        need_more,    // all bytes are taken
        message_end,  // the message was appended, whole
        close,        // nothing more is read
        malformed,    // neither text nor close; nothing more is read
        too_big,      // nothing more is read
    };

    explicit Hixie76Reader(std::uint64_t message_bytes_max)
        : message_bytes_max_(message_bytes_max) {}

    /// Takes bytes from the front of `in` up to the next event; text is appended to `out`.
    Event next(Bytes& in, ByteBuffer& out);

private:
    enum class State : std::uint8_t { type, text, close_length, ended };

    Event read_text(Bytes& in, ByteBuffer& out);
    Event end(Event why);

    std::uint64_t message_bytes_max_;
    std::uint64_t message_bytes_ = 0;
    State state_ = State::type;
};

/// Appends a message, which must be UTF-8.
void append_hixie76_text(ByteBuffer& out, std::string_view text);
/// Appends the frame that ends a connection.
void append_hixie76_close(ByteBuffer& out);

}  // namespace gw::websocket
