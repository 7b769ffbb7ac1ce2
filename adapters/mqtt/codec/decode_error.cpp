#include "adapters/mqtt/codec/decode_error.hpp"

#include <array>
#include <cstddef>

namespace gw::mqtt {

namespace {

struct Meaning {
    DecodeError error;
    ReasonCode reason;
    std::string_view text;
};

using enum DecodeError;
constexpr ReasonCode malformed = ReasonCode::malformed_packet;
constexpr ReasonCode protocol = ReasonCode::protocol_error;

/// In the order of the enumerators. The sections are those of MQTT 5.0.
constexpr auto meanings = std::to_array<Meaning>({
    // 1.5.5, 2.1.4
    {remaining_length_malformed, malformed,
     "The remaining length is longer than four bytes or not minimal."},
    // 3.1.2.11.4
    {packet_too_large, ReasonCode::packet_too_large, "The packet is larger than allowed."},
    // 2.1.2
    {packet_type_reserved, malformed, "The packet type is reserved."},
    // 3.15; 2.2.1 of MQTT 3.1.1
    {packet_not_in_version, protocol, "The packet type does not exist in this protocol version."},
    // 2.1.3
    {header_flags_invalid, malformed,
     "The flags of the fixed header are not those of the packet type."},
    {truncated, malformed, "A field ends beyond the packet."},
    {trailing_bytes, malformed, "There are bytes behind the last field."},
    // 1.5.4
    {utf8_invalid, malformed, "A string is not well-formed UTF-8 or has U+0000 in it."},
    // 1.5.5
    {variable_integer_malformed, malformed, "A variable byte integer is too long or not minimal."},
    // 3.1.2.1
    {protocol_name_invalid, ReasonCode::unsupported_protocol_version,
     "The protocol name is not MQTT."},
    // 3.1.2.2
    {protocol_version_unsupported, ReasonCode::unsupported_protocol_version,
     "The protocol version is not supported."},
    // 3.1.2.3 to 3.1.2.9
    {connect_flags_invalid, malformed,
     "The connect flags contradict each other or the reserved one is set."},
    // 3.1.2.6
    {will_qos_invalid, malformed, "The will's QoS is 3."},
    // 3.3.1.2
    {qos_invalid, malformed, "The QoS is 3."},
    // 3.3.1.1
    {dup_with_qos_0, malformed, "DUP is set with QoS 0."},
    // 2.2.1
    {packet_id_zero, protocol, "The packet identifier is 0."},
    // 3.3.2.1
    {topic_name_missing, protocol, "There is neither topic name nor topic alias."},
    // 3.3.2.1, 4.7.1
    {topic_name_invalid, ReasonCode::topic_name_invalid,
     "The topic name is empty or has wildcards."},
    // 3.3.2.3.4
    {topic_alias_zero, ReasonCode::topic_alias_invalid, "The topic alias is 0."},
    // 2.2.2.2
    {property_unknown, malformed, "A property identifier is unknown."},
    // 2.2.2.2
    {property_not_allowed, malformed, "A property does not belong in this packet."},
    // 2.2.2.2 and each property's section
    {property_repeated, protocol, "A property stands twice that may stand once."},
    // each property's section
    {property_value_invalid, protocol, "The value of a property is out of its range."},
    // 3.3.2.3.5
    {response_topic_invalid, protocol, "The response topic is empty or has wildcards."},
    // 3.8.2.1.2, 3.3.2.3.8
    {subscription_identifier_zero, protocol, "The subscription identifier is 0."},
    // 3.3.4
    {subscription_identifier_from_client, protocol,
     "A client's PUBLISH has a subscription identifier."},
    // 3.14.2.2.2
    {session_expiry_from_server, protocol, "A server's DISCONNECT has a session expiry interval."},
    // 3.1.2.11.10, 3.15.2.2.2
    {authentication_method_missing, protocol,
     "Authentication data or an AUTH packet comes without a method."},
    // 3.8.3, 3.10.3
    {list_empty, protocol, "The packet has no entry."},
    // 3.8.3.1
    {subscription_options_reserved, malformed,
     "Reserved bits of the subscription options are set."},
    // 3.8.3.1
    {subscription_qos_invalid, protocol, "The QoS of a subscription is 3."},
    // 3.8.3.1
    {retain_handling_invalid, protocol, "The retain handling of a subscription is 3."},
    // 3.8.3.1
    {no_local_on_shared, protocol, "A shared subscription asks for no local."},
    // 3.2.2.2 and its like
    {reason_code_invalid, protocol, "The reason code does not belong in this packet."},
    // 3.2.2.1
    {connack_flags_invalid, malformed, "Reserved bits of the acknowledge flags are set."},
    // 3.2.2.1.1
    {session_present_with_error, protocol,
     "Session present is set although the connection is refused."},
});

constexpr bool is_in_order() {
    for (std::size_t i = 0; i < meanings.size(); ++i) {
        if (static_cast<std::size_t>(meanings[i].error) != i) {
            return false;
        }
    }
    return static_cast<std::size_t>(session_present_with_error) + 1 == meanings.size();
}
static_assert(is_in_order(), "each error has its row, found by its value");

}  // namespace

std::string_view decode_error_text(DecodeError error) {
    return meanings[static_cast<std::size_t>(error)].text;
}

ReasonCode reason_code(DecodeError error) {
    return meanings[static_cast<std::size_t>(error)].reason;
}

}  // namespace gw::mqtt
