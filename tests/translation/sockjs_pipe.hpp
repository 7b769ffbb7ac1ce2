#pragma once

#include "adapters/sockjs/sockjs_layer.hpp"
#include "adapters/sockjs/text.hpp"
#include "broker-core/base/assert.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace gw::test {

/// The way of a protocol's bytes through a SockJS session over WebSocket, both ends of it.
class SockJsPipe {
public:
    explicit SockJsPipe(sockjs::Content content)
        : content_(content), frames_(endpoint(content), MonotonicTime{}) {}

    /// What the machine gets of what the client sends. A text must be one.
    std::string to_server(Bytes bytes) {
        std::string text;
        if (content_ == sockjs::Content::text) {
            text = as_text(bytes);
        } else {
            for (const std::uint8_t byte : bytes) {  // each byte a character, in UTF-8
                if (byte >= 0x80) {
                    text += static_cast<char>(0xc0 | byte >> 6);
                }
                text += static_cast<char>(byte < 0x80 ? byte : 0x80 | (byte & 0x3f));
            }
        }
        std::string json = "[";
        sockjs::append_json(json, text);
        ByteBuffer up;
        std::string answer;
        const auto failure = frames_.take(json + "]", up, answer);
        GW_ASSERT(!failure && answer.empty());
        return std::string{as_text(up.view())};
    }

    /// What the client gets of what the machine sends.
    std::string to_client(Bytes bytes) {
        const auto frame = frames_.give(bytes);
        if (!frame) {
            return {};
        }
        GW_ASSERT(frame->starts_with("a["));
        const auto messages = sockjs::decode_messages(std::string_view{*frame}.substr(1));
        GW_ASSERT(messages.has_value());
        std::string all;
        for (const std::string& message : *messages) {
            all += content_ == sockjs::Content::text ? message : bytes_of(message);
        }
        return all;
    }

private:
    static sockjs::EndpointPtr endpoint(sockjs::Content content) {
        sockjs::Endpoint made;
        made.content = content;
        return std::make_shared<const sockjs::Endpoint>(std::move(made));
    }
    static std::string bytes_of(std::string_view characters) {
        std::string bytes;
        for (std::size_t at = 0; at < characters.size(); ++at) {
            const auto byte = static_cast<unsigned char>(characters[at]);
            GW_ASSERT(byte < 0xc4);  // no character beyond U+00FF
            bytes += byte < 0x80 ? characters[at]
                                 : static_cast<char>((byte & 3) << 6 | (characters[++at] & 0x3f));
        }
        return bytes;
    }

    sockjs::Content content_;
    sockjs::MessageFrames frames_;
};

}  // namespace gw::test
