#pragma once

#include "broker-core/base/bytes.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gw::sockjs {

/// How a protocol's bytes stand in the messages of a session, which are texts.
enum class Content : std::uint8_t {
    text,    // the bytes are UTF-8, as STOMP's
    binary,  // each byte is a character from U+0000 to U+00FF, or all are base64: as the client
             // does
};

/// Turns bytes of a protocol into messages, and back; one a session.
class Payload {
public:
    explicit Payload(Content content) : content_(content) {}

    /// Appends the bytes of a client's message; false when it is not what the content demands.
    bool take(std::string message, ByteBuffer& bytes);
    /// Appends what is to be sent as a JSON string, when it makes a message. Texts are cut between
    /// characters, so that up to three bytes may wait for the rest.
    bool give(Bytes bytes, std::string& json);

private:
    enum class Form : std::uint8_t { unknown, characters, base64 };

    bool give_text(Bytes bytes, std::string& json);

    Content content_;
    Form form_ = Form::unknown;  // of binary content: the first message shows it
    std::string tail_;           // of text: the begin of a character
};

/// The frame that ends a session: `c[3000,"Go away!"]`.
std::string close_frame(unsigned code, std::string_view reason);

}  // namespace gw::sockjs
