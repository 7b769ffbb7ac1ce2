#include "adapters/mqtt/codec/publish.hpp"

#include "adapters/mqtt/codec/property_block.hpp"
#include "adapters/mqtt/codec/translation.hpp"
#include "adapters/mqtt/codec/wire.hpp"

namespace gw::mqtt {

namespace {

/// Reads the property block of a PUBLISH; a failure is left in `in`.
void read_publish_properties(PacketReader& in, Sender sender, ByteBuffer& scratch,
                             PublishPacket& packet) {
    const std::uint32_t block_bytes = in.variable_integer();
    if (block_bytes == 0) {
        return;
    }
    const Bytes block = in.take(block_bytes);
    ForwardedProperties forwarded{scratch};
    PropertyCursor cursor{block, PacketType::publish};
    Property property;
    bool has_identifiers = false;
    while (cursor.next(property)) {
        switch (property.id) {
            case PropertyId::message_expiry_interval:
                packet.message_expiry_interval = property.number;
                break;
            case PropertyId::topic_alias:
                packet.topic_alias = static_cast<std::uint16_t>(property.number);
                break;
            case PropertyId::subscription_identifier:
                has_identifiers = true;
                break;
            case PropertyId::payload_format_indicator:
                packet.payload_is_utf8 = property.flag();
                break;
            default:  // the cursor lets only properties of a PUBLISH pass
                break;
        }
        if (is_of_message(property.id)) {
            forwarded.add(property.wire);
        }
    }
    if (cursor.error()) {
        in.fail(*cursor.error());
        return;
    }
    if (has_identifiers) {
        if (sender == Sender::client) {
            in.fail(DecodeError::subscription_identifier_from_client);
            return;
        }
        packet.subscription_identifiers = SubscriptionIdentifiers{block};
    }
    packet.properties = forwarded.block();
    packet.user_property_count = cursor.user_property_count();
}

std::size_t property_bytes(const PublishOut& packet) {
    std::size_t bytes = packet.properties.size();
    bytes += packet.message_expiry_interval ? 1 + 4 : 0;
    bytes += packet.topic_alias != 0 ? 1 + 2 : 0;
    for (const std::uint32_t id : packet.subscription_identifiers) {
        bytes += 1 + variable_integer_bytes(id);
    }
    return bytes;
}

struct PublishSizes {
    std::size_t properties = 0;
    std::size_t remaining_length = 0;
    std::size_t header = 0;  // all up to the payload
};

PublishSizes sizes_of(Version version, const PublishOut& packet) {
    PublishSizes sizes;
    std::size_t variable_header = 2 + (packet.alias_known ? 0 : packet.topic.size());
    variable_header += packet.qos != Qos::at_most_once ? 2 : 0;
    if (version == Version::v5) {
        sizes.properties = property_bytes(packet);
        variable_header += variable_integer_bytes(sizes.properties) + sizes.properties;
    }
    sizes.remaining_length = variable_header + packet.payload.size();
    sizes.header = 1 + variable_integer_bytes(sizes.remaining_length) + variable_header;
    return sizes;
}

void write_header(PacketWriter& writer, Version version, const PublishOut& packet,
                  const PublishSizes& sizes) {
    const unsigned flags = (packet.dup ? 0x08U : 0U) | static_cast<unsigned>(packet.qos) << 1 |
                           (packet.retain ? 0x01U : 0U);
    writer.u8(first_byte_of(PacketType::publish, static_cast<std::uint8_t>(flags)));
    writer.variable_integer(sizes.remaining_length);
    writer.text(packet.alias_known ? std::string_view{} : packet.topic);
    if (packet.qos != Qos::at_most_once) {
        writer.u16(packet.packet_id);
    }
    if (version != Version::v5) {
        return;
    }
    writer.variable_integer(sizes.properties);
    if (packet.message_expiry_interval) {
        put_u32(writer, PropertyId::message_expiry_interval, packet.message_expiry_interval);
    }
    if (packet.topic_alias != 0) {
        put_u16(writer, PropertyId::topic_alias, packet.topic_alias);
    }
    for (const std::uint32_t id : packet.subscription_identifiers) {
        put_id(writer, PropertyId::subscription_identifier);
        writer.variable_integer(id);
    }
    writer.raw(packet.properties);
}

void check_packet(Version version, const PublishOut& packet) {
    GW_ASSERT((packet.packet_id != 0) == (packet.qos != Qos::at_most_once));
    GW_ASSERT(!packet.alias_known || (version == Version::v5 && packet.topic_alias != 0));
}

}  // namespace

Result<void, DecodeError> decode_publish(const Frame& frame, PublishRules rules,
                                         ByteBuffer& scratch, PublishPacket& packet) {
    packet = PublishPacket{};
    const unsigned qos = frame.first_byte >> 1 & 0x03U;
    if (qos == 3) {
        return DecodeError::qos_invalid;
    }
    packet.qos = static_cast<Qos>(qos);
    packet.dup = (frame.first_byte & 0x08) != 0;
    packet.retain = (frame.first_byte & 0x01) != 0;
    // MQTT 3.1.1 and 5.0 forbid DUP with QoS 0 (MQTT-3.3.1-2); 3.1 gives it no meaning.
    if (packet.dup && qos == 0) {
        if (rules.version != Version::v3_1) {
            return DecodeError::dup_with_qos_0;
        }
        packet.dup = false;
    }

    PacketReader in{frame.body};
    const Bytes topic = in.binary();
    if (qos != 0) {
        packet.packet_id = in.packet_id();
    }
    if (rules.version == Version::v5) {
        read_publish_properties(in, rules.sender, scratch, packet);
    }
    packet.payload = in.rest();
    if (in.error()) {
        return *in.error();
    }
    if (topic.empty() && packet.topic_alias == 0) {
        return DecodeError::topic_name_missing;
    }
    if (const auto error = judge_topic_name(topic)) {
        return *error;
    }
    packet.topic = as_text(topic);
    return {};
}

std::size_t publish_size(Version version, const PublishOut& packet) {
    const PublishSizes sizes = sizes_of(version, packet);
    return sizes.header + packet.payload.size();
}

void encode_publish(ByteBuffer& out, Version version, const PublishOut& packet) {
    check_packet(version, packet);
    const PublishSizes sizes = sizes_of(version, packet);
    PacketWriter writer{out, sizes.header + packet.payload.size()};
    write_header(writer, version, packet, sizes);
    writer.raw(packet.payload);
}

void encode_publish_header(ByteBuffer& out, Version version, const PublishOut& packet) {
    check_packet(version, packet);
    const PublishSizes sizes = sizes_of(version, packet);
    PacketWriter writer{out, sizes.header};
    write_header(writer, version, packet, sizes);
}

}  // namespace gw::mqtt
