#pragma once

#include "broker-core/message/reason.hpp"

#include <cstdint>
#include <string_view>

namespace gw::mqtt {

/// Why bytes are not a packet. decode_error_text() has the sentence, reason_code() what an MQTT 5
/// peer is told.
enum class DecodeError : std::uint8_t {
    remaining_length_malformed,
    packet_too_large,
    packet_type_reserved,
    packet_not_in_version,
    header_flags_invalid,
    truncated,
    trailing_bytes,
    utf8_invalid,
    variable_integer_malformed,
    protocol_name_invalid,
    protocol_version_unsupported,
    connect_flags_invalid,
    will_qos_invalid,
    qos_invalid,
    dup_with_qos_0,
    packet_id_zero,
    topic_name_missing,
    topic_name_invalid,
    topic_alias_zero,
    property_unknown,
    property_not_allowed,
    property_repeated,
    property_value_invalid,
    response_topic_invalid,
    subscription_identifier_zero,
    subscription_identifier_from_client,
    session_expiry_from_server,
    authentication_method_missing,
    list_empty,
    subscription_options_reserved,
    subscription_qos_invalid,
    retain_handling_invalid,
    no_local_on_shared,
    reason_code_invalid,
    connack_flags_invalid,
    session_present_with_error,
};

/// One sentence for a log or a reason string.
std::string_view decode_error_text(DecodeError error);

/// What MQTT 5 calls it on the wire (MQTT 5.0, 4.13): malformed packet, protocol error, or the
/// particular code that the section of the field names.
ReasonCode reason_code(DecodeError error);

}  // namespace gw::mqtt
