#pragma once

#include "adapters/mqtt/codec/decode_error.hpp"
#include "adapters/mqtt/codec/frame.hpp"
#include "adapters/mqtt/codec/property.hpp"
#include "broker-core/base/bytes.hpp"
#include "broker-core/base/result.hpp"
#include "broker-core/message/qos.hpp"
#include "broker-core/message/reason.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace gw::mqtt {

/// The message that the server publishes for a client that is gone (MQTT 5.0, 3.1.2.5 and 3.1.3.2).
struct Will {
    std::string_view topic;  // a topic name without wildcards, not empty
    Bytes payload;
    Qos qos = Qos::at_most_once;
    bool retain = false;
    std::uint32_t delay_interval = 0;                      // seconds
    std::optional<std::uint32_t> message_expiry_interval;  // seconds
    Bytes properties;  // block of broker-core/message/properties.hpp, to be sent on
    std::uint32_t user_property_count = 0;  // of those in `properties`
};

/// CONNECT (MQTT 5.0, 3.1). Fields of MQTT 5 have the value that their absence means.
struct ConnectPacket {
    Version version = Version::v5;
    bool is_bridge = false;  // protocol level with bit 0x80, which bridges of mosquitto set
    bool clean_start = true;
    std::uint16_t keep_alive = 0;  // seconds; 0: none
    std::string_view client_id;    // may be empty
    std::optional<Will> will;
    std::optional<std::string_view> username;
    std::optional<Bytes> password;

    std::uint32_t session_expiry_interval = 0;  // seconds; 0xffffffff: never
    std::uint16_t receive_maximum = 65535;
    std::optional<std::uint32_t> maximum_packet_size;
    std::uint16_t topic_alias_maximum = 0;
    bool request_response_information = false;
    bool request_problem_information = true;
    std::optional<std::string_view> authentication_method;
    std::optional<Bytes> authentication_data;  // only together with a method
    UserProperties user_properties;
};

/// Why a CONNECT was refused, and the version to answer in; nothing when it cannot be told, and
/// then the connection is closed without an answer.
struct ConnectError {
    DecodeError error;
    std::optional<Version> reply_version;
};

/// Decodes the body of a CONNECT. The result borrows from `body` and `scratch`.
///
/// @param  scratch  overwritten when the will's properties must be put together; then holds them.
/// @error  protocol_name_invalid         neither "MQTT" nor "MQIsdp"
/// @error  protocol_version_unsupported  right name, unknown level: to be answered with return code
///         1 or reason 0x84, in `reply_version` (MQTT 5.0, 3.1.2.2)
/// @error  others of this packet's section
/// Limits of a server on client id, topic and counts are not checked here, nor that version 3.1
/// wants 1 to 23 characters of client id.
Result<ConnectPacket, ConnectError> decode_connect(Bytes body, ByteBuffer& scratch);

/// Size of the whole packet and its encoding, for the client side.
std::size_t connect_size(const ConnectPacket& packet);
void encode_connect(ByteBuffer& out, const ConnectPacket& packet);

/// CONNACK (MQTT 5.0, 3.2). Below version 5 only the first two fields are on the wire.
struct ConnackPacket {
    ReasonCode reason = ReasonCode::success;
    bool session_present = false;  // not in 3.1, and never with an error

    std::optional<std::uint32_t> session_expiry_interval;  // seconds, when not what CONNECT asked
    std::uint16_t receive_maximum = 65535;
    Qos maximum_qos = Qos::exactly_once;
    bool retain_available = true;
    std::optional<std::uint32_t> maximum_packet_size;
    std::optional<std::string_view> assigned_client_identifier;
    std::uint16_t topic_alias_maximum = 0;
    std::optional<std::string_view> reason_string;
    UserProperties user_properties;
    bool wildcard_subscription_available = true;
    bool subscription_identifier_available = true;
    bool shared_subscription_available = true;
    std::optional<std::uint16_t> server_keep_alive;  // seconds
    std::optional<std::string_view> response_information;
    std::optional<std::string_view> server_reference;
    std::optional<std::string_view> authentication_method;
    std::optional<Bytes> authentication_data;
};

/// The return code of MQTT 3.1 and 3.1.1 that comes nearest (MQTT 3.1.1, 3.2.2.3): 0 for success,
/// else 1 unacceptable protocol version, 2 identifier rejected, 3 server unavailable, 4 bad user
/// name or password, 5 not authorized.
std::uint8_t connack_return_code(ReasonCode reason);

Result<ConnackPacket, DecodeError> decode_connack(Bytes body, Version version);

/// Size of the whole packet, and its encoding. Properties with their default value are left out.
std::size_t connack_size(Version version, const ConnackPacket& packet);
void encode_connack(ByteBuffer& out, Version version, const ConnackPacket& packet);

}  // namespace gw::mqtt
