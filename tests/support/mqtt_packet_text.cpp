#include "tests/support/mqtt_packet_text.hpp"

#include "broker-core/base/assert.hpp"
#include "broker-core/message/properties.hpp"

#include <array>
#include <string>

namespace gw::mqtt::testing {

namespace {

unsigned nibble(char digit) {
    if (digit >= '0' && digit <= '9') {
        return static_cast<unsigned>(digit - '0');
    }
    GW_ASSERT(digit >= 'a' && digit <= 'f');
    return static_cast<unsigned>(digit - 'a') + 10;
}

/// Builds "NAME field=value field=value".
class Description {
public:
    explicit Description(std::string name) : text_(std::move(name)) {}

    void flag(const char* name, bool value) {
        if (value) {
            text_ += std::string{" "} + name;
        }
    }
    void number(const char* name, std::uint64_t value, std::uint64_t value_default = 0) {
        if (value != value_default) {
            text_ += std::string{" "} + name + "=" + std::to_string(value);
        }
    }
    void number(const char* name, const std::optional<std::uint32_t>& value) {
        if (value) {
            text_ += std::string{" "} + name + "=" + std::to_string(*value);
        }
    }
    void text(const char* name, const std::optional<std::string_view>& value) {
        if (value) {
            text_ += std::string{" "} + name + "=" + quoted(*value);
        }
    }
    void binary(const char* name, const std::optional<Bytes>& value) {
        if (value) {
            text(name, as_text(*value));
        }
    }
    void reason(ReasonCode reason) {
        if (reason != ReasonCode::success) {
            const auto code = static_cast<std::uint8_t>(reason);
            text_ += " reason=" + to_hex({&code, 1});
        }
    }
    void user(const UserProperties& properties) {
        properties.for_each([this](const UserProperty& property) {
            text_ += " user(" + quoted(property.name) + "," + quoted(property.value) + ")";
        });
    }
    void message_properties(Bytes block) {
        PropertyReader reader{block};
        while (const auto property = reader.next()) {
            const auto id = static_cast<std::uint8_t>(property->id);
            text_ += " property" + to_hex({&id, 1}) + "(" + quoted(property->name) + "," +
                     quoted(property->value) + ")";
        }
    }
    void add(const std::string& text) { text_ += " " + text; }
    const std::string& str() const { return text_; }

    static std::string quoted(std::string_view text) {
        std::string out = "'";
        for (const char c : text) {
            if (c >= ' ' && c <= '~' && c != '\'' && c != '\\') {
                out += c;
            } else {
                const auto byte = static_cast<std::uint8_t>(c);
                out += "\\" + to_hex({&byte, 1});
            }
        }
        return out + "'";
    }

private:
    std::string text_;
};

std::string text_of(const ConnectPacket& packet) {
    Description out{"CONNECT"};
    out.number("level", static_cast<unsigned>(packet.version));
    out.flag("bridge", packet.is_bridge);
    out.flag("clean", packet.clean_start);
    out.number("keep_alive", packet.keep_alive);
    out.text("client_id", packet.client_id);
    out.text("username", packet.username);
    out.binary("password", packet.password);
    out.number("session_expiry", packet.session_expiry_interval);
    out.number("receive_maximum", packet.receive_maximum, 65535);
    out.number("maximum_packet_size", packet.maximum_packet_size);
    out.number("topic_alias_maximum", packet.topic_alias_maximum);
    out.flag("request_response", packet.request_response_information);
    out.flag("no_problem_information", !packet.request_problem_information);
    out.text("auth_method", packet.authentication_method);
    out.binary("auth_data", packet.authentication_data);
    out.user(packet.user_properties);
    if (packet.will) {
        out.add("will:");
        out.text("topic", packet.will->topic);
        out.binary("payload", packet.will->payload);
        out.number("qos", static_cast<unsigned>(packet.will->qos));
        out.flag("retain", packet.will->retain);
        out.number("delay", packet.will->delay_interval);
        out.number("expiry", packet.will->message_expiry_interval);
        out.message_properties(packet.will->properties);
        out.number("users", packet.will->user_property_count);
    }
    return out.str();
}

std::string text_of(const ConnackPacket& packet) {
    Description out{"CONNACK"};
    out.reason(packet.reason);
    out.flag("session_present", packet.session_present);
    out.number("session_expiry", packet.session_expiry_interval);
    out.number("receive_maximum", packet.receive_maximum, 65535);
    out.number("maximum_qos", static_cast<unsigned>(packet.maximum_qos), 2);
    out.flag("no_retain", !packet.retain_available);
    out.number("maximum_packet_size", packet.maximum_packet_size);
    out.text("client_id", packet.assigned_client_identifier);
    out.number("topic_alias_maximum", packet.topic_alias_maximum);
    out.text("reason_string", packet.reason_string);
    out.user(packet.user_properties);
    out.flag("no_wildcard", !packet.wildcard_subscription_available);
    out.flag("no_identifiers", !packet.subscription_identifier_available);
    out.flag("no_shared", !packet.shared_subscription_available);
    out.number("server_keep_alive", packet.server_keep_alive
                                        ? std::optional<std::uint32_t>{*packet.server_keep_alive}
                                        : std::nullopt);
    out.text("response_information", packet.response_information);
    out.text("server_reference", packet.server_reference);
    out.text("auth_method", packet.authentication_method);
    out.binary("auth_data", packet.authentication_data);
    return out.str();
}

std::string text_of(const PublishPacket& packet) {
    Description out{"PUBLISH"};
    out.text("topic", packet.topic);
    out.binary("payload", packet.payload);
    out.number("qos", static_cast<unsigned>(packet.qos));
    out.flag("dup", packet.dup);
    out.flag("retain", packet.retain);
    out.number("id", packet.packet_id);
    out.number("alias", packet.topic_alias);
    out.number("expiry", packet.message_expiry_interval);
    out.flag("utf8", packet.payload_is_utf8);
    out.message_properties(packet.properties);
    out.number("users", packet.user_property_count);
    packet.subscription_identifiers.for_each(
        [&out](std::uint32_t id) { out.number("subscription", id); });
    return out.str();
}

std::string text_of(PacketType type, const AckPacket& packet) {
    Description out{packet_type_name(type)};
    out.number("id", packet.packet_id);
    out.reason(packet.reason);
    out.text("reason_string", packet.reason_string);
    out.user(packet.user_properties);
    return out.str();
}

std::string text_of(const SubscribePacket& packet) {
    Description out{"SUBSCRIBE"};
    out.number("id", packet.packet_id);
    out.number("subscription", packet.subscription_identifier);
    out.user(packet.user_properties);
    out.number("count", packet.subscriptions.count());
    for (const SubscriptionEntry& entry : packet.subscriptions) {
        out.text("filter", entry.filter);
        out.number("qos", static_cast<unsigned>(entry.qos));
        out.flag("no_local", entry.no_local);
        out.flag("as_published", entry.retain_as_published);
        out.number("retain_handling", static_cast<unsigned>(entry.retain_handling));
    }
    return out.str();
}

std::string text_of(const UnsubscribePacket& packet) {
    Description out{"UNSUBSCRIBE"};
    out.number("id", packet.packet_id);
    out.user(packet.user_properties);
    out.number("count", packet.filters.count());
    for (const std::string_view filter : packet.filters) {
        out.text("filter", filter);
    }
    return out.str();
}

std::string text_of(PacketType type, const SubackPacket& packet) {
    Description out{packet_type_name(type)};
    out.number("id", packet.packet_id);
    if (!packet.reasons.empty()) {
        out.add("reasons=" + to_hex(packet.reasons));
    }
    out.text("reason_string", packet.reason_string);
    out.user(packet.user_properties);
    return out.str();
}

std::string text_of(const DisconnectPacket& packet) {
    Description out{"DISCONNECT"};
    out.reason(packet.reason);
    out.number("session_expiry", packet.session_expiry_interval);
    out.text("reason_string", packet.reason_string);
    out.text("server_reference", packet.server_reference);
    out.user(packet.user_properties);
    return out.str();
}

std::string text_of(const AuthPacket& packet) {
    Description out{"AUTH"};
    out.reason(packet.reason);
    out.text("auth_method", packet.authentication_method);
    out.binary("auth_data", packet.authentication_data);
    out.text("reason_string", packet.reason_string);
    out.user(packet.user_properties);
    return out.str();
}

void encode_publish_again(ByteBuffer& out, Version version, const PublishPacket& packet) {
    std::vector<std::uint32_t> ids;
    packet.subscription_identifiers.for_each([&ids](std::uint32_t id) { ids.push_back(id); });
    PublishOut again;
    again.topic = packet.topic;
    again.payload = packet.payload;
    again.properties = packet.properties;
    again.subscription_identifiers = ids;
    again.message_expiry_interval = packet.message_expiry_interval;
    again.packet_id = packet.packet_id;
    again.topic_alias = packet.topic_alias;
    again.alias_known = packet.topic.empty();
    again.qos = packet.qos;
    again.dup = packet.dup;
    again.retain = packet.retain;
    encode_publish(out, version, again);
    GW_ASSERT(out.size() == publish_size(version, again));

    ByteBuffer gathered;
    encode_publish_header(gathered, version, again);
    gathered.append(again.payload);
    GW_ASSERT(as_text(gathered.view()) == as_text(out.view()));
}

void encode_subscribe_again(ByteBuffer& out, Version version, const SubscribePacket& packet) {
    std::vector<SubscriptionEntry> entries;
    for (const SubscriptionEntry& entry : packet.subscriptions) {
        entries.push_back(entry);
    }
    GW_ASSERT(entries.size() == packet.subscriptions.count());
    const SubscribeOut again{.packet_id = packet.packet_id,
                             .subscription_identifier = packet.subscription_identifier,
                             .subscriptions = entries,
                             .user_properties = packet.user_properties};
    encode_subscribe(out, version, again);
    GW_ASSERT(out.size() == subscribe_size(version, again));
}

void encode_unsubscribe_again(ByteBuffer& out, Version version, const UnsubscribePacket& packet) {
    std::vector<std::string_view> filters;
    for (const std::string_view filter : packet.filters) {
        filters.push_back(filter);
    }
    GW_ASSERT(filters.size() == packet.filters.count());
    const UnsubscribeOut again{.packet_id = packet.packet_id,
                               .filters = filters,
                               .user_properties = packet.user_properties};
    encode_unsubscribe(out, version, again);
    GW_ASSERT(out.size() == unsubscribe_size(version, again));
}

/// One decoded packet: its failure, or its text and its encoding.
struct Outcome {
    std::optional<DecodeError> failure;
    std::string text;
    ByteBuffer encoded;

    std::string description() const {
        return failure ? "error: " + std::string{decode_error_text(*failure)} : text;
    }
};

template <class Packet, class Use>
Outcome outcome_of(const Result<Packet, DecodeError>& result, const Use& use) {
    Outcome outcome;
    if (result) {
        use(*result, outcome);
    } else {
        outcome.failure = result.error();
    }
    return outcome;
}

Outcome decode_connect_frame(const Frame& frame) {
    Outcome outcome;
    ByteBuffer scratch;
    const auto packet = decode_connect(frame.body, scratch);
    if (!packet) {
        outcome.failure = packet.error().error;
        return outcome;
    }
    outcome.text = text_of(*packet);
    encode_connect(outcome.encoded, *packet);
    GW_ASSERT(outcome.encoded.size() == connect_size(*packet));
    return outcome;
}

Outcome decode_publish_frame(const Frame& frame, Link link) {
    Outcome outcome;
    ByteBuffer scratch;
    PublishPacket packet;
    const auto result = decode_publish(frame, {link.version, link.sender}, scratch, packet);
    if (!result) {
        outcome.failure = result.error();
        return outcome;
    }
    outcome.text = text_of(packet);
    encode_publish_again(outcome.encoded, link.version, packet);
    return outcome;
}

Outcome decode_connack_frame(const Frame& frame, Link link) {
    return outcome_of(decode_connack(frame.body, link.version),
                      [link](const ConnackPacket& packet, Outcome& outcome) {
                          outcome.text = text_of(packet);
                          encode_connack(outcome.encoded, link.version, packet);
                          GW_ASSERT(outcome.encoded.size() == connack_size(link.version, packet));
                      });
}

Outcome decode_ack_frame(const Frame& frame, Link link) {
    const auto use = [&](const AckPacket& packet, Outcome& outcome) {
        outcome.text = text_of(frame.type(), packet);
        encode_ack(outcome.encoded, link.version, frame.type(), packet);
        GW_ASSERT(outcome.encoded.size() == ack_size(link.version, packet));
        if (!packet.reason_string && packet.user_properties.empty()) {
            ByteBuffer brief;
            encode_ack(brief, link.version, frame.type(), packet.packet_id, packet.reason);
            GW_ASSERT(as_text(brief.view()) == as_text(outcome.encoded.view()));
        }
    };
    return outcome_of(decode_ack(frame.type(), frame.body, link.version), use);
}

Outcome decode_subscription_frame(const Frame& frame, Link link) {
    if (frame.type() == PacketType::subscribe) {
        return outcome_of(decode_subscribe(frame.body, link.version),
                          [link](const SubscribePacket& packet, Outcome& outcome) {
                              outcome.text = text_of(packet);
                              encode_subscribe_again(outcome.encoded, link.version, packet);
                          });
    }
    return outcome_of(decode_unsubscribe(frame.body, link.version),
                      [link](const UnsubscribePacket& packet, Outcome& outcome) {
                          outcome.text = text_of(packet);
                          encode_unsubscribe_again(outcome.encoded, link.version, packet);
                      });
}

Outcome decode_suback_frame(const Frame& frame, Link link) {
    if (frame.type() == PacketType::suback) {
        return outcome_of(decode_suback(frame.body, link.version), [&](const SubackPacket& packet,
                                                                       Outcome& outcome) {
            outcome.text = text_of(frame.type(), packet);
            encode_suback(outcome.encoded, link.version, packet);
            GW_ASSERT(outcome.encoded.size() == suback_size(link.version, packet));
        });
    }
    return outcome_of(decode_unsuback(frame.body, link.version),
                      [&](const UnsubackPacket& packet, Outcome& outcome) {
                          outcome.text = text_of(frame.type(), packet);
                          encode_unsuback(outcome.encoded, link.version, packet);
                          GW_ASSERT(outcome.encoded.size() == unsuback_size(link.version, packet));
                      });
}

Outcome decode_ping_frame(const Frame& frame) {
    Outcome outcome;
    if (const auto result = decode_ping(frame.body); !result) {
        outcome.failure = result.error();
        return outcome;
    }
    outcome.text = packet_type_name(frame.type());
    if (frame.type() == PacketType::pingreq) {
        encode_pingreq(outcome.encoded);
    } else {
        encode_pingresp(outcome.encoded);
    }
    return outcome;
}

Outcome decode_disconnect_frame(const Frame& frame, Link link) {
    return outcome_of(
        decode_disconnect(frame.body, link.version, link.sender),
        [link](const DisconnectPacket& packet, Outcome& outcome) {
            outcome.text = text_of(packet);
            encode_disconnect(outcome.encoded, link.version, packet);
            GW_ASSERT(outcome.encoded.size() == disconnect_size(link.version, packet));
        });
}

Outcome decode_auth_frame(const Frame& frame, Link link) {
    return outcome_of(decode_auth(frame.body, link.version, link.sender),
                      [](const AuthPacket& packet, Outcome& outcome) {
                          outcome.text = text_of(packet);
                          encode_auth(outcome.encoded, packet);
                          GW_ASSERT(outcome.encoded.size() == auth_size(packet));
                      });
}

Outcome decode_frame(const Frame& frame, Link link) {
    switch (frame.type()) {
        case PacketType::connect:
            return decode_connect_frame(frame);
        case PacketType::connack:
            return decode_connack_frame(frame, link);
        case PacketType::publish:
            return decode_publish_frame(frame, link);
        case PacketType::puback:
        case PacketType::pubrec:
        case PacketType::pubrel:
        case PacketType::pubcomp:
            return decode_ack_frame(frame, link);
        case PacketType::subscribe:
        case PacketType::unsubscribe:
            return decode_subscription_frame(frame, link);
        case PacketType::suback:
        case PacketType::unsuback:
            return decode_suback_frame(frame, link);
        case PacketType::pingreq:
        case PacketType::pingresp:
            return decode_ping_frame(frame);
        case PacketType::disconnect:
            return decode_disconnect_frame(frame, link);
        case PacketType::auth:
            return decode_auth_frame(frame, link);
    }
    GW_UNREACHABLE();
}

}  // namespace

ByteVector wire(std::string_view text) {
    ByteVector bytes;
    for (std::size_t at = 0; at < text.size();) {
        if (text[at] == ' ') {
            ++at;
        } else if (text[at] == '\'') {
            const std::size_t end = text.find('\'', at + 1);
            GW_ASSERT(end != std::string_view::npos);
            bytes.insert(bytes.end(), text.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                         text.begin() + static_cast<std::ptrdiff_t>(end));
            at = end + 1;
        } else {
            GW_ASSERT(at + 1 < text.size());
            bytes.push_back(
                static_cast<std::uint8_t>(nibble(text[at]) << 4 | nibble(text[at + 1])));
            at += 2;
        }
    }
    return bytes;
}

std::string to_hex(Bytes bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const std::uint8_t byte : bytes) {
        text += digits[byte >> 4];
        text += digits[byte & 0x0f];
    }
    return text;
}

std::string describe(const Frame& frame, Link link) {
    return decode_frame(frame, link).description();
}

std::optional<DecodeError> decode_failure(const Frame& frame, Link link) {
    return decode_frame(frame, link).failure;
}

ByteVector encode_again(const Frame& frame, Link link) {
    const Outcome outcome = decode_frame(frame, link);
    GW_ASSERT(!outcome.failure);
    const Bytes encoded = outcome.encoded.view();
    return {encoded.begin(), encoded.end()};
}

Frame whole_frame(Bytes packet, Version version) {
    const FrameOutcome outcome = read_frame(packet, protocol_packet_bytes_max, version);
    GW_ASSERT(outcome.status == FrameStatus::frame);
    GW_ASSERT(outcome.frame.packet_bytes == packet.size());
    return outcome.frame;
}

}  // namespace gw::mqtt::testing
