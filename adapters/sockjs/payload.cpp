#include "adapters/sockjs/payload.hpp"

#include "adapters/sockjs/text.hpp"

#include <cstddef>
#include <optional>
#include <utility>

namespace gw::sockjs {

namespace {

/// Characters up to U+00FF as bytes.
bool append_characters(std::string_view text, ByteBuffer& bytes) {
    for (std::size_t at = 0; at < text.size(); ++at) {
        const auto first = static_cast<unsigned char>(text[at]);
        if (first < 0x80) {
            bytes.u8(first);
        } else if ((first == 0xc2 || first == 0xc3) && at + 1 < text.size()) {
            ++at;
            bytes.u8(static_cast<std::uint8_t>(first << 6 |
                                               (static_cast<unsigned char>(text[at]) & 0x3f)));
        } else {
            return false;
        }
    }
    return true;
}

/// How many bytes at the end begin a character that is not complete.
std::size_t open_bytes(std::string_view text) {
    for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
        const auto byte = static_cast<unsigned char>(text[text.size() - back]);
        if (byte >= 0xc2 && byte <= 0xf4) {
            const std::size_t whole = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
            return whole > back ? back : 0;
        }
        if ((byte & 0xc0) != 0x80) {
            return 0;
        }
    }
    return 0;
}

}  // namespace

bool Payload::take(std::string message, ByteBuffer& bytes) {
    if (content_ == Content::text) {
        replace_surrogates(message);
        bytes.append(message);
        return true;
    }
    if (form_ == Form::unknown && !message.empty()) {
        // The first byte of MQTT is 0x10: the control character, or 'E' for its upper six bits.
        form_ = message.front() == 'E' ? Form::base64 : Form::characters;
    }
    if (form_ != Form::base64) {
        return append_characters(message, bytes);
    }
    const auto decoded = base64_decode(message);
    if (decoded) {
        bytes.append(*decoded);
    }
    return decoded.has_value();
}

bool Payload::give(Bytes bytes, std::string& json) {
    if (content_ == Content::text) {
        return give_text(bytes, json);
    }
    if (form_ == Form::base64) {
        json += '"';
        append_base64(json, as_text(bytes));
        json += '"';
        return true;
    }
    std::string text;
    for (const std::uint8_t byte : bytes) {
        if (byte < 0x80) {
            text += static_cast<char>(byte);
        } else {
            text += static_cast<char>(0xc0 | byte >> 6);
            text += static_cast<char>(0x80 | (byte & 0x3f));
        }
    }
    append_json(json, text);
    return true;
}

bool Payload::give_text(Bytes bytes, std::string& json) {
    std::string text = std::exchange(tail_, {});
    text += as_text(bytes);
    const std::size_t open = open_bytes(text);
    tail_ = text.substr(text.size() - open);
    text.resize(text.size() - open);
    if (text.empty()) {
        return false;
    }
    // A STOMP body may be any octets, and its content-length counts them.
    mask_broken_bytes(text);
    append_json(json, text);
    return true;
}

std::string close_frame(unsigned code, std::string_view reason) {
    std::string frame = "c[" + std::to_string(code) + ",";
    append_json(frame, reason);
    return frame + "]";
}

}  // namespace gw::sockjs
