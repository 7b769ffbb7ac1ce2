#pragma once

#include "adapters/mqtt/codec/decode_error.hpp"
#include "adapters/mqtt/codec/frame.hpp"
#include "adapters/mqtt/codec/property.hpp"
#include "broker-core/base/bytes.hpp"
#include "broker-core/base/result.hpp"
#include "broker-core/message/reason.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace gw::mqtt {

/// DISCONNECT (MQTT 5.0, 3.14). Below version 5 it is empty and only clients send it.
struct DisconnectPacket {
    ReasonCode reason = ReasonCode::success;
    std::optional<std::uint32_t> session_expiry_interval;  // seconds; only from a client
    std::optional<std::string_view> reason_string;
    std::optional<std::string_view> server_reference;
    UserProperties user_properties;
};

Result<DisconnectPacket, DecodeError> decode_disconnect(Bytes body, Version version, Sender sender);
std::size_t disconnect_size(Version version, const DisconnectPacket& packet);
void encode_disconnect(ByteBuffer& out, Version version, const DisconnectPacket& packet);

/// AUTH (MQTT 5.0, 3.15). Version 5 only. An empty body means success without a method, which a
/// server cannot use; the rules of 4.12 are the machine's.
struct AuthPacket {
    ReasonCode reason = ReasonCode::success;
    std::optional<std::string_view> authentication_method;
    std::optional<Bytes> authentication_data;
    std::optional<std::string_view> reason_string;
    UserProperties user_properties;
};

/// @error packet_not_in_version  below version 5, where the type is reserved
Result<AuthPacket, DecodeError> decode_auth(Bytes body, Version version, Sender sender);
std::size_t auth_size(const AuthPacket& packet);
void encode_auth(ByteBuffer& out, const AuthPacket& packet);

/// PINGREQ and PINGRESP (MQTT 5.0, 3.12 and 3.13) have no body.
Result<void, DecodeError> decode_ping(Bytes body);
void encode_pingreq(ByteBuffer& out);
void encode_pingresp(ByteBuffer& out);

}  // namespace gw::mqtt
