#include "tests/translation/content.hpp"

#include "adapters/stomp/machine/message_headers.hpp"
#include "broker-core/base/assert.hpp"
#include "broker-core/base/utf8.hpp"
#include "broker-core/message/properties.hpp"

#include <algorithm>

namespace gw::test {

namespace {

std::string printable(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    if (text.size() > 300) {  // enough of it, and the length
        return printable(text.substr(0, 300)) + "... " + std::to_string(text.size());
    }
    std::string out = "'";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f) {
            out += c;
        } else {
            out += std::string{'\\', digits[byte >> 4], digits[byte & 15]};
        }
    }
    return out + "'";
}

/// What a registry of Content-Formats makes of the content types that the tests use (RFC 7252,
/// 12.3): written down here, not asked of the program.
std::optional<std::string> numbered(const std::optional<std::string>& content_type) {
    constexpr const char* text = "text/plain;charset=utf-8";
    if (content_type == "TEXT/Plain; charset=UTF-8" || content_type == text) {
        return text;
    }
    const bool has_number =
        content_type == "application/json" || content_type == "application/x-coap-format; ct=65000";
    return has_number ? content_type : std::nullopt;
}

std::string masked(const std::string& text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t size = 1;
        while (size < 4 && at + size <= text.size() &&
               !is_valid_utf8(as_bytes(std::string_view{text}.substr(at, size)))) {
            ++size;
        }
        const std::string_view part = std::string_view{text}.substr(at, size);
        // U+0000 is text, too, though MQTT's strings have none.
        const bool is_text = part[0] == '\0' || is_valid_utf8(as_bytes(part));
        out += is_text ? std::string{part.substr(0, part[0] == '\0' ? 1 : size)} : "?";
        at += is_text && part[0] != '\0' ? size : 1;
    }
    return out;
}

std::vector<std::pair<std::string, std::string>> named(
    const std::vector<std::pair<std::string, std::string>>& properties, bool is_once) {
    std::vector<std::pair<std::string, std::string>> kept;
    for (const auto& one : properties) {
        const bool is_repeated =
            is_once && std::any_of(kept.begin(), kept.end(), [&one](const auto& earlier) {
                return earlier.first == one.first;
            });
        if (!is_repeated && !stomp::is_reserved_header(one.first)) {
            kept.push_back(one);
        }
    }
    return kept;
}

std::optional<Milliseconds> rounded(const std::optional<Milliseconds>& time, Fate fate) {
    if (!time || fate == Fate::kept) {
        return time;
    }
    GW_ASSERT(fate == Fate::rounded_up || fate == Fate::rounded_down);
    return fate == Fate::rounded_up ? Milliseconds{std::chrono::ceil<Seconds>(*time)}
                                    : Milliseconds{std::chrono::floor<Seconds>(*time)};
}

/// Fates that mean something for few fields; all others but `kept` and `lost` mean nothing.
void assert_kept(Fate fate) {
    GW_ASSERT(fate == Fate::kept);
}

void carry(MessageField field, Fate fate, const Content& from, const Occasion& occasion,
           Content& to) {
    if (fate == Fate::lost) {
        return;
    }
    switch (field) {
        case MessageField::topic:
            assert_kept(fate);
            to.topic = from.topic;
            return;
        case MessageField::payload:
            GW_ASSERT(fate == Fate::kept || fate == Fate::text);
            to.payload = fate == Fate::text ? masked(from.payload) : from.payload;
            return;
        case MessageField::qos:
            GW_ASSERT(fate == Fate::kept || fate == Fate::capped_at_1);
            to.qos = fate == Fate::kept ? from.qos : std::min(from.qos, Qos::at_least_once);
            return;
        case MessageField::retain:
            GW_ASSERT(fate == Fate::kept || fate == Fate::of_retained || fate == Fate::as_asked);
            to.retain = fate == Fate::of_retained ? occasion.is_retained : from.retain;
            return;
        case MessageField::expiry:
            to.expires_in = rounded(from.expires_in, fate);
            return;
        case MessageField::payload_format:
            assert_kept(fate);
            to.payload_format = from.payload_format;
            return;
        case MessageField::content_type:
            GW_ASSERT(fate == Fate::kept || fate == Fate::numbered);
            to.content_type = fate == Fate::kept ? from.content_type : numbered(from.content_type);
            return;
        case MessageField::response_topic:
            assert_kept(fate);
            to.response_topic = from.response_topic;
            return;
        case MessageField::correlation_data:
            assert_kept(fate);
            to.correlation_data = from.correlation_data;
            return;
        case MessageField::user_property:
            GW_ASSERT(fate == Fate::kept || fate == Fate::named || fate == Fate::named_once);
            to.user_properties = fate == Fate::kept
                                     ? from.user_properties
                                     : named(from.user_properties, fate == Fate::named_once);
            return;
        case MessageField::publisher:
        case MessageField::arrival:
            GW_ASSERT(fate == Fate::by_gateway);
            return;
        case MessageField::subscription:
            GW_ASSERT(fate == Fate::by_receiver);
            to.subscription = occasion.subscription;
            return;
        case MessageField::redelivered:
            assert_kept(fate);
            to.was_sent_before = occasion.was_sent_before;
            return;
    }
}

template <class FateOf>
Content carry_all(const Content& from, const Occasion& occasion, const FateOf& fate_of) {
    Content to;
    for (std::size_t i = 0; i < message_field_count; ++i) {
        const auto field = static_cast<MessageField>(i);
        carry(field, fate_of(field), from, occasion, to);
    }
    return to;
}

}  // namespace

std::string text_of(const Content& content) {
    std::string out = printable(content.topic) + " " + printable(content.payload) + " qos " +
                      std::to_string(static_cast<int>(content.qos));
    out += content.retain ? " retain" : "";
    out += content.was_sent_before ? " before" : "";
    if (content.expires_in) {
        out += " expires " + std::to_string(content.expires_in->count());
    }
    if (content.payload_format) {
        out += " format " + std::to_string(*content.payload_format);
    }
    const auto add = [&out](const char* name, const std::optional<std::string>& value) {
        if (value) {
            out += std::string{" "} + name + " " + printable(*value);
        }
    };
    add("type", content.content_type);
    add("response", content.response_topic);
    add("correlation", content.correlation_data);
    for (const auto& [name, value] : content.user_properties) {
        out += " user " + printable(name) + "=" + printable(value);
    }
    out += content.subscription.empty() ? "" : " by " + printable(content.subscription);
    return out + (content.surplus.empty() ? "" : " SURPLUS" + content.surplus);
}

void read_properties(Bytes block, Content& content) {
    PropertyReader properties{block};
    while (const auto property = properties.next()) {
        const std::string value{property->value};
        switch (property->id) {
            case MessageProperty::payload_format_indicator:
                content.payload_format = value[0];
                break;
            case MessageProperty::content_type:
                content.content_type = value;
                break;
            case MessageProperty::response_topic:
                content.response_topic = value;
                break;
            case MessageProperty::correlation_data:
                content.correlation_data = value;
                break;
            case MessageProperty::user_property:
                content.user_properties.emplace_back(property->name, value);
                break;
        }
    }
}

Content content_of(const Message& message, MonotonicTime now) {
    Content content{.topic = std::string{message.topic()},
                    .payload = std::string{as_text(message.payload())},
                    .qos = message.qos(),
                    .retain = message.retain()};
    if (message.expires_at() != never) {
        content.expires_in = message.expires_at() - now;
    }
    read_properties(message.properties(), content);
    return content;
}

Carried Language::in(MessageField field) const {
    const FieldTranslation* row = carrier != nullptr ? carrier->find(field) : nullptr;
    row = row != nullptr ? row : inside.find(field);
    return row != nullptr ? row->in : Carried{};
}

Carried Language::out(MessageField field) const {
    const FieldTranslation* row = carrier != nullptr ? carrier->find(field) : nullptr;
    row = row != nullptr ? row : inside.find(field);
    return row != nullptr ? row->out : Carried{};
}

Content carry_in(const Language& language, const Content& said) {
    return carry_all(said, {}, [&](MessageField field) { return language.in(field).fate; });
}

Content carry_out(const Language& language, const Content& message, const Occasion& occasion) {
    return carry_all(message, occasion,
                     [&](MessageField field) { return language.out(field).fate; });
}

}  // namespace gw::test
