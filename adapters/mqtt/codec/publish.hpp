#pragma once

#include "adapters/mqtt/codec/decode_error.hpp"
#include "adapters/mqtt/codec/frame.hpp"
#include "adapters/mqtt/codec/property.hpp"
#include "broker-core/base/bytes.hpp"
#include "broker-core/base/result.hpp"
#include "broker-core/message/qos.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace gw::mqtt {

/// PUBLISH as received (MQTT 5.0, 3.3). Borrows from the frame and, for `properties`, perhaps from
/// the decoder's scratch buffer.
struct PublishPacket {
    std::string_view topic;  // valid UTF-8 without wildcards; empty only with a topic alias
    Bytes payload;           // not checked against the payload format indicator
    /// The properties that travel on, in received order: block of
    /// broker-core/message/properties.hpp.
    Bytes properties;
    std::optional<std::uint32_t> message_expiry_interval;  // seconds
    std::uint32_t user_property_count = 0;                 // of those in `properties`
    std::uint16_t packet_id = 0;                           // 0 exactly with QoS 0
    std::uint16_t topic_alias = 0;                         // 0: none
    Qos qos = Qos::at_most_once;
    bool dup = false;
    bool retain = false;
    bool payload_is_utf8 = false;                      // payload format indicator 1
    SubscriptionIdentifiers subscription_identifiers;  // only from a server
};

/// How decode_publish() reads.
struct PublishRules {
    Version version = Version::v5;
    Sender sender = Sender::client;
};

/// Decodes a PUBLISH into `packet`, all of whose fields are set; after an error they mean nothing.
///
/// @param  scratch  overwritten when expiry, alias or identifiers stand between the properties that
///                  travel on, so that these must be copied together; `packet.properties` then
///                  points into it and lives until its next use.
/// @error  qos_invalid, dup_with_qos_0, topic_name_missing, topic_name_invalid, packet_id_zero,
///         topic_alias_zero, subscription_identifier_from_client, and those of properties and text
Result<void, DecodeError> decode_publish(const Frame& frame, PublishRules rules,
                                         ByteBuffer& scratch, PublishPacket& packet);

/// PUBLISH to be sent.
struct PublishOut {
    std::string_view topic;  // at most 65,535 bytes
    Bytes payload;
    Bytes properties;  // block of broker-core/message/properties.hpp; left out below version 5
    std::span<const std::uint32_t> subscription_identifiers;  // each 1 to 268,435,455
    std::optional<std::uint32_t> message_expiry_interval;     // seconds that remain
    std::uint16_t packet_id = 0;                              // 0 exactly with QoS 0
    std::uint16_t topic_alias = 0;                            // 0: none
    bool alias_known = false;  // the peer knows the alias: the topic is left out
    Qos qos = Qos::at_most_once;
    bool dup = false;
    bool retain = false;
};

/// Size of the whole packet in bytes. Callers compare it with the peer's maximum packet size, and
/// with protocol_packet_bytes_max, before they encode.
std::size_t publish_size(Version version, const PublishOut& packet);

/// Appends the packet. Its size must not exceed protocol_packet_bytes_max.
void encode_publish(ByteBuffer& out, Version version, const PublishOut& packet);

/// Appends all up to the payload, whose `packet.payload.size()` bytes must follow it on the wire:
/// for large payloads, which are gathered instead of copied.
void encode_publish_header(ByteBuffer& out, Version version, const PublishOut& packet);

}  // namespace gw::mqtt
