#pragma once

#include "broker-core/base/bytes.hpp"
#include "broker-core/base/result.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace gw::coap {

/// RFC 7252, 3. The values are those on the wire.
enum class Type : std::uint8_t {
    confirmable = 0,
    non_confirmable = 1,
    acknowledgement = 2,
    reset = 3,
};

/// Method and response codes as their byte: class in the upper three bits (RFC 7252, 12.1).
enum class Code : std::uint8_t {
    empty = 0x00,
    get = 0x01,
    post = 0x02,
    put = 0x03,
    delete_ = 0x04,
    created = 0x41,
    deleted = 0x42,
    valid = 0x43,
    changed = 0x44,
    content = 0x45,
    continue_ = 0x5f,
    bad_request = 0x80,
    unauthorized = 0x81,
    bad_option = 0x82,
    forbidden = 0x83,
    not_found = 0x84,
    method_not_allowed = 0x85,
    not_acceptable = 0x86,
    request_entity_incomplete = 0x88,
    conflict = 0x89,
    precondition_failed = 0x8c,
    request_entity_too_large = 0x8d,
    unsupported_content_format = 0x8f,
    too_many_requests = 0x9d,
    internal_server_error = 0xa0,
    not_implemented = 0xa1,
    service_unavailable = 0xa3,
    proxying_not_supported = 0xa5,
};

inline int class_of(Code code) {
    return static_cast<int>(code) >> 5;
}
inline bool is_success(Code code) {
    return class_of(code) == 2;
}

/// A request's token, 0 to 8 bytes; whoever answers gives it back. 9 bytes.
struct Token {
    std::array<std::uint8_t, 8> bytes{};
    std::uint8_t size = 0;

    Bytes view() const { return {bytes.data(), size}; }
    bool operator==(const Token&) const = default;  // bytes behind `size` are zero
    static Token from(Bytes view);
};

inline constexpr std::size_t header_bytes = 4;
inline constexpr std::size_t token_bytes_max = 8;

/// The fixed header alone: what can be said of a message whatever follows.
struct Header {
    Type type = Type::confirmable;
    Code code = Code::empty;
    std::uint8_t token_bytes = 0;  // 0 to 15
    std::uint16_t message_id = 0;
};

/// Nothing when the datagram is too short or of another version: it is no CoAP message and is
/// ignored (RFC 7252, 3).
std::optional<Header> peek_header(Bytes datagram);

/// One message, borrowed from its datagram.
struct MessageView {
    Type type = Type::confirmable;
    Code code = Code::empty;
    std::uint16_t message_id = 0;
    Token token;
    Bytes options;  // checked: OptionReader gives them all
    Bytes payload;
};

/// Why a datagram that has a CoAP header is no message (RFC 7252, 3 and 4.1 to 4.3).
enum class DecodeError : std::uint8_t {
    not_coap,          // too short, or another version
    token_too_long,    // lengths 9 to 15 are reserved
    not_empty,         // code 0.00 and bytes behind the header
    reserved_code,     // class 1, 6 or 7
    option_malformed,  // a reserved nibble, or past the end
    option_number,     // above 65,535
    payload_missing,   // the marker with nothing behind it
};

std::string_view decode_error_text(DecodeError error);

/// Takes a datagram apart. @error see DecodeError; all but not_coap come with a readable header.
Result<MessageView, DecodeError> decode_message(Bytes datagram);

/// One option as it stands in a message.
struct OptionView {
    std::uint16_t number = 0;
    Bytes value;
};

/// Walks over options (RFC 7252, 3.1) in their order, which is ascending.
class OptionReader {
public:
    explicit OptionReader(Bytes options) : in_(options) {}

    /// The next option; nothing at the payload marker, at the end, or after an error.
    std::optional<OptionView> next();
    bool failed() const { return error_.has_value(); }
    DecodeError error() const { return *error_; }
    /// Whether next() has met the payload marker; rest() is what follows it.
    bool has_payload() const { return has_payload_; }
    Bytes rest() { return in_.rest(); }
    std::size_t remaining() const { return in_.remaining(); }

private:
    bool extend(std::uint32_t nibble, std::uint32_t& value);

    Reader in_;
    std::uint32_t number_ = 0;
    std::optional<DecodeError> error_;
    bool has_payload_ = false;
};

}  // namespace gw::coap
