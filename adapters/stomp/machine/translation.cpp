#include "adapters/stomp/machine/translation.hpp"

#include "adapters/stomp/codec/values.hpp"
#include "broker-core/base/base64.hpp"
#include "broker-core/base/utf8.hpp"
#include "broker-core/topic/topic.hpp"

#include <algorithm>
#include <string>

namespace gw::stomp {

namespace {

constexpr std::size_t property_bytes_max = 65535;  // MQTT 5.0, 1.5.4

std::optional<Qos> parse_qos(std::string_view text) {
    if (text.size() != 1 || text[0] < '0' || text[0] > '2') {
        return std::nullopt;
    }
    return static_cast<Qos>(text[0] - '0');
}

/// Below 2^32 the value is seconds from now, as MQTT counts; else milliseconds since 1970, as other
/// STOMP servers do. The two cannot meet: 2^32 milliseconds were over in February 1970. 0 is never
/// with either.
std::optional<Milliseconds> expires_in(std::uint64_t value, const Now& now) {
    if (value == 0) {
        return std::nullopt;
    }
    if (value <= 0xffffffffU) {
        return Seconds{static_cast<std::int64_t>(value)};
    }
    const WallTime moment{Milliseconds{static_cast<std::int64_t>(value)}};
    constexpr Milliseconds longest{Seconds{0xffffffff}};  // what MQTT can say
    return std::clamp(moment - now.wall, Milliseconds{0}, longest);
}

/// Only the first header of a name counts; frames have few headers.
bool is_repeated(const Frame& frame, const Header& header) {
    for (const Header& earlier : frame.headers) {
        if (&earlier == &header) {
            return false;
        }
        if (earlier.name == header.name) {
            return true;
        }
    }
    return false;
}

class PropertyCollector {
public:
    PropertyCollector(const Frame& frame, const MachineOptions& options, ByteBuffer& out)
        : frame_(frame), options_(options), writer_(out) {}

    std::optional<SendError> standard() {
        for (const Header& header : frame_.headers) {
            if (header.value.size() > property_bytes_max ||
                header.name.size() > property_bytes_max) {
                return SendError::header_too_long;
            }
        }
        if (const auto value = frame_.find(header_name::payload_format)) {
            if (value != "0" && value != "1") {
                return SendError::payload_format_invalid;
            }
            if (value == "1" && !is_valid_utf8(frame_.body)) {
                return SendError::payload_not_utf8;
            }
            writer_.payload_format_indicator(value == "1" ? 1 : 0);
        }
        if (const auto value = frame_.find(header_name::content_type)) {
            writer_.content_type(*value);
        }
        if (const auto value = frame_.find(header_name::reply_to)) {
            const std::string_view topic = without_alias(*value, options_.destination_alias);
            if (!check_topic_name(topic, {})) {
                return SendError::reply_to_invalid;
            }
            writer_.response_topic(topic);
        }
        return correlation();
    }

    std::optional<SendError> user() {
        std::uint32_t count = 0;
        for (const Header& header : frame_.headers) {
            if (is_reserved_header(header.name) || is_repeated(frame_, header)) {
                continue;
            }
            if (++count > options_.user_properties_max) {
                return SendError::too_many_headers;
            }
            writer_.user_property(header.name, header.value);
        }
        return std::nullopt;
    }

private:
    std::optional<SendError> correlation() {
        if (const auto value = frame_.find(header_name::correlation_id)) {
            writer_.correlation_data(as_bytes(*value));
        } else if (const auto encoded = frame_.find(header_name::correlation_id_base64)) {
            const auto octets = from_base64(*encoded);
            if (!octets) {
                return SendError::correlation_id_invalid;
            }
            writer_.correlation_data(as_bytes(*octets));
        }
        return std::nullopt;
    }

    const Frame& frame_;
    const MachineOptions& options_;
    PropertyWriter writer_;
};

void write_property(FrameWriter& out, const PropertyView& property) {
    switch (property.id) {
        case MessageProperty::payload_format_indicator:
            out.plain(header_name::payload_format,
                      property.value == std::string_view{"\1", 1} ? "1" : "0");
            return;
        case MessageProperty::content_type:
            out.header(header_name::content_type, property.value);
            return;
        case MessageProperty::response_topic:
            out.header(header_name::reply_to, property.value);
            return;
        case MessageProperty::correlation_data:
            if (is_valid_utf8(as_bytes(property.value))) {
                out.header(header_name::correlation_id, property.value);
            } else {
                out.plain(header_name::correlation_id_base64, to_base64(property.value));
            }
            return;
        case MessageProperty::user_property:
            // A publisher of another protocol may not speak for this server.
            if (!is_reserved_header(property.name)) {
                out.header(property.name, property.value);
            }
            return;
    }
}

}  // namespace

std::string_view send_error_text(SendError error) {
    switch (error) {
        case SendError::qos_invalid:
            return "qos must be 0, 1 or 2";
        case SendError::retain_invalid:
            return "retain must be true or false";
        case SendError::expires_invalid:
            return "expires must be seconds from now, or milliseconds since 1970";
        case SendError::payload_format_invalid:
            return "payload-format-indicator must be 0 or 1";
        case SendError::payload_not_utf8:
            return "the body is not UTF-8 as payload-format-indicator says";
        case SendError::reply_to_invalid:
            return "reply-to must be a destination without wildcards";
        case SendError::correlation_id_invalid:
            return "correlation-id-base64 is no base64";
        case SendError::too_many_headers:
            return "too many headers of the message's own";
        case SendError::header_too_long:
            return "a header is longer than a message can hold";
    }
    GW_UNREACHABLE();
}

std::string_view without_alias(std::string_view destination, std::string_view alias) {
    if (!alias.empty() && destination.size() > alias.size() && destination.starts_with(alias)) {
        destination.remove_prefix(alias.size());
    }
    return destination;
}

Result<SendFields, SendError> read_send(const Frame& frame, const Now& now,
                                        const MachineOptions& options, ByteBuffer& properties) {
    SendFields fields;
    if (const auto text = frame.find(header_name::qos)) {
        fields.qos = parse_qos(*text);
        if (!fields.qos) {
            return SendError::qos_invalid;
        }
    }
    if (const auto text = frame.find(header_name::retain)) {
        const auto flag = parse_flag(*text);
        if (!flag) {
            return SendError::retain_invalid;
        }
        fields.retain = *flag;
    }
    if (const auto text = frame.find(header_name::expires)) {
        const auto value = parse_number(*text);
        if (!value) {
            return SendError::expires_invalid;
        }
        fields.expires_in = expires_in(*value, now);
    }
    PropertyCollector collector{frame, options, properties};
    if (const auto error = collector.standard()) {
        return *error;
    }
    if (const auto error = collector.user()) {
        return *error;
    }
    return fields;
}

void write_message_headers(FrameWriter& out, const Message& message, MonotonicTime now) {
    out.number(header_name::content_length, message.payload().size());
    out.number(header_name::qos, static_cast<std::uint64_t>(message.qos()));
    if (message.expires_at() != never) {
        // Rounded up: 0 would say that it never expires.
        const auto left = std::max<Milliseconds>(message.expires_at() - now, Milliseconds{1});
        out.number(header_name::expires,
                   static_cast<std::uint64_t>(std::chrono::ceil<Seconds>(left).count()));
    }
    PropertyReader properties{message.properties()};
    while (const auto property = properties.next()) {
        write_property(out, *property);
    }
}

}  // namespace gw::stomp
