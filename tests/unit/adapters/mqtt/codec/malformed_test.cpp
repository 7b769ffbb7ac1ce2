// What a codec can refuse, one row for each statement of the specifications, with the reason code
// that an MQTT 5 peer is told.
#include "tests/support/doctest_strings.hpp"
#include "tests/support/mqtt_packet_text.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <string_view>

namespace gw::mqtt {
namespace {

using testing::ByteVector;
using testing::Link;
using testing::wire;

constexpr Version v31 = Version::v3_1;
constexpr Version v311 = Version::v3_1_1;
constexpr Version v5 = Version::v5;
constexpr Sender client = Sender::client;
constexpr Sender server = Sender::server;
constexpr std::uint8_t malformed = 0x81;
constexpr std::uint8_t protocol = 0x82;

struct Row {
    Version version;
    Sender sender;
    std::uint8_t first_byte;
    std::string_view body;
    DecodeError error;
    std::uint8_t reason;
    std::string_view because;
};

using enum DecodeError;

constexpr Row header_rows[] = {
    {v311, client, 0x00, "", packet_type_reserved, malformed, "type 0 is reserved, 2.1.2"},
    {v5, client, 0x0f, "", packet_type_reserved, malformed, "whatever the flags"},
    {v311, client, 0x11, "", header_flags_invalid, malformed, "CONNECT 0, MQTT-2.1.3-1"},
    {v5, server, 0x28, "", header_flags_invalid, malformed, "CONNACK 0, MQTT-2.1.3-1"},
    {v5, client, 0x41, "", header_flags_invalid, malformed, "PUBACK 0, MQTT-2.1.3-1"},
    {v5, client, 0x52, "", header_flags_invalid, malformed, "PUBREC 0, MQTT-2.1.3-1"},
    {v5, client, 0x60, "", header_flags_invalid, malformed, "PUBREL 2, MQTT-3.6.1-1"},
    {v311, client, 0x6a, "", header_flags_invalid, malformed, "DUP of PUBREL is of 3.1 only"},
    {v5, client, 0x74, "", header_flags_invalid, malformed, "PUBCOMP 0, MQTT-2.1.3-1"},
    {v5, client, 0x80, "", header_flags_invalid, malformed, "SUBSCRIBE 2, MQTT-3.8.1-1"},
    {v5, client, 0x83, "", header_flags_invalid, malformed, "SUBSCRIBE 2, MQTT-3.8.1-1"},
    {v311, client, 0x8a, "", header_flags_invalid, malformed, "DUP of SUBSCRIBE is of 3.1 only"},
    {v31, client, 0x88, "", header_flags_invalid, malformed, "SUBSCRIBE has QoS 1 in 3.1 too"},
    {v5, server, 0x92, "", header_flags_invalid, malformed, "SUBACK 0, MQTT-2.1.3-1"},
    {v5, client, 0xa0, "", header_flags_invalid, malformed, "UNSUBSCRIBE 2, MQTT-3.10.1-1"},
    {v311, client, 0xaa, "", header_flags_invalid, malformed, "DUP of UNSUBSCRIBE is of 3.1 only"},
    {v5, server, 0xb1, "", header_flags_invalid, malformed, "UNSUBACK 0, MQTT-2.1.3-1"},
    {v5, client, 0xc2, "", header_flags_invalid, malformed, "PINGREQ 0, MQTT-2.1.3-1"},
    {v5, server, 0xd4, "", header_flags_invalid, malformed, "PINGRESP 0, MQTT-2.1.3-1"},
    {v5, client, 0xe1, "", header_flags_invalid, malformed, "DISCONNECT 0, MQTT-3.14.1-1"},
    {v5, client, 0xf2, "", header_flags_invalid, malformed, "AUTH 0, MQTT-3.15.1-1"},
    {v311, client, 0x36, "0001't'0001", qos_invalid, malformed, "QoS 3, MQTT-3.3.1-4"},
    {v31, client, 0x3f, "0001't'0001", qos_invalid, malformed, "QoS 3 is reserved in 3.1 too"},
    {v311, client, 0xf0, "", packet_not_in_version, protocol, "15 is reserved, MQTT 3.1.1, 2.2.1"},
    {v31, client, 0xf0, "", packet_not_in_version, protocol, "15 is reserved, MQTT 3.1, 2.1"},
    {v311, client, 0xc0, "00", trailing_bytes, malformed, "PINGREQ is empty, 3.12"},
    {v5, server, 0xd0, "00", trailing_bytes, malformed, "PINGRESP is empty, 3.13"},
};

constexpr Row connect_rows[] = {
    {v311, client, 0x10, "", truncated, malformed, "no protocol name"},
    {v311, client, 0x10, "0004'MQ'", truncated, malformed, "name cut"},
    {v311, client, 0x10, "0004'mqtt' 04 02 0000 0000", protocol_name_invalid, 0x84,
     "letter case counts, MQTT-3.1.2-1"},
    {v311, client, 0x10, "0000 04 02 0000 0000", protocol_name_invalid, 0x84, "empty name"},
    {v311, client, 0x10, "0006'MQTTv5' 05 02 0000 00 0000", protocol_name_invalid, 0x84,
     "no such name"},
    {v311, client, 0x10, "0004'MQTT' 03 02 0000 0000", protocol_version_unsupported, 0x84,
     "level 3 goes with MQIsdp, MQTT-3.1.2-2"},
    {v311, client, 0x10, "0004'MQTT' 06 02 0000 0000", protocol_version_unsupported, 0x84,
     "level 6, MQTT-3.1.2-2"},
    {v311, client, 0x10, "0004'MQTT' 85 02 0000 00 0000", protocol_version_unsupported, 0x84,
     "the bridge bit is of 3.1 and 3.1.1"},
    {v311, client, 0x10, "0006'MQIsdp' 04 02 0000 0000", protocol_version_unsupported, 0x84,
     "level 4 goes with MQTT"},
    {v311, client, 0x10, "0004'MQTT'", truncated, malformed, "no level"},
    {v311, client, 0x10, "0004'MQTT' 04 03 0000 0000", connect_flags_invalid, malformed,
     "reserved flag, MQTT-3.1.2-3"},
    {v5, client, 0x10, "0004'MQTT' 05 01 0000 00 0000", connect_flags_invalid, malformed,
     "reserved flag, MQTT-3.1.2-3"},
    {v311, client, 0x10, "0004'MQTT' 04 0a 0000 0000", connect_flags_invalid, malformed,
     "will QoS without will, MQTT-3.1.2-11"},
    {v5, client, 0x10, "0004'MQTT' 05 12 0000 00 0000", connect_flags_invalid, malformed,
     "will QoS without will, MQTT-3.1.2-11"},
    {v5, client, 0x10, "0004'MQTT' 05 22 0000 00 0000", connect_flags_invalid, malformed,
     "will retain without will, MQTT-3.1.2-13"},
    {v311, client, 0x10, "0004'MQTT' 04 1e 0000 0001'c' 0001't' 0000", will_qos_invalid, malformed,
     "will QoS 3, MQTT-3.1.2-14 of 3.1.1"},
    {v5, client, 0x10, "0004'MQTT' 05 1e 0000 00 0001'c' 00 0001't' 0000", will_qos_invalid,
     malformed, "will QoS 3, MQTT-3.1.2-12"},
    {v31, client, 0x10, "0006'MQIsdp' 03 1e 0000 0001'c' 0001't' 0000", will_qos_invalid, malformed,
     "3 is reserved in 3.1"},
    {v311, client, 0x10, "0004'MQTT' 04 42 0000 0001'c' 0001'p'", connect_flags_invalid, malformed,
     "password without user name, MQTT-3.1.2-22 of 3.1.1"},
    {v31, client, 0x10, "0006'MQIsdp' 03 42 0000 0001'c' 0001'p'", connect_flags_invalid, malformed,
     "password without user name is not valid in 3.1"},
    {v311, client, 0x10, "0004'MQTT' 04 02 0000 0002 c328", utf8_invalid, malformed,
     "client id, MQTT-3.1.3-4"},
    {v311, client, 0x10, "0004'MQTT' 04 02 0000 0003'a'00'b'", utf8_invalid, malformed,
     "U+0000, MQTT-1.5.3-2 of 3.1.1"},
    {v5, client, 0x10, "0004'MQTT' 05 02 0000 00 0003 eda080", utf8_invalid, malformed,
     "surrogate, MQTT-1.5.4-1"},
    {v311, client, 0x10, "0004'MQTT' 04 06 0000 0001'c' 0002'+t' 0000", topic_name_invalid, 0x90,
     "wildcard in the will's topic, MQTT-4.7.1-1"},
    {v311, client, 0x10, "0004'MQTT' 04 06 0000 0001'c' 0000 0000", topic_name_invalid, 0x90,
     "empty will topic, MQTT-4.7.3-1"},
    {v311, client, 0x10, "0004'MQTT' 04 06 0000 0001'c' 0001 ff 0000", utf8_invalid, malformed,
     "will topic, MQTT-3.1.3-10 of 3.1.1"},
    {v311, client, 0x10, "0004'MQTT' 04 82 0000 0001'c' 0001 80", utf8_invalid, malformed,
     "user name, MQTT-3.1.3-11 of 3.1.1"},
    {v311, client, 0x10, "0004'MQTT' 04 82 0000 0001'c'", truncated, malformed,
     "user name flag without one, MQTT-3.1.2-19 of 3.1.1"},
    {v311, client, 0x10, "0004'MQTT' 04 02 0000 0001'c' 0001'u'", trailing_bytes, malformed,
     "user name without its flag, MQTT-3.1.2-18 of 3.1.1"},
    {v5, client, 0x10, "0004'MQTT' 05 02 0000 00 0001'c' 00", trailing_bytes, malformed,
     "one byte over"},
    {v5, client, 0x10, "0004'MQTT' 05 02 0000 03 21 0000 0000", property_value_invalid, protocol,
     "receive maximum 0, 3.1.2.11.3"},
    {v5, client, 0x10, "0004'MQTT' 05 02 0000 05 27 00000000 0000", property_value_invalid,
     protocol, "maximum packet size 0, 3.1.2.11.4"},
    {v5, client, 0x10, "0004'MQTT' 05 02 0000 02 19 02 0000", property_value_invalid, protocol,
     "request response information 2, 3.1.2.11.6"},
    {v5, client, 0x10, "0004'MQTT' 05 02 0000 02 17 ff 0000", property_value_invalid, protocol,
     "request problem information 255, 3.1.2.11.7"},
    {v5, client, 0x10, "0004'MQTT' 05 02 0000 04 16 0001'd' 0000", authentication_method_missing,
     protocol, "authentication data without a method, 3.1.2.11.10"},
    {v5, client, 0x10, "0004'MQTT' 05 06 0000 00 0001'c' 02 01 02 0001't' 0000",
     property_value_invalid, protocol, "payload format 2 in the will, 3.1.3.2.3"},
    {v5, client, 0x10, "0004'MQTT' 05 06 0000 00 0001'c' 05 11 00000001 0001't' 0000",
     property_not_allowed, malformed, "session expiry among the will's properties"},
    {v5, client, 0x10, "0004'MQTT' 05 02 0000 05 18 00000001 0000", property_not_allowed, malformed,
     "will delay among those of CONNECT"},
    {v5, client, 0x10, "0004'MQTT' 05 06 0000 00 0001'c' 0a 18 00000001 18 00000001 0001't' 0000",
     property_repeated, protocol, "will delay twice, 3.1.3.2.2"},
    {v5, client, 0x10, "0004'MQTT' 05 06 0000 00 0001'c' 04 08 0001'#' 0001't' 0000",
     response_topic_invalid, protocol, "wildcard in a response topic, 3.1.3.2.6"},
};

constexpr Row connack_rows[] = {
    {v311, server, 0x20, "00", truncated, malformed, "no return code"},
    {v311, server, 0x20, "02 00", connack_flags_invalid, malformed, "reserved, MQTT-3.2.2-1"},
    {v5, server, 0x20, "80 00 00", connack_flags_invalid, malformed, "reserved, MQTT-3.2.2-1"},
    {v311, server, 0x20, "01 05", session_present_with_error, protocol, "MQTT-3.2.2-4 of 3.1.1"},
    {v5, server, 0x20, "01 87 00", session_present_with_error, protocol, "MQTT-3.2.2-6"},
    {v311, server, 0x20, "00 06", reason_code_invalid, protocol, "6 to 255 are reserved"},
    {v31, server, 0x20, "00 06", reason_code_invalid, protocol, "6 to 255 are reserved"},
    {v5, server, 0x20, "00 01 00", reason_code_invalid, protocol, "MQTT-3.2.2-8"},
    {v5, server, 0x20, "00 00", truncated, malformed, "no property length"},
    {v311, server, 0x20, "00 00 00", trailing_bytes, malformed, "two bytes, 3.2"},
    {v5, server, 0x20, "00 00 02 24 02", property_value_invalid, protocol,
     "maximum QoS is 0 or 1, 3.2.2.3.4"},
    {v5, server, 0x20, "00 00 02 25 02", property_value_invalid, protocol,
     "retain available, 3.2.2.3.5"},
    {v5, server, 0x20, "00 00 02 28 02", property_value_invalid, protocol, "wildcard, 3.2.2.3.11"},
    {v5, server, 0x20, "00 00 02 29 02", property_value_invalid, protocol,
     "identifiers, 3.2.2.3.12"},
    {v5, server, 0x20, "00 00 02 2a 02", property_value_invalid, protocol, "shared, 3.2.2.3.13"},
    {v5, server, 0x20, "00 00 03 21 0000", property_value_invalid, protocol,
     "receive maximum 0, 3.2.2.3.3"},
    {v5, server, 0x20, "00 00 05 27 00000000", property_value_invalid, protocol,
     "maximum packet size 0, 3.2.2.3.6"},
};

constexpr Row publish_rows[] = {
    {v311, client, 0x38, "0001't'", dup_with_qos_0, malformed, "MQTT-3.3.1-2"},
    {v5, client, 0x38, "0001't' 00", dup_with_qos_0, malformed, "MQTT-3.3.1-2"},
    {v311, client, 0x30, "", truncated, malformed, "no topic"},
    {v311, client, 0x30, "ffff'ab'", truncated, malformed, "topic longer than the packet"},
    {v311, client, 0x32, "0001't' 00", truncated, malformed, "packet id cut"},
    {v311, client, 0x32, "0001't' 0000", packet_id_zero, protocol, "MQTT-2.3.1-1 of 3.1.1"},
    {v5, client, 0x34, "0001't' 0000 00", packet_id_zero, protocol, "MQTT-2.2.1-3"},
    {v311, client, 0x30, "0000'x'", topic_name_missing, protocol, "MQTT-4.7.3-1"},
    {v5, client, 0x30, "0000 00'x'", topic_name_missing, protocol, "no alias either, 3.3.2.1"},
    {v311, client, 0x30, "0003'a/+'", topic_name_invalid, 0x90, "MQTT-3.3.2-2"},
    {v5, client, 0x30, "0001'#' 00", topic_name_invalid, 0x90, "MQTT-3.3.2-2"},
    {v5, client, 0x30, "000b'long/topic#' 00", topic_name_invalid, 0x90, "MQTT-3.3.2-2"},
    {v5, client, 0x30, "0009'+ong/topi' 00", topic_name_invalid, 0x90, "MQTT-3.3.2-2"},
    {v5, client, 0x30, "0004 c3a4'/+' 00", topic_name_invalid, 0x90, "behind another letter"},
    {v311, client, 0x30, "0003'a'00'b'", utf8_invalid, malformed, "MQTT-4.7.3-2"},
    {v5, client, 0x30, "0002 c080 00", utf8_invalid, malformed, "overlong, MQTT-1.5.4-1"},
    {v5, client, 0x30, "000a'12345678' ff'a' 00", utf8_invalid, malformed, "MQTT-3.3.2-1"},
    {v5, client, 0x30, "0004 f4908080 00", utf8_invalid, malformed, "over U+10FFFF"},
    {v5, client, 0x30, "0001't'", truncated, malformed, "no property length"},
    {v5, client, 0x30, "0001't' 05 02 000000", truncated, malformed, "properties cut"},
    {v5, client, 0x30, "0001't' 03 02 000000", truncated, malformed,
     "a value over the block's end"},
    {v5, client, 0x30, "0001't' 8000", variable_integer_malformed, malformed,
     "not minimal, MQTT-1.5.5-1"},
    {v5, client, 0x30, "0001't' ffffffff7f", variable_integer_malformed, malformed,
     "five bytes, 1.5.5"},
    {v5, client, 0x30, "0001't' 80", truncated, malformed, "length cut"},
    {v5, client, 0x30, "0001't' 02 7f 00", property_unknown, malformed, "2.2.2.2"},
    {v5, client, 0x30, "0001't' 02 00 00", property_unknown, malformed, "2.2.2.2"},
    {v5, client, 0x30, "0001't' 03 8101 00", property_unknown, malformed, "two-byte identifier"},
    {v5, client, 0x30, "0001't' 02 01 02", property_value_invalid, protocol,
     "payload format 2, 3.3.2.3.2"},
    {v5, client, 0x30, "0001't' 03 23 0000", topic_alias_zero, 0x94, "MQTT-3.3.2-8"},
    {v5, client, 0x30, "0001't' 06 23 0001 23 0001", property_repeated, protocol, "3.3.2.3.4"},
    {v5, client, 0x30, "0001't' 04 01 00 01 00", property_repeated, protocol, "3.3.2.3.2"},
    {v5, client, 0x30, "0001't' 0a 02 00000001 02 00000002", property_repeated, protocol,
     "3.3.2.3.3"},
    {v5, client, 0x30, "0001't' 06 03 0000 03 0000", property_repeated, protocol, "3.3.2.3.9"},
    {v5, client, 0x30, "0001't' 08 08 0001'r' 08 0001'r'", property_repeated, protocol,
     "3.3.2.3.5"},
    {v5, client, 0x30, "0001't' 06 09 0000 09 0000", property_repeated, protocol, "3.3.2.3.6"},
    {v5, client, 0x30, "0001't' 04 03 0001 ff", utf8_invalid, malformed, "content type"},
    {v5, client, 0x30, "0001't' 04 08 0001 ff", utf8_invalid, malformed, "MQTT-3.3.2-13"},
    {v5, client, 0x30, "0001't' 06 08 0003'a/+'", response_topic_invalid, protocol,
     "MQTT-3.3.2-14"},
    {v5, client, 0x30, "0001't' 03 08 0000", response_topic_invalid, protocol, "MQTT-4.7.3-1"},
    {v5, client, 0x30, "0001't' 07 26 0001 80 0001'v'", utf8_invalid, malformed, "user's name"},
    {v5, client, 0x30, "0001't' 07 26 0001'k' 0001 00", utf8_invalid, malformed, "user's value"},
    {v5, client, 0x30, "0001't' 04 26 0001'k'", truncated, malformed, "user's value missing"},
    {v5, client, 0x30, "0001't' 02 0b 01", subscription_identifier_from_client, protocol,
     "MQTT-3.3.4-6"},
    {v5, server, 0x30, "0001't' 02 0b 00", subscription_identifier_zero, protocol, "3.3.2.3.8"},
    {v5, server, 0x30, "0001't' 06 0b ffffffff7f", variable_integer_malformed, malformed, "1.5.5"},
    {v5, client, 0x30, "0001't' 04 1f 0001'r'", property_not_allowed, malformed,
     "a reason string, 2.2.2.2"},
};

constexpr Row ack_rows[] = {
    {v311, client, 0x40, "", truncated, malformed, "no packet id"},
    {v311, client, 0x40, "00", truncated, malformed, "packet id cut"},
    {v311, client, 0x40, "0000", packet_id_zero, protocol, "MQTT-2.3.1-1 of 3.1.1"},
    {v5, client, 0x50, "0000", packet_id_zero, protocol, "2.2.1"},
    {v5, client, 0x62, "0000", packet_id_zero, protocol, "2.2.1"},
    {v5, client, 0x70, "0000", packet_id_zero, protocol, "2.2.1"},
    {v311, client, 0x40, "0001 00", trailing_bytes, malformed, "two bytes, 3.4"},
    {v31, client, 0x62, "0001 00", trailing_bytes, malformed, "two bytes, 3.6"},
    {v5, client, 0x40, "0001 01", reason_code_invalid, protocol, "MQTT-3.4.2-1"},
    {v5, client, 0x50, "0001 92", reason_code_invalid, protocol, "MQTT-3.5.2-1"},
    {v5, client, 0x62, "0001 80", reason_code_invalid, protocol, "MQTT-3.6.2-1"},
    {v5, client, 0x70, "0001 10", reason_code_invalid, protocol, "MQTT-3.7.2-1"},
    {v5, client, 0x40, "0001 00 01", truncated, malformed, "properties cut"},
    {v5, client, 0x40, "0001 00 00 00", trailing_bytes, malformed, "one byte over"},
    {v5, client, 0x40, "0001 00 08 1f 0001'a' 1f 0001'b'", property_repeated, protocol,
     "3.4.2.2.2"},
    {v5, client, 0x40, "0001 00 02 01 00", property_not_allowed, malformed, "2.2.2.2"},
};

constexpr Row subscribe_rows[] = {
    {v311, client, 0x82, "0000 0001'a' 00", packet_id_zero, protocol, "MQTT-2.3.1-1 of 3.1.1"},
    {v5, client, 0x82, "0000 00 0001'a' 00", packet_id_zero, protocol, "MQTT-2.2.1-3"},
    {v311, client, 0x82, "0001", list_empty, protocol, "MQTT-3.8.3-3 of 3.1.1"},
    {v5, client, 0x82, "0001 00", list_empty, protocol, "MQTT-3.8.3-2"},
    {v311, client, 0x82, "0001 0001'a'", truncated, malformed, "no options"},
    {v311, client, 0x82, "0001 0005'a' 00", truncated, malformed, "filter cut"},
    {v311, client, 0x82, "0001 0001 ff 00", utf8_invalid, malformed, "MQTT-3.8.3-1"},
    {v311, client, 0x82, "0001 0001'a' 03", subscription_qos_invalid, protocol, "MQTT-3.8.3-4"},
    {v31, client, 0x82, "0001 0001'a' 03", subscription_qos_invalid, protocol, "3 is reserved"},
    {v5, client, 0x82, "0001 00 0001'a' 03", subscription_qos_invalid, protocol, "3.8.3.1"},
    {v311, client, 0x82, "0001 0001'a' 04", subscription_options_reserved, malformed,
     "MQTT-3-8.3-4 of 3.1.1"},
    {v5, client, 0x82, "0001 00 0001'a' 40", subscription_options_reserved, malformed,
     "MQTT-3.8.3-5"},
    {v5, client, 0x82, "0001 00 0001'a' 80", subscription_options_reserved, malformed,
     "MQTT-3.8.3-5"},
    {v5, client, 0x82, "0001 00 0001'a' 30", retain_handling_invalid, protocol, "3.8.3.1"},
    {v5, client, 0x82, "0001 00 000a'$share/g/a' 04", no_local_on_shared, protocol, "MQTT-3.8.3-4"},
    {v5, client, 0x82, "0001 00 0001'a' 00 0001'b' 03", subscription_qos_invalid, protocol,
     "the second entry counts too"},
    {v5, client, 0x82, "0001 02 0b 00 0001'a' 00", subscription_identifier_zero, protocol,
     "3.8.2.1.2"},
    {v5, client, 0x82, "0001 04 0b 01 0b 02 0001'a' 00", property_repeated, protocol, "3.8.2.1.2"},
    {v5, client, 0x82, "0001 03 0b 8000 0001'a' 00", variable_integer_malformed, malformed,
     "MQTT-1.5.5-1"},
    {v5, client, 0x82, "0001 04 1f 0001'r' 0001'a' 00", property_not_allowed, malformed, "2.2.2.2"},
    {v311, server, 0x90, "0000 00", packet_id_zero, protocol, "2.3.1 of 3.1.1"},
    {v311, server, 0x90, "0001", list_empty, protocol, "a code for each filter, 3.9.3"},
    {v311, server, 0x90, "0001 03", reason_code_invalid, protocol, "MQTT-3.9.3-2 of 3.1.1"},
    {v311, server, 0x90, "0001 87", reason_code_invalid, protocol, "MQTT-3.9.3-2 of 3.1.1"},
    {v5, server, 0x90, "0001 00", list_empty, protocol, "MQTT-3.8.4-6"},
    {v5, server, 0x90, "0001 00 03", reason_code_invalid, protocol, "MQTT-3.9.3-2"},
    {v5, server, 0x90, "0001 00 00 11", reason_code_invalid, protocol, "of UNSUBACK only"},
    {v311, client, 0xa2, "0000 0001'a'", packet_id_zero, protocol, "MQTT-2.3.1-1 of 3.1.1"},
    {v311, client, 0xa2, "0001", list_empty, protocol, "MQTT-3.10.3-2"},
    {v5, client, 0xa2, "0001 00", list_empty, protocol, "MQTT-3.10.3-2"},
    {v311, client, 0xa2, "0001 0002'a'", truncated, malformed, "filter cut"},
    {v5, client, 0xa2, "0001 00 0001 ff", utf8_invalid, malformed, "MQTT-3.10.3-1"},
    {v5, client, 0xa2, "0001 02 0b 01 0001'a'", property_not_allowed, malformed, "2.2.2.2"},
    {v311, server, 0xb0, "0001 00", trailing_bytes, malformed, "no payload, 3.11.3 of 3.1.1"},
    {v5, server, 0xb0, "0001 00", list_empty, protocol, "3.11.3"},
    {v5, server, 0xb0, "0001 00 01", reason_code_invalid, protocol, "MQTT-3.11.3-2"},
    {v5, server, 0xb0, "0000 00 00", packet_id_zero, protocol, "2.2.1"},
};

constexpr Row control_rows[] = {
    {v311, client, 0xe0, "00", trailing_bytes, malformed, "DISCONNECT is empty, 3.14 of 3.1.1"},
    {v5, client, 0xe0, "01", reason_code_invalid, protocol, "MQTT-3.14.2-1"},
    {v5, client, 0xe0, "8b", reason_code_invalid, protocol, "sent by servers, 3.14.2.1"},
    {v5, server, 0xe0, "04", reason_code_invalid, protocol, "sent by clients, 3.14.2.1"},
    {v5, client, 0xe0, "00 05 11 0000", truncated, malformed, "properties cut"},
    {v5, client, 0xe0, "00 00 00", trailing_bytes, malformed, "one byte over"},
    {v5, server, 0xe0, "8b 05 11 00000001", session_expiry_from_server, protocol, "MQTT-3.14.2-2"},
    {v5, client, 0xe0, "00 0a 11 00000001 11 00000001", property_repeated, protocol, "3.14.2.2.2"},
    {v5, client, 0xe0, "00 04 15 0001'm'", property_not_allowed, malformed, "2.2.2.2"},
    {v5, client, 0xf0, "", reason_code_invalid, protocol, "success is the server's, 3.15.2.1"},
    {v5, client, 0xf0, "00 04 15 0001'm'", reason_code_invalid, protocol, "MQTT-3.15.2-1"},
    {v5, server, 0xf0, "19 04 15 0001'm'", reason_code_invalid, protocol, "MQTT-3.15.2-1"},
    {v5, client, 0xf0, "18", truncated, malformed, "no property length, 3.15.2.1"},
    {v5, client, 0xf0, "18 00", authentication_method_missing, protocol, "3.15.2.2.2"},
    {v5, client, 0xf0, "18 04 16 0001'd'", authentication_method_missing, protocol, "3.15.2.2.2"},
    {v5, client, 0xf0, "18 08 15 0001'm' 15 0001'm'", property_repeated, protocol, "3.15.2.2.2"},
    {v5, client, 0xf0, "18 04 15 0001'm' 00", trailing_bytes, malformed, "one byte over"},
};

/// What reading and decoding the row's packet ends with.
std::optional<DecodeError> failure_of(const Row& row) {
    const ByteVector body = wire(row.body);
    REQUIRE(body.size() < 128);
    ByteVector packet{row.first_byte, static_cast<std::uint8_t>(body.size())};
    packet.insert(packet.end(), body.begin(), body.end());
    const FrameOutcome outcome = read_frame(packet, packet.size(), row.version);
    if (outcome.status == FrameStatus::error) {
        return outcome.error;
    }
    REQUIRE(outcome.status == FrameStatus::frame);
    return testing::decode_failure(outcome.frame, Link{row.version, row.sender});
}

template <std::size_t count>
void check_rows(const Row (&rows)[count]) {
    for (const Row& row : rows) {
        CAPTURE(static_cast<int>(row.first_byte));
        CAPTURE(row.body);
        CAPTURE(row.because);
        const auto failure = failure_of(row);
        REQUIRE(failure);
        CHECK(decode_error_text(*failure) == decode_error_text(row.error));
        CHECK(static_cast<int>(reason_code(*failure)) == row.reason);
    }
}

TEST_CASE("bad fixed headers and empty packets are refused") {
    check_rows(header_rows);
}
TEST_CASE("a bad CONNECT is refused") {
    check_rows(connect_rows);
}
TEST_CASE("a bad CONNACK is refused") {
    check_rows(connack_rows);
}
TEST_CASE("a bad PUBLISH is refused") {
    check_rows(publish_rows);
}
TEST_CASE("bad acknowledgements are refused") {
    check_rows(ack_rows);
}
TEST_CASE("bad SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK are refused") {
    check_rows(subscribe_rows);
}
TEST_CASE("bad DISCONNECT and AUTH are refused") {
    check_rows(control_rows);
}

TEST_CASE("every error is in a table, and its sentence is its own") {
    std::set<DecodeError> seen = {remaining_length_malformed, packet_too_large};  // frame_test
    const auto note = [&seen](const auto& rows) {
        for (const Row& row : rows) {
            seen.insert(row.error);
        }
    };
    note(header_rows);
    note(connect_rows);
    note(connack_rows);
    note(publish_rows);
    note(ack_rows);
    note(subscribe_rows);
    note(control_rows);
    std::set<std::string_view> sentences;
    for (int value = 0; value <= static_cast<int>(session_present_with_error); ++value) {
        CAPTURE(value);
        const auto error = static_cast<DecodeError>(value);
        CHECK(seen.contains(error));
        CHECK(is_error(reason_code(error)));
        sentences.insert(decode_error_text(error));
    }
    CHECK(sentences.size() == seen.size());
}

TEST_CASE("a refused CONNECT tells the version to answer in, if it got that far") {
    struct Reply {
        std::string_view body;
        std::optional<Version> version;
        std::string_view because;
    };
    static constexpr Reply replies[] = {
        {"0004'MQT'", std::nullopt, "name cut"},
        {"0004'HTTP' 04", std::nullopt, "not MQTT at all"},
        {"0004'MQTT'", std::nullopt, "no level"},
        {"0004'MQTT' 02", v311, "older than 3.1.1: return code 1"},
        {"0004'MQTT' 06", v5, "newer than 5: reason 0x84"},
        {"0006'MQIsdp' 05", v31, "a client of 3.1 or before"},
        {"0004'MQTT' 04", v311, "no flags"},
        {"0004'MQTT' 05 01 0000 00 0000", v5, "flags wrong"},
        {"0004'MQTT' 05 02 0000 03 21 0000 0000", v5, "property wrong"},
        {"0006'MQIsdp' 83 02", v31, "a bridge of 3.1"},
    };
    for (const Reply& row : replies) {
        CAPTURE(row.body);
        CAPTURE(row.because);
        ByteBuffer scratch;
        const ByteVector body = wire(row.body);
        const auto packet = decode_connect(body, scratch);
        REQUIRE_FALSE(packet);
        CHECK((packet.error().reply_version == row.version));
    }
}

TEST_CASE("what version 3.1 leaves open is accepted from its clients only") {
    struct Liberal {
        std::uint8_t first_byte;
        std::string_view body;
        std::string_view text;
        std::string_view because;
    };
    static constexpr Liberal rows[] = {
        {0x6a, "0001", "PUBREL id=1", "DUP marks a repeated PUBREL, MQTT 3.1, 3.6"},
        {0x8a, "0001 0001'a' 01", "SUBSCRIBE id=1 count=1 filter='a' qos=1",
         "DUP marks a repeated SUBSCRIBE, MQTT 3.1, 3.8"},
        {0xaa, "0001 0001'a'", "UNSUBSCRIBE id=1 count=1 filter='a'",
         "DUP marks a repeated UNSUBSCRIBE, MQTT 3.1, 3.10"},
        {0x38, "0001't''x'", "PUBLISH topic='t' payload='x'", "DUP means nothing with QoS 0"},
        {0x82, "0001 0001'a' fd", "SUBSCRIBE id=1 count=1 filter='a' qos=1",
         "upper bits of the requested QoS are not spoken of, MQTT 3.1, 3.8"},
        {0x10, "0006'MQIsdp' 03 3b 0000 0001'c'", "CONNECT level=3 clean client_id='c'",
         "the reserved flag and a will's bits without a will are ignored, MQTT 3.1, 3.1"},
        {0x10, "0006'MQIsdp' 03 c2 0000 0001'c'", "CONNECT level=3 clean client_id='c'",
         "flags of user name and password without them, MQTT 3.1, 3.1"},
    };
    for (const Liberal& row : rows) {
        CAPTURE(row.because);
        const ByteVector body = wire(row.body);
        ByteVector packet{row.first_byte, static_cast<std::uint8_t>(body.size())};
        packet.insert(packet.end(), body.begin(), body.end());
        const FrameOutcome outcome = read_frame(packet, packet.size(), v31);
        REQUIRE(outcome.status == FrameStatus::frame);
        CHECK(std::string_view{describe(outcome.frame, Link{v31, client})} == row.text);
    }
}

}  // namespace
}  // namespace gw::mqtt
