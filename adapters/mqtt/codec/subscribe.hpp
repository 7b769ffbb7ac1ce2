#pragma once

#include "adapters/mqtt/codec/decode_error.hpp"
#include "adapters/mqtt/codec/frame.hpp"
#include "adapters/mqtt/codec/property.hpp"
#include "broker-core/base/bytes.hpp"
#include "broker-core/base/result.hpp"
#include "broker-core/message/qos.hpp"
#include "broker-core/message/reason.hpp"

#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string_view>

namespace gw::mqtt {

/// When retained messages are sent on a subscription (MQTT 5.0, 3.8.3.1).
enum class RetainHandling : std::uint8_t { send = 0, send_if_new = 1, do_not_send = 2 };

/// One entry of a SUBSCRIBE. Below version 5 only filter and QoS are on the wire.
struct SubscriptionEntry {
    std::string_view filter;  // valid UTF-8; parse_topic_filter() judges the rest
    Qos qos = Qos::at_most_once;
    bool no_local = false;
    bool retain_as_published = false;
    RetainHandling retain_handling = RetainHandling::send;
    bool operator==(const SubscriptionEntry&) const = default;
};

/// A list of entries in wire form that a decoder has checked, so that walking over it cannot fail.
/// For range-for. Borrows.
template <class Entry>
class EntryList {
public:
    class Iterator {
    public:
        Iterator(Bytes rest, Version version) : rest_(rest), version_(version) { read(); }
        const Entry& operator*() const { return entry_; }
        const Entry* operator->() const { return &entry_; }
        Iterator& operator++() {
            read();
            return *this;
        }
        bool operator==(std::default_sentinel_t) const { return at_end_; }

    private:
        void read();

        Bytes rest_;
        Entry entry_{};
        Version version_;
        bool at_end_ = false;
    };

    EntryList() = default;
    EntryList(Bytes wire, std::size_t count, Version version)
        : wire_(wire), count_(count), version_(version) {}

    std::size_t count() const { return count_; }
    Iterator begin() const { return {wire_, version_}; }
    std::default_sentinel_t end() const { return {}; }

private:
    Bytes wire_;
    std::size_t count_ = 0;
    Version version_ = Version::v5;
};

template <>
void EntryList<SubscriptionEntry>::Iterator::read();
template <>
void EntryList<std::string_view>::Iterator::read();

/// Entries of a SUBSCRIBE, and the filters of an UNSUBSCRIBE.
using SubscriptionList = EntryList<SubscriptionEntry>;
using FilterList = EntryList<std::string_view>;

/// SUBSCRIBE as received (MQTT 5.0, 3.8); at least one subscription.
struct SubscribePacket {
    std::uint16_t packet_id = 0;
    std::uint32_t subscription_identifier = 0;  // 0: none
    SubscriptionList subscriptions;
    UserProperties user_properties;
};

/// UNSUBSCRIBE as received (MQTT 5.0, 3.10); at least one filter.
struct UnsubscribePacket {
    std::uint16_t packet_id = 0;
    FilterList filters;
    UserProperties user_properties;
};

/// Decode the bodies. That filters are not empty and have their wildcards in the right places is
/// left to parse_topic_filter(), so that one bad filter can be refused in its SUBACK.
Result<SubscribePacket, DecodeError> decode_subscribe(Bytes body, Version version);
Result<UnsubscribePacket, DecodeError> decode_unsubscribe(Bytes body, Version version);

/// SUBSCRIBE and UNSUBSCRIBE to be sent, for the client side.
struct SubscribeOut {
    std::uint16_t packet_id = 0;
    std::uint32_t subscription_identifier = 0;  // 0: none
    std::span<const SubscriptionEntry> subscriptions;
    UserProperties user_properties;
};
struct UnsubscribeOut {
    std::uint16_t packet_id = 0;
    std::span<const std::string_view> filters;
    UserProperties user_properties;
};

std::size_t subscribe_size(Version version, const SubscribeOut& packet);
void encode_subscribe(ByteBuffer& out, Version version, const SubscribeOut& packet);
std::size_t unsubscribe_size(Version version, const UnsubscribeOut& packet);
void encode_unsubscribe(ByteBuffer& out, Version version, const UnsubscribeOut& packet);

/// SUBACK or UNSUBACK (MQTT 5.0, 3.9 and 3.11): a reason code for each entry asked for, in order.
struct SubackPacket {
    std::uint16_t packet_id = 0;
    Bytes reasons;  // one byte each, value of ReasonCode; not on the wire in an UNSUBACK below 5
    std::optional<std::string_view> reason_string;
    UserProperties user_properties;

    ReasonCode reason(std::size_t index) const { return static_cast<ReasonCode>(reasons[index]); }
};
using UnsubackPacket = SubackPacket;

/// Reason codes as the bytes that SubackPacket wants.
inline Bytes as_reason_bytes(std::span<const ReasonCode> reasons) {
    return {reinterpret_cast<const std::uint8_t*>(reasons.data()), reasons.size()};
}

Result<SubackPacket, DecodeError> decode_suback(Bytes body, Version version);
Result<UnsubackPacket, DecodeError> decode_unsuback(Bytes body, Version version);

/// Below version 5 every error becomes 0x80 in a SUBACK. Version 3.1 has no failure code at all;
/// its clients get 0x80 too, as mosquitto does, since a granted QoS would be a lie.
std::size_t suback_size(Version version, const SubackPacket& packet);
void encode_suback(ByteBuffer& out, Version version, const SubackPacket& packet);
std::size_t unsuback_size(Version version, const UnsubackPacket& packet);
void encode_unsuback(ByteBuffer& out, Version version, const UnsubackPacket& packet);

}  // namespace gw::mqtt
