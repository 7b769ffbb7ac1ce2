#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace gw {

/// What a message consists of, and what is told of its delivery: the rows of
/// docs/protocols/translation.md.
enum class MessageField : std::uint8_t {
    topic,
    payload,
    qos,
    retain,
    expiry,
    payload_format,
    content_type,
    response_topic,
    correlation_data,
    user_property,
    publisher,
    arrival,
    subscription,
    redelivered,
};
inline constexpr std::size_t message_field_count = 14;

/// The name of MQTT 5, which has a word for most of them.
constexpr std::string_view message_field_name(MessageField field) {
    constexpr std::string_view names[message_field_count] = {
        "topic",         "payload",        "QoS",
        "retain",        "message expiry", "payload format indicator",
        "content type",  "response topic", "correlation data",
        "user property", "publisher",      "time of arrival",
        "subscription",  "sent before",
    };
    return names[static_cast<std::size_t>(field)];
}

/// What becomes of a field between the broker's message and a protocol's words, one way.
enum class Fate : std::uint8_t {
    kept,          // the same value
    lost,          // there is no word for it, or none is said
    by_gateway,    // in: the gateway knows it by itself, from the connection or its clock
    by_receiver,   // out: what this receiver has called it, whatever protocol published
    capped_at_1,   // QoS 2 as QoS 1
    of_retained,   // true only for a message that comes because it was retained
    as_asked,      // the same value where the subscription asks for it, else as `of_retained`
    rounded_up,    // seconds that are left, rounded up
    rounded_down,  // seconds that are left, rounded down
    numbered,      // only content types that have a number, in the registry's writing
    named_once,    // the first of each name, and none whose name is the protocol's own
    named,         // none whose name is the protocol's own
    text,          // each byte that is not UTF-8 as `?`
};

/// What docs/protocols/translation.md says of a fate; empty: the word alone says all.
constexpr std::string_view fate_text(Fate fate) {
    switch (fate) {
        case Fate::kept:
            return "";
        case Fate::lost:
            return "lost";
        case Fate::by_gateway:
            return "known to the gateway";
        case Fate::by_receiver:
            return "the receiver's own";
        case Fate::capped_at_1:
            return "2 as 1";
        case Fate::of_retained:
            return "retained messages only";
        case Fate::as_asked:
            return "if asked for, else retained messages only";
        case Fate::rounded_up:
            return "seconds left, rounded up";
        case Fate::rounded_down:
            return "seconds left, rounded down";
        case Fate::numbered:
            return "types that have a number";
        case Fate::named_once:
            return "first of each name, no reserved name";
        case Fate::named:
            return "no reserved name";
        case Fate::text:
            return "each byte that is no UTF-8 as `?`";
    }
    return "";
}

/// One field, one way: what it becomes, and where it stands. `number` is the registry's of an
/// option or property, 0: none.
struct Carried {
    Fate fate = Fate::lost;
    std::string_view place{};
    std::uint16_t number = 0;
};

/// One field both ways: from a publisher of the protocol into the message, and from the message to
/// a subscriber.
struct FieldTranslation {
    MessageField field = MessageField::topic;
    Carried in;
    Carried out;
};

/// All that a protocol does to messages. A field that is not in `fields` is lost both ways; with
/// `is_carrier`, which is for what carries other protocols, it is as in the protocol inside.
struct ProtocolTranslation {
    std::string_view protocol;
    std::span<const FieldTranslation> fields;
    bool is_carrier = false;

    /// Null: not in the list.
    constexpr const FieldTranslation* find(MessageField field) const {
        for (const FieldTranslation& one : fields) {
            if (one.field == field) {
                return &one;
            }
        }
        return nullptr;
    }
};

}  // namespace gw
