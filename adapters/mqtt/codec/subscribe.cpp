#include "adapters/mqtt/codec/subscribe.hpp"

#include "adapters/mqtt/codec/property_block.hpp"
#include "adapters/mqtt/codec/wire.hpp"

namespace gw::mqtt {

namespace {

constexpr std::uint8_t option_no_local = 0x04;
constexpr std::uint8_t option_retain_as_published = 0x08;
constexpr unsigned retain_handling_shift = 4;
constexpr std::string_view share_prefix = "$share/";

SubscriptionEntry make_entry(std::string_view filter, std::uint8_t options, Version version) {
    SubscriptionEntry entry;
    entry.filter = filter;
    entry.qos = static_cast<Qos>(options & 0x03);
    if (version == Version::v5) {
        entry.no_local = (options & option_no_local) != 0;
        entry.retain_as_published = (options & option_retain_as_published) != 0;
        entry.retain_handling =
            static_cast<RetainHandling>(options >> retain_handling_shift & 0x03U);
    }
    return entry;
}

std::uint8_t options_of(const SubscriptionEntry& entry, Version version) {
    unsigned options = static_cast<unsigned>(entry.qos);
    if (version == Version::v5) {
        options |= entry.no_local ? option_no_local : 0U;
        options |= entry.retain_as_published ? option_retain_as_published : 0U;
        options |= static_cast<unsigned>(entry.retain_handling) << retain_handling_shift;
    }
    return static_cast<std::uint8_t>(options);
}

/// MQTT 5.0, 3.8.3.1; MQTT 3.1.1, 3.8.3. Version 3.1 does not say what its upper bits must be.
std::optional<DecodeError> judge_options(std::string_view filter, std::uint8_t options,
                                         Version version) {
    if ((options & 0x03) == 3) {
        return DecodeError::subscription_qos_invalid;
    }
    if (version == Version::v3_1) {
        return std::nullopt;
    }
    if ((options & (version == Version::v5 ? 0xc0 : 0xfc)) != 0) {
        return DecodeError::subscription_options_reserved;
    }
    if ((options >> retain_handling_shift & 0x03U) == 3) {
        return DecodeError::retain_handling_invalid;
    }
    if ((options & option_no_local) != 0 && filter.starts_with(share_prefix)) {
        return DecodeError::no_local_on_shared;
    }
    return std::nullopt;
}

SubscriptionList read_subscriptions(PacketReader& in, Bytes body, Version version) {
    const Bytes wire = body.last(in.remaining());
    std::size_t count = 0;
    while (!in.at_end() && !in.error()) {
        const std::string_view filter = in.text();
        const std::uint8_t options = in.u8();
        if (const auto error = judge_options(filter, options, version)) {
            in.fail(*error);
        }
        ++count;
    }
    if (count == 0) {
        in.fail(DecodeError::list_empty);
    }
    return {wire, count, version};
}

FilterList read_filters(PacketReader& in, Bytes body, Version version) {
    const Bytes wire = body.last(in.remaining());
    std::size_t count = 0;
    while (!in.at_end() && !in.error()) {
        in.text();
        ++count;
    }
    if (count == 0) {
        in.fail(DecodeError::list_empty);
    }
    return {wire, count, version};
}

template <class Sink>
void put_body(Sink& sink, Version version, const SubscribeOut& packet) {
    sink.u16(packet.packet_id);
    if (version == Version::v5) {
        put_property_block(sink, [&packet](auto& block) {
            if (packet.subscription_identifier != 0) {
                put_id(block, PropertyId::subscription_identifier);
                block.variable_integer(packet.subscription_identifier);
            }
            put_user_properties(block, packet.user_properties);
        });
    }
    for (const SubscriptionEntry& entry : packet.subscriptions) {
        sink.text(entry.filter);
        sink.u8(options_of(entry, version));
    }
}

template <class Sink>
void put_body(Sink& sink, Version version, const UnsubscribeOut& packet) {
    sink.u16(packet.packet_id);
    if (version == Version::v5) {
        put_property_block(
            sink, [&packet](auto& block) { put_user_properties(block, packet.user_properties); });
    }
    for (const std::string_view filter : packet.filters) {
        sink.text(filter);
    }
}

/// The flags are reserved and fixed (MQTT 5.0, 2.1.3).
constexpr std::uint8_t reserved_flags = 0x02;

}  // namespace

template <>
void EntryList<SubscriptionEntry>::Iterator::read() {
    at_end_ = rest_.empty();
    if (at_end_) {
        return;
    }
    Reader in{rest_};
    const std::string_view filter = as_text(in.take(in.u16_be()));
    entry_ = make_entry(filter, in.u8(), version_);
    GW_ASSERT(!in.failed());
    rest_ = in.rest();
}

template <>
void EntryList<std::string_view>::Iterator::read() {
    at_end_ = rest_.empty();
    if (at_end_) {
        return;
    }
    Reader in{rest_};
    entry_ = as_text(in.take(in.u16_be()));
    GW_ASSERT(!in.failed());
    rest_ = in.rest();
}

Result<SubscribePacket, DecodeError> decode_subscribe(Bytes body, Version version) {
    PacketReader in{body};
    SubscribePacket packet;
    packet.packet_id = in.packet_id();
    if (version == Version::v5) {
        packet.user_properties =
            read_properties(in, PacketType::subscribe, [&packet](const Property& property) {
                packet.subscription_identifier = property.number;  // the only other one allowed
            });
    }
    packet.subscriptions = read_subscriptions(in, body, version);
    if (const auto error = in.finish()) {
        return *error;
    }
    return packet;
}

Result<UnsubscribePacket, DecodeError> decode_unsubscribe(Bytes body, Version version) {
    PacketReader in{body};
    UnsubscribePacket packet;
    packet.packet_id = in.packet_id();
    if (version == Version::v5) {
        packet.user_properties =
            read_properties(in, PacketType::unsubscribe, [](const Property&) {});
    }
    packet.filters = read_filters(in, body, version);
    if (const auto error = in.finish()) {
        return *error;
    }
    return packet;
}

std::size_t subscribe_size(Version version, const SubscribeOut& packet) {
    return packet_size([&](auto& sink) { put_body(sink, version, packet); });
}

void encode_subscribe(ByteBuffer& out, Version version, const SubscribeOut& packet) {
    GW_ASSERT(packet.packet_id != 0 && !packet.subscriptions.empty());
    append_packet(out, first_byte_of(PacketType::subscribe, reserved_flags),
                  [&](auto& sink) { put_body(sink, version, packet); });
}

std::size_t unsubscribe_size(Version version, const UnsubscribeOut& packet) {
    return packet_size([&](auto& sink) { put_body(sink, version, packet); });
}

void encode_unsubscribe(ByteBuffer& out, Version version, const UnsubscribeOut& packet) {
    GW_ASSERT(packet.packet_id != 0 && !packet.filters.empty());
    append_packet(out, first_byte_of(PacketType::unsubscribe, reserved_flags),
                  [&](auto& sink) { put_body(sink, version, packet); });
}

}  // namespace gw::mqtt
