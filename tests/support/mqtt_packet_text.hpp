#pragma once

#include "adapters/mqtt/codec/codec.hpp"
#include "broker-core/base/bytes.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// MQTT packets as text, for tests and the fuzz target of the codec.
namespace gw::mqtt::testing {

using ByteVector = std::vector<std::uint8_t>;

/// Bytes from hexadecimal digits and 'quoted text'; spaces are for the eye. Aborts on a mistake.
ByteVector wire(std::string_view text);

/// Bytes as hexadecimal digits.
std::string to_hex(Bytes bytes);

/// From whom and in which version packets come.
struct Link {
    Version version = Version::v5;
    Sender sender = Sender::client;
};

/// The packet with all fields that are not at their default, or "error: " and the sentence. Two
/// packets are equal exactly when their texts are.
std::string describe(const Frame& frame, Link link);

/// Decodes the packet's body as describe() does; the failure, if there is one.
std::optional<DecodeError> decode_failure(const Frame& frame, Link link);

/// Decodes the packet, encodes what came out and returns that. The packet must be a good one. Sees
/// that the size functions tell the truth.
ByteVector encode_again(const Frame& frame, Link link);

/// The frame that is all of `packet`; aborts when `packet` is anything else.
Frame whole_frame(Bytes packet, Version version);

}  // namespace gw::mqtt::testing
