#include "adapters/coap/codec/message.hpp"

#include <algorithm>

namespace gw::coap {

namespace {

constexpr std::uint8_t payload_marker = 0xff;

}  // namespace

Token Token::from(Bytes view) {
    GW_ASSERT(view.size() <= token_bytes_max);
    Token token;
    std::copy(view.begin(), view.end(), token.bytes.begin());
    token.size = static_cast<std::uint8_t>(view.size());
    return token;
}

std::string_view decode_error_text(DecodeError error) {
    switch (error) {
        case DecodeError::not_coap:
            return "no CoAP message";
        case DecodeError::token_too_long:
            return "reserved token length";
        case DecodeError::not_empty:
            return "empty message with content";
        case DecodeError::reserved_code:
            return "reserved code";
        case DecodeError::option_malformed:
            return "malformed option";
        case DecodeError::option_number:
            return "option number out of range";
        case DecodeError::payload_missing:
            return "payload marker without payload";
    }
    GW_UNREACHABLE();
}

std::optional<Header> peek_header(Bytes datagram) {
    Reader in{datagram};
    const std::uint8_t first = in.u8();
    Header header;
    header.type = static_cast<Type>(first >> 4 & 3);
    header.token_bytes = first & 15;
    header.code = static_cast<Code>(in.u8());
    header.message_id = in.u16_be();
    constexpr std::uint8_t version = 1;
    if (in.failed() || first >> 6 != version) {
        return std::nullopt;
    }
    return header;
}

Result<MessageView, DecodeError> decode_message(Bytes datagram) {
    const auto header = peek_header(datagram);
    if (!header) {
        return DecodeError::not_coap;
    }
    if (header->token_bytes > token_bytes_max) {
        return DecodeError::token_too_long;
    }
    if (header->code == Code::empty && datagram.size() != header_bytes) {
        return DecodeError::not_empty;
    }
    const int code_class = class_of(header->code);
    if (code_class == 1 || code_class >= 6) {
        return DecodeError::reserved_code;
    }
    Reader in{datagram.subspan(header_bytes)};
    const Bytes token = in.take(header->token_bytes);
    if (in.failed()) {
        return DecodeError::option_malformed;
    }
    MessageView message;
    message.type = header->type;
    message.code = header->code;
    message.message_id = header->message_id;
    message.token = Token::from(token);
    const Bytes behind = in.rest();
    OptionReader options{behind};
    while (options.next()) {
    }
    if (options.failed()) {
        return options.error();
    }
    if (options.has_payload()) {
        message.options = behind.first(behind.size() - options.remaining() - 1);
        message.payload = options.rest();
        if (message.payload.empty()) {
            return DecodeError::payload_missing;
        }
    } else {
        message.options = behind;
    }
    return message;
}

/// Reads what 13 and 14 announce (RFC 7252, 3.1). False: 15 is reserved.
bool OptionReader::extend(std::uint32_t nibble, std::uint32_t& value) {
    constexpr std::uint32_t one_byte = 13;
    constexpr std::uint32_t two_bytes = 14;
    if (nibble < one_byte) {
        value = nibble;
    } else if (nibble == one_byte) {
        value = in_.u8() + 13U;
    } else if (nibble == two_bytes) {
        value = in_.u16_be() + 269U;
    } else {
        return false;
    }
    return true;
}

std::optional<OptionView> OptionReader::next() {
    if (in_.at_end() || has_payload_ || error_) {
        return std::nullopt;
    }
    const std::uint8_t first = in_.u8();
    if (first == payload_marker) {
        has_payload_ = true;
        return std::nullopt;
    }
    std::uint32_t delta = 0;
    std::uint32_t size = 0;
    if (!extend(first >> 4, delta) || !extend(first & 15U, size)) {
        error_ = DecodeError::option_malformed;
        return std::nullopt;
    }
    number_ += delta;
    const Bytes value = in_.take(size);
    if (in_.failed()) {
        error_ = DecodeError::option_malformed;
        return std::nullopt;
    }
    if (number_ > 0xffff) {
        error_ = DecodeError::option_number;
        return std::nullopt;
    }
    return OptionView{static_cast<std::uint16_t>(number_), value};
}

}  // namespace gw::coap
