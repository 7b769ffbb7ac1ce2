#pragma once

#include "broker-core/message/reason.hpp"

#include <cstdint>
#include <string_view>

namespace gw::stomp {

/// Why bytes are not a frame, or not one that may come now. decode_error_text() has the sentence
/// for the ERROR frame, reason_code() what counters and events call it.
enum class DecodeError : std::uint8_t {
    command_unknown,
    connect_expected,
    line_too_long,
    too_many_headers,
    nul_in_head,
    header_malformed,
    header_escape_invalid,
    header_not_utf8,
    content_length_invalid,
    body_too_large,
    body_not_allowed,
    body_not_terminated,
};

/// One sentence for a log or an ERROR frame.
std::string_view decode_error_text(DecodeError error);

ReasonCode reason_code(DecodeError error);

}  // namespace gw::stomp
