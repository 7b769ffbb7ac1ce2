#include "adapters/stomp/codec/decode_error.hpp"

#include "broker-core/base/assert.hpp"

namespace gw::stomp {

std::string_view decode_error_text(DecodeError error) {
    switch (error) {
        case DecodeError::command_unknown:
            return "unknown command";
        case DecodeError::connect_expected:
            return "the first frame must be CONNECT or STOMP";
        case DecodeError::line_too_long:
            return "a line of the frame is too long";
        case DecodeError::too_many_headers:
            return "too many headers";
        case DecodeError::nul_in_head:
            return "NUL before the empty line that ends the headers";
        case DecodeError::header_malformed:
            return "a header line needs a name and a colon";
        case DecodeError::header_escape_invalid:
            return "undefined escape sequence in a header";
        case DecodeError::header_not_utf8:
            return "headers are not UTF-8";
        case DecodeError::content_length_invalid:
            return "content-length is not a number";
        case DecodeError::body_too_large:
            return "the body is too large";
        case DecodeError::body_not_allowed:
            return "this command has no body";
        case DecodeError::body_not_terminated:
            return "no NUL after the octets that content-length announced";
    }
    GW_UNREACHABLE();
}

ReasonCode reason_code(DecodeError error) {
    switch (error) {
        case DecodeError::connect_expected:
            return ReasonCode::protocol_error;
        case DecodeError::line_too_long:
        case DecodeError::too_many_headers:
        case DecodeError::body_too_large:
            return ReasonCode::packet_too_large;
        case DecodeError::command_unknown:
        case DecodeError::nul_in_head:
        case DecodeError::header_malformed:
        case DecodeError::header_escape_invalid:
        case DecodeError::header_not_utf8:
        case DecodeError::content_length_invalid:
        case DecodeError::body_not_allowed:
        case DecodeError::body_not_terminated:
            return ReasonCode::malformed_packet;
    }
    GW_UNREACHABLE();
}

}  // namespace gw::stomp
