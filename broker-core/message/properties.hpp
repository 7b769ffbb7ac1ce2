#pragma once

#include "broker-core/base/bytes.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace gw {

/// The properties that travel with a message from publisher to subscriber unchanged and in order
/// (MQTT 5.0, 3.3.2.3). Kept in MQTT 5 wire form without the length in front, because that form is
/// compact, ordered and needs no work for an MQTT 5 subscriber; other adapters read it through
/// PropertyReader. Message expiry, topic alias and subscription identifiers are not among them.
enum class MessageProperty : std::uint8_t {
    payload_format_indicator = 0x01,  // one byte, 0 or 1
    content_type = 0x03,              // UTF-8 string
    response_topic = 0x08,            // UTF-8 string, a topic name
    correlation_data = 0x09,          // binary
    user_property = 0x26,             // pair of UTF-8 strings, may repeat
};

/// One property as PropertyReader gives it. `value` is the number's byte, the string or the binary;
/// `name` is set for a user property only.
struct PropertyView {
    MessageProperty id = MessageProperty::user_property;
    std::string_view name;
    std::string_view value;
};

/// Walks over a block of message properties. The block comes from a codec that has checked it.
class PropertyReader {
public:
    explicit PropertyReader(Bytes block) : in_(block) {}
    /// The next property, or nothing at the end.
    std::optional<PropertyView> next();

private:
    Reader in_;
};

/// Appends properties in wire form. Strings and binaries are at most 65,535 bytes: the caller has
/// checked that, since it comes from outside.
class PropertyWriter {
public:
    explicit PropertyWriter(ByteBuffer& out) : out_(out) {}
    void payload_format_indicator(std::uint8_t value);
    void content_type(std::string_view value) { text(MessageProperty::content_type, value); }
    void response_topic(std::string_view value) { text(MessageProperty::response_topic, value); }
    void correlation_data(Bytes value) { text(MessageProperty::correlation_data, as_text(value)); }
    void user_property(std::string_view name, std::string_view value);

private:
    void text(MessageProperty id, std::string_view value);
    void string(std::string_view value);

    ByteBuffer& out_;
};

}  // namespace gw
