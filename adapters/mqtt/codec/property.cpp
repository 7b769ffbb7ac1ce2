#include "adapters/mqtt/codec/property.hpp"

#include "adapters/mqtt/codec/property_block.hpp"
#include "broker-core/base/assert.hpp"

#include <array>

namespace gw::mqtt {

namespace {

enum class Kind : std::uint8_t {
    unknown,
    byte,
    two_bytes,
    four_bytes,
    variable_integer,
    text,
    binary,
    text_pair,
};

enum class Range : std::uint8_t { any, zero_or_one, not_zero };

struct Rule {
    Kind kind = Kind::unknown;
    std::uint32_t owners = 0;  // PropertyOwner::bit() of all in which it is allowed
    Range range = Range::any;
};

template <class... Owners>
constexpr std::uint32_t allowed_in(Owners... owners) {
    return (PropertyOwner{owners}.bit() | ...);
}

/// The table of MQTT 5.0, 2.2.2.2, with the ranges of the properties' sections.
constexpr auto rules = [] {
    using enum PacketType;
    constexpr PropertyOwner will = PropertyOwner::will();
    std::array<Rule, 0x2b> table{};
    const auto set = [&table](PropertyId id, Kind kind, std::uint32_t owners,
                              Range range = Range::any) {
        table[static_cast<std::size_t>(id)] = {kind, owners, range};
    };
    using enum PropertyId;
    set(payload_format_indicator, Kind::byte, allowed_in(publish, will), Range::zero_or_one);
    set(message_expiry_interval, Kind::four_bytes, allowed_in(publish, will));
    set(content_type, Kind::text, allowed_in(publish, will));
    set(response_topic, Kind::text, allowed_in(publish, will));
    set(correlation_data, Kind::binary, allowed_in(publish, will));
    set(subscription_identifier, Kind::variable_integer, allowed_in(publish, subscribe),
        Range::not_zero);
    set(session_expiry_interval, Kind::four_bytes, allowed_in(connect, connack, disconnect));
    set(assigned_client_identifier, Kind::text, allowed_in(connack));
    set(server_keep_alive, Kind::two_bytes, allowed_in(connack));
    set(authentication_method, Kind::text, allowed_in(connect, connack, auth));
    set(authentication_data, Kind::binary, allowed_in(connect, connack, auth));
    set(request_problem_information, Kind::byte, allowed_in(connect), Range::zero_or_one);
    set(will_delay_interval, Kind::four_bytes, allowed_in(will));
    set(request_response_information, Kind::byte, allowed_in(connect), Range::zero_or_one);
    set(response_information, Kind::text, allowed_in(connack));
    set(server_reference, Kind::text, allowed_in(connack, disconnect));
    set(reason_string, Kind::text,
        allowed_in(connack, puback, pubrec, pubrel, pubcomp, suback, unsuback, disconnect, auth));
    set(receive_maximum, Kind::two_bytes, allowed_in(connect, connack), Range::not_zero);
    set(topic_alias_maximum, Kind::two_bytes, allowed_in(connect, connack));
    set(topic_alias, Kind::two_bytes, allowed_in(publish), Range::not_zero);
    set(maximum_qos, Kind::byte, allowed_in(connack), Range::zero_or_one);
    set(retain_available, Kind::byte, allowed_in(connack), Range::zero_or_one);
    set(user_property, Kind::text_pair,
        allowed_in(connect, connack, publish, will, puback, pubrec, pubrel, pubcomp, subscribe,
                   suback, unsubscribe, unsuback, disconnect, auth));
    set(maximum_packet_size, Kind::four_bytes, allowed_in(connect, connack), Range::not_zero);
    set(wildcard_subscription_available, Kind::byte, allowed_in(connack), Range::zero_or_one);
    set(subscription_identifier_available, Kind::byte, allowed_in(connack), Range::zero_or_one);
    set(shared_subscription_available, Kind::byte, allowed_in(connack), Range::zero_or_one);
    return table;
}();

Rule rule_of(std::uint8_t id) {
    return id < rules.size() ? rules[id] : Rule{};
}

/// Reads the value that belongs to `property.id`.
void read_value(PacketReader& in, Kind kind, Property& property) {
    switch (kind) {
        case Kind::byte:
            property.number = in.u8();
            break;
        case Kind::two_bytes:
            property.number = in.u16();
            break;
        case Kind::four_bytes:
            property.number = in.u32();
            break;
        case Kind::variable_integer:
            property.number = in.variable_integer();
            break;
        case Kind::text:
            property.text = in.text();
            break;
        case Kind::binary:
            property.text = as_text(in.binary());
            break;
        case Kind::text_pair:
            property.name = in.text();
            property.text = in.text();
            break;
        case Kind::unknown:
            in.fail(DecodeError::property_unknown);
            break;
    }
}

/// What is wrong with a number that must not be zero or more than one.
DecodeError range_error(PropertyId id) {
    if (id == PropertyId::topic_alias) {
        return DecodeError::topic_alias_zero;
    }
    if (id == PropertyId::subscription_identifier) {
        return DecodeError::subscription_identifier_zero;
    }
    return DecodeError::property_value_invalid;
}

/// Passes over the next property of a block that has been checked.
PropertyId skip_property(Reader& in) {
    const std::uint8_t id = in.u8();
    switch (rule_of(id).kind) {
        case Kind::byte:
            in.take(1);
            break;
        case Kind::two_bytes:
            in.take(2);
            break;
        case Kind::four_bytes:
            in.take(4);
            break;
        case Kind::variable_integer:
            while ((in.u8() & 0x80) != 0) {
            }
            break;
        case Kind::text:
        case Kind::binary:
            in.take(in.u16_be());
            break;
        case Kind::text_pair:
            in.take(in.u16_be());
            in.take(in.u16_be());
            break;
        case Kind::unknown:
            GW_UNREACHABLE();
    }
    GW_ASSERT(!in.failed());
    return static_cast<PropertyId>(id);
}

/// Moves to the next property of kind `wanted` in a checked block and past its identifier.
bool find_property(Reader& in, PropertyId wanted) {
    while (!in.at_end()) {
        Reader ahead = in;
        if (static_cast<PropertyId>(ahead.u8()) == wanted) {
            in = ahead;
            return true;
        }
        skip_property(in);
    }
    return false;
}

}  // namespace

bool PropertyCursor::next(Property& property) {
    if (in_.at_end() || in_.error()) {
        return false;
    }
    const std::size_t start = block_.size() - in_.remaining();
    const std::uint8_t id = in_.u8();
    const Rule rule = rule_of(id);
    property.id = static_cast<PropertyId>(id);
    read_value(in_, rule.kind, property);
    if (in_.error()) {
        return false;
    }
    property.wire = block_.subspan(start, block_.size() - in_.remaining() - start);
    judge(property);
    return !in_.error();
}

void PropertyCursor::judge(const Property& property) {
    const auto id = static_cast<std::uint8_t>(property.id);
    const Rule rule = rule_of(id);
    if ((rule.owners & owner_.bit()) == 0) {
        in_.fail(DecodeError::property_not_allowed);
        return;
    }
    const bool may_repeat = property.id == PropertyId::user_property ||
                            (property.id == PropertyId::subscription_identifier &&
                             owner_.bit() == PropertyOwner{PacketType::publish}.bit());
    const std::uint64_t bit = 1ULL << id;
    if ((seen_ & bit) != 0 && !may_repeat) {
        in_.fail(DecodeError::property_repeated);
        return;
    }
    seen_ |= bit;
    if ((rule.range == Range::zero_or_one && property.number > 1) ||
        (rule.range == Range::not_zero && property.number == 0)) {
        in_.fail(range_error(property.id));
        return;
    }
    if (property.id == PropertyId::user_property) {
        ++user_property_count_;
    } else if (property.id == PropertyId::response_topic &&
               (property.text.empty() || judge_topic_name(as_bytes(property.text)))) {
        in_.fail(DecodeError::response_topic_invalid);
    }
}

void ForwardedProperties::add(Bytes wire) {
    if (copied_) {
        scratch_.append(wire);
    } else if (in_place_.empty()) {
        in_place_ = wire;
    } else if (in_place_.data() + in_place_.size() == wire.data()) {
        in_place_ = {in_place_.data(), in_place_.size() + wire.size()};
    } else {
        scratch_.clear();
        scratch_.append(in_place_);
        scratch_.append(wire);
        copied_ = true;
    }
}

UserProperties::UserProperties(Bytes block) : block_(block) {
    for_each([this](const UserProperty& property) {
        ++count_;
        wire_bytes_ += 1 + 2 + property.name.size() + 2 + property.value.size();
    });
}

std::optional<UserProperty> UserProperties::next(Reader& in) {
    if (!find_property(in, PropertyId::user_property)) {
        return std::nullopt;
    }
    UserProperty property;
    property.name = as_text(in.take(in.u16_be()));
    property.value = as_text(in.take(in.u16_be()));
    GW_ASSERT(!in.failed());
    return property;
}

bool UserProperties::operator==(const UserProperties& other) const {
    if (count_ != other.count_ || wire_bytes_ != other.wire_bytes_) {
        return false;
    }
    Reader mine{block_};
    Reader others{other.block_};
    while (const auto property = next(mine)) {
        if (property != next(others)) {
            return false;
        }
    }
    return true;
}

SubscriptionIdentifiers::SubscriptionIdentifiers(Bytes block) : block_(block) {
    for_each([this](std::uint32_t) { ++count_; });
}

std::uint32_t SubscriptionIdentifiers::next(Reader& in) {
    if (!find_property(in, PropertyId::subscription_identifier)) {
        return 0;
    }
    std::uint32_t value = 0;
    std::uint8_t digit = 0;
    unsigned shift = 0;
    do {
        digit = in.u8();
        value |= static_cast<std::uint32_t>(digit & 0x7f) << shift;
        shift += 7;
    } while ((digit & 0x80) != 0);
    GW_ASSERT(!in.failed());
    return value;
}

}  // namespace gw::mqtt
