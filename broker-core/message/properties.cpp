#include "broker-core/message/properties.hpp"

namespace gw {

std::optional<PropertyView> PropertyReader::next() {
    if (in_.at_end()) {
        return std::nullopt;
    }
    PropertyView property;
    property.id = static_cast<MessageProperty>(in_.u8());
    switch (property.id) {
        case MessageProperty::payload_format_indicator:
            property.value = as_text(in_.take(1));
            break;
        case MessageProperty::content_type:
        case MessageProperty::response_topic:
        case MessageProperty::correlation_data:
            property.value = as_text(in_.take(in_.u16_be()));
            break;
        case MessageProperty::user_property:
            property.name = as_text(in_.take(in_.u16_be()));
            property.value = as_text(in_.take(in_.u16_be()));
            break;
    }
    GW_ASSERT(!in_.failed());
    return property;
}

void PropertyWriter::payload_format_indicator(std::uint8_t value) {
    out_.u8(static_cast<std::uint8_t>(MessageProperty::payload_format_indicator));
    out_.u8(value);
}

void PropertyWriter::user_property(std::string_view name, std::string_view value) {
    out_.u8(static_cast<std::uint8_t>(MessageProperty::user_property));
    string(name);
    string(value);
}

void PropertyWriter::text(MessageProperty id, std::string_view value) {
    out_.u8(static_cast<std::uint8_t>(id));
    string(value);
}

void PropertyWriter::string(std::string_view value) {
    GW_ASSERT(value.size() <= 0xffff);
    out_.u16_be(static_cast<std::uint16_t>(value.size()));
    out_.append(value);
}

}  // namespace gw
