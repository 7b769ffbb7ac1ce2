#pragma once

#include "adapters/websocket/frame.hpp"
#include "adapters/websocket/utf8_validator.hpp"
#include "broker-core/base/bytes.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gw::websocket {

/// What a peer may send to us.
struct ReadRules {
    std::uint64_t frame_bytes_max = 0;    // payload of one frame; more is 1009
    std::uint64_t message_bytes_max = 0;  // of all fragments together; 0: as many as it likes
    bool allows_text = true;              // otherwise a text frame is 1003
    bool allows_binary = true;
};

/// Reads what a client sends, in pieces as they come: checks the order of fragments, unmasks,
/// checks text (RFC 6455, 5 and 8.1). Holds no payload but that of one control frame; a data
/// payload is handed on as it arrives. Pure; one a connection.
class FrameReader {
public:
    enum class Event : std::uint8_t {
        need_more,    // all bytes are taken
        data,         // a part, perhaps empty, of a message was appended
        message_end,  // as data, and the message is complete
        ping,         // control() is its payload
        pong,
        close,  // control() is its payload, checked; nothing more is read
        error,  // error_code() and error_text() say what; nothing more is read
    };

    explicit FrameReader(const ReadRules& rules) : rules_(&rules) {}

    /// Takes bytes from the front of `in` up to the next event; payload of data frames is appended
    /// to `out`, unmasked. Text handed on may be found to be wrong later in the same message.
    Event next(Bytes& in, ByteBuffer& out);

    /// Of the message that the last data event belongs to.
    bool is_text() const { return is_text_; }
    /// Bytes that the present message has handed on.
    std::uint64_t message_bytes() const { return message_bytes_; }
    Bytes control() const { return control_.view(); }
    CloseCode error_code() const { return error_code_; }
    std::string_view error_text() const { return error_text_; }

private:
    enum class State : std::uint8_t { header, payload, ended };

    Event read_header(Bytes& in);
    Event check_header();
    Event read_payload(Bytes& in, ByteBuffer& out);
    Event read_control(Bytes& in);
    Event end_control();
    Event fail(CloseCode code, std::string_view text);

    const ReadRules* rules_;  // of the listener; outlives this
    FrameHeader header_;
    std::uint64_t payload_read_ = 0;
    std::uint64_t message_bytes_ = 0;
    ByteBuffer control_;  // of a control frame, or of a header that came in pieces
    std::string_view error_text_;
    CloseCode error_code_ = CloseCode::normal;
    State state_ = State::header;
    Utf8Validator utf8_;
    bool has_given_control_ = false;  // control_ holds what the last event told
    bool is_in_message_ = false;
    bool is_text_ = false;
};

}  // namespace gw::websocket
