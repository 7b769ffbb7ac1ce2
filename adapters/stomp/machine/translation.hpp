#pragma once

#include "adapters/stomp/codec/frame_writer.hpp"
#include "adapters/stomp/machine/message_headers.hpp"
#include "adapters/stomp/machine/options.hpp"
#include "broker-core/base/clock.hpp"
#include "broker-core/message/message.hpp"
#include "broker-core/message/properties.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace gw::stomp {

/// Why the headers of a SEND make no message.
enum class SendError : std::uint8_t {
    qos_invalid,
    retain_invalid,
    expires_invalid,
    payload_format_invalid,
    payload_not_utf8,
    reply_to_invalid,
    correlation_id_invalid,
    too_many_headers,
    header_too_long,
};
std::string_view send_error_text(SendError error);

/// What a SEND says of its message, beside destination and body.
struct SendFields {
    std::optional<Qos> qos;
    bool retain = false;
    std::optional<Milliseconds> expires_in;  // 0 when that moment has passed
};

/// The way in of the table in message_headers.hpp. Appends the properties of a SEND to
/// `properties`, in MQTT 5 wire form.
Result<SendFields, SendError> read_send(const Frame& frame, const Now& now,
                                        const MachineOptions& options, ByteBuffer& properties);

/// A destination as a topic: without the prefix that stomp.destination.alias names.
std::string_view without_alias(std::string_view destination, std::string_view alias);

/// The way out: writes the headers of a MESSAGE that come from the message itself, all but
/// destination. What belongs to the delivery is the caller's.
void write_message_headers(FrameWriter& out, const Message& message, MonotonicTime now);

}  // namespace gw::stomp
