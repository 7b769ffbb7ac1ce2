#pragma once

#include "adapters/mqtt/codec/property.hpp"
#include "broker-core/message/translation.hpp"

#include <cstdint>

namespace gw::mqtt {

/// A property as a place of docs/protocols/translation.md.
constexpr Carried in_property(PropertyId id, std::string_view name, Fate fate = Fate::kept) {
    return {fate, name, static_cast<std::uint16_t>(id)};
}

/// What PUBLISH of MQTT 3.1 and 3.1.1 says of a message (MQTT 3.1.1, 3.3).
inline constexpr FieldTranslation fields_v3[] = {
    {MessageField::topic, {Fate::kept, "Topic Name"}, {Fate::kept, "Topic Name"}},
    {MessageField::payload, {Fate::kept, "Payload"}, {Fate::kept, "Payload"}},
    {MessageField::qos, {Fate::kept, "QoS"}, {Fate::kept, "QoS"}},
    {MessageField::retain, {Fate::kept, "RETAIN"}, {Fate::of_retained, "RETAIN"}},
    {MessageField::publisher, {Fate::by_gateway}, {}},
    {MessageField::arrival, {Fate::by_gateway}, {}},
    {MessageField::redelivered, {Fate::lost, "DUP"}, {Fate::kept, "DUP"}},
};

/// And of MQTT 5.0 (3.3.2.3): its properties are the message's own, in that form.
inline constexpr FieldTranslation fields_v5[] = {
    {MessageField::topic, {Fate::kept, "Topic Name"}, {Fate::kept, "Topic Name"}},
    {MessageField::payload, {Fate::kept, "Payload"}, {Fate::kept, "Payload"}},
    {MessageField::qos, {Fate::kept, "QoS"}, {Fate::kept, "QoS"}},
    {MessageField::retain, {Fate::kept, "RETAIN"}, {Fate::as_asked, "RETAIN"}},
    {MessageField::expiry,
     in_property(PropertyId::message_expiry_interval, "Message Expiry Interval"),
     in_property(PropertyId::message_expiry_interval, "Message Expiry Interval", Fate::rounded_up)},
    {MessageField::payload_format,
     in_property(PropertyId::payload_format_indicator, "Payload Format Indicator"),
     in_property(PropertyId::payload_format_indicator, "Payload Format Indicator")},
    {MessageField::content_type, in_property(PropertyId::content_type, "Content Type"),
     in_property(PropertyId::content_type, "Content Type")},
    {MessageField::response_topic, in_property(PropertyId::response_topic, "Response Topic"),
     in_property(PropertyId::response_topic, "Response Topic")},
    {MessageField::correlation_data, in_property(PropertyId::correlation_data, "Correlation Data"),
     in_property(PropertyId::correlation_data, "Correlation Data")},
    {MessageField::user_property, in_property(PropertyId::user_property, "User Property"),
     in_property(PropertyId::user_property, "User Property")},
    {MessageField::publisher, {Fate::by_gateway}, {}},
    {MessageField::arrival, {Fate::by_gateway}, {}},
    {MessageField::subscription,
     {},
     in_property(PropertyId::subscription_identifier, "Subscription Identifier",
                 Fate::by_receiver)},
    {MessageField::redelivered, {Fate::lost, "DUP"}, {Fate::kept, "DUP"}},
};

inline constexpr ProtocolTranslation translation_v3{"MQTT 3.1, 3.1.1", fields_v3};
inline constexpr ProtocolTranslation translation_v5{"MQTT 5", fields_v5};

/// A bit for each property that belongs to the message and so travels on as it is: those that the
/// table keeps. The message holds its expiry as a moment, not as a property.
inline constexpr std::uint64_t message_property_bits = [] {
    std::uint64_t bits = 0;
    for (const FieldTranslation& one : fields_v5) {
        if (one.in.fate == Fate::kept && one.in.number != 0 && one.field != MessageField::expiry) {
            bits |= 1ULL << one.in.number;
        }
    }
    return bits;
}();
constexpr bool is_of_message(PropertyId id) {
    return (message_property_bits >> static_cast<unsigned>(id) & 1) != 0;
}

}  // namespace gw::mqtt
