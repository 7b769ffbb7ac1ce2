#pragma once

#include "broker-core/base/bytes.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

/// The messages of MQTT-SN 1.2, section 5.4, as values. Texts and data are borrowed from the
/// datagram that was decoded; nothing in here has been checked beyond its form.
namespace gw::mqttsn {

enum class MessageType : std::uint8_t {
    advertise = 0x00,
    searchgw = 0x01,
    gwinfo = 0x02,
    connect = 0x04,
    connack = 0x05,
    willtopicreq = 0x06,
    willtopic = 0x07,
    willmsgreq = 0x08,
    willmsg = 0x09,
    register_topic = 0x0a,
    regack = 0x0b,
    publish = 0x0c,
    puback = 0x0d,
    pubcomp = 0x0e,
    pubrec = 0x0f,
    pubrel = 0x10,
    subscribe = 0x12,
    suback = 0x13,
    unsubscribe = 0x14,
    unsuback = 0x15,
    pingreq = 0x16,
    pingresp = 0x17,
    disconnect = 0x18,
    willtopicupd = 0x1a,
    willtopicresp = 0x1b,
    willmsgupd = 0x1c,
    willmsgresp = 0x1d,
    encapsulated = 0xfe,
};

/// Section 5.3.10. Values above are reserved and mean a refusal.
enum class ReturnCode : std::uint8_t {
    accepted = 0x00,
    congestion = 0x01,
    invalid_topic_id = 0x02,
    not_supported = 0x03,
};

/// How a topic id is to be read (section 5.3.4).
enum class TopicIdType : std::uint8_t {
    normal = 0,      // registered; in SUBSCRIBE and UNSUBSCRIBE a topic name stands in its place
    predefined = 1,  // known to both sides beforehand
    short_name = 2,  // the two characters of the topic name itself
    reserved = 3,
};

/// Quality of service on the wire: two bits, of which 0b11 is "-1": publish without a connection.
enum class WireQos : std::uint8_t { qos_0 = 0, qos_1 = 1, qos_2 = 2, qos_minus_1 = 3 };

/// The Flags field (section 5.3.4).
struct Flags {
    std::uint8_t bits = 0;

    bool dup() const { return (bits & 0x80) != 0; }
    WireQos qos() const { return static_cast<WireQos>(bits >> 5 & 3); }
    bool retain() const { return (bits & 0x10) != 0; }
    bool will() const { return (bits & 0x08) != 0; }
    bool clean_session() const { return (bits & 0x04) != 0; }
    TopicIdType topic_id_type() const { return static_cast<TopicIdType>(bits & 3); }

    Flags& set_dup(bool on) { return set(0x80, on); }
    Flags& set_qos(WireQos qos) {
        bits = static_cast<std::uint8_t>((bits & ~0x60) | static_cast<int>(qos) << 5);
        return *this;
    }
    Flags& set_retain(bool on) { return set(0x10, on); }
    Flags& set_will(bool on) { return set(0x08, on); }
    Flags& set_clean_session(bool on) { return set(0x04, on); }
    Flags& set_topic_id_type(TopicIdType type) {
        bits = static_cast<std::uint8_t>((bits & ~0x03) | static_cast<int>(type));
        return *this;
    }
    bool operator==(const Flags&) const = default;

private:
    Flags& set(int mask, bool on) {
        bits = static_cast<std::uint8_t>(on ? bits | mask : bits & ~mask);
        return *this;
    }
};

struct Advertise {
    std::uint8_t gateway_id = 0;
    std::uint16_t duration = 0;  // seconds until the next one
};
struct SearchGateway {
    std::uint8_t radius = 0;  // of the broadcast; 0: all nodes
};
struct GatewayInfo {
    std::uint8_t gateway_id = 0;
    Bytes address;  // only when a client says it
};
struct Connect {
    Flags flags;  // will, clean session
    std::uint8_t protocol_id = 1;
    std::uint16_t duration = 0;  // keep alive, seconds
    std::string_view client_id;
};
struct Connack {
    ReturnCode code = ReturnCode::accepted;
};
struct WillTopicRequest {};
/// Answers WillTopicRequest. Without flags and topic: there shall be no will.
struct WillTopic {
    Flags flags;  // QoS, retain
    std::string_view topic;
};
struct WillMessageRequest {};
struct WillMessage {
    Bytes message;
};
struct Register {
    std::uint16_t topic_id = 0;  // 0 when a client asks for one
    std::uint16_t message_id = 0;
    std::string_view topic;
};
struct Regack {
    std::uint16_t topic_id = 0;
    std::uint16_t message_id = 0;
    ReturnCode code = ReturnCode::accepted;
};
struct Publish {
    Flags flags;
    std::uint16_t topic_id = 0;  // or the two characters of a short name
    std::uint16_t message_id = 0;
    Bytes data;
};
struct Puback {
    std::uint16_t topic_id = 0;
    std::uint16_t message_id = 0;
    ReturnCode code = ReturnCode::accepted;
};
struct Pubcomp {
    std::uint16_t message_id = 0;
};
struct Pubrec {
    std::uint16_t message_id = 0;
};
struct Pubrel {
    std::uint16_t message_id = 0;
};
/// What SUBSCRIBE and UNSUBSCRIBE name: a predefined id, or a name.
struct TopicReference {
    std::string_view name;       // unless the type is `predefined`
    std::uint16_t topic_id = 0;  // of a predefined topic
};
struct Subscribe {
    Flags flags;  // DUP, QoS, topic id type
    std::uint16_t message_id = 0;
    TopicReference topic;
};
struct Suback {
    Flags flags;  // the QoS granted
    std::uint16_t topic_id = 0;
    std::uint16_t message_id = 0;
    ReturnCode code = ReturnCode::accepted;
};
struct Unsubscribe {
    Flags flags;  // topic id type
    std::uint16_t message_id = 0;
    TopicReference topic;
};
struct Unsuback {
    std::uint16_t message_id = 0;
};
struct Pingreq {
    std::string_view client_id;  // of a sleeping client; else empty
};
struct Pingresp {};
struct Disconnect {
    std::optional<std::uint16_t> duration;  // seconds that the client will sleep
};
/// Without flags and topic: the will is deleted.
struct WillTopicUpdate {
    Flags flags;  // QoS, retain
    std::string_view topic;
};
struct WillTopicResponse {
    ReturnCode code = ReturnCode::accepted;
};
struct WillMessageUpdate {
    Bytes message;
};
struct WillMessageResponse {
    ReturnCode code = ReturnCode::accepted;
};

/// Any message but an encapsulated one, which frame.hpp takes apart.
using Packet = std::variant<Advertise, SearchGateway, GatewayInfo, Connect, Connack,
                            WillTopicRequest, WillTopic, WillMessageRequest, WillMessage, Register,
                            Regack, Publish, Puback, Pubcomp, Pubrec, Pubrel, Subscribe, Suback,
                            Unsubscribe, Unsuback, Pingreq, Pingresp, Disconnect, WillTopicUpdate,
                            WillTopicResponse, WillMessageUpdate, WillMessageResponse>;

}  // namespace gw::mqttsn
