#pragma once

#include "adapters/mqttsn/codec/frame.hpp"
#include "adapters/mqttsn/codec/packets.hpp"
#include "broker-core/base/bytes.hpp"
#include "broker-core/base/result.hpp"

namespace gw::mqttsn {

/// Decodes a whole datagram, of any type but an encapsulated one; texts and data stay where they
/// are. Reserved values of fields are kept for the machine to answer.
Result<Packet, DecodeError> decode(Bytes datagram);
/// Decodes the body of a message.
Result<Packet, DecodeError> decode_body(const Frame& frame);
/// Decodes a PUBLISH without the detour of a variant.
Result<Publish, DecodeError> decode_publish(Bytes body);

/// Append a message. Bodies are at most body_bytes_max bytes: the caller sees to it.
void encode(ByteBuffer& out, const Advertise& packet);
void encode(ByteBuffer& out, const SearchGateway& packet);
void encode(ByteBuffer& out, const GatewayInfo& packet);
void encode(ByteBuffer& out, const Connect& packet);
void encode(ByteBuffer& out, const Connack& packet);
void encode(ByteBuffer& out, const WillTopicRequest& packet);
void encode(ByteBuffer& out, const WillTopic& packet);
void encode(ByteBuffer& out, const WillMessageRequest& packet);
void encode(ByteBuffer& out, const WillMessage& packet);
void encode(ByteBuffer& out, const Register& packet);
void encode(ByteBuffer& out, const Regack& packet);
void encode(ByteBuffer& out, const Publish& packet);
void encode(ByteBuffer& out, const Puback& packet);
void encode(ByteBuffer& out, const Pubcomp& packet);
void encode(ByteBuffer& out, const Pubrec& packet);
void encode(ByteBuffer& out, const Pubrel& packet);
void encode(ByteBuffer& out, const Subscribe& packet);
void encode(ByteBuffer& out, const Suback& packet);
void encode(ByteBuffer& out, const Unsubscribe& packet);
void encode(ByteBuffer& out, const Unsuback& packet);
void encode(ByteBuffer& out, const Pingreq& packet);
void encode(ByteBuffer& out, const Pingresp& packet);
void encode(ByteBuffer& out, const Disconnect& packet);
void encode(ByteBuffer& out, const WillTopicUpdate& packet);
void encode(ByteBuffer& out, const WillTopicResponse& packet);
void encode(ByteBuffer& out, const WillMessageUpdate& packet);
void encode(ByteBuffer& out, const WillMessageResponse& packet);
void encode(ByteBuffer& out, const Packet& packet);

/// The type of a message, as its header names it.
MessageType type_of(const Packet& packet);
/// A name for counters and tests: "PUBLISH".
std::string_view type_name(MessageType type);

}  // namespace gw::mqttsn
