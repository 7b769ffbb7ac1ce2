#pragma once

/// Reading and writing of property blocks; shared by the codec's sources, not for others.
#include "adapters/mqtt/codec/frame.hpp"
#include "adapters/mqtt/codec/property.hpp"
#include "adapters/mqtt/codec/wire.hpp"
#include "broker-core/base/bytes.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace gw::mqtt {

/// What a property block belongs to: a packet type or the will, which has a block of its own.
class PropertyOwner {
public:
    constexpr PropertyOwner(PacketType type) : bit_(1U << static_cast<unsigned>(type)) {}
    static constexpr PropertyOwner will() { return PropertyOwner{1U}; }
    constexpr std::uint32_t bit() const { return bit_; }

private:
    constexpr explicit PropertyOwner(std::uint32_t bit) : bit_(bit) {}
    std::uint32_t bit_;  // type 0 is reserved, so bit 0 is free for the will
};

/// One checked property.
struct Property {
    PropertyId id = PropertyId::user_property;
    std::uint32_t number = 0;  // integers of any size
    std::string_view name;     // user property only
    std::string_view text;     // strings and binaries
    Bytes wire;                // identifier and value

    bool flag() const { return number != 0; }
    Bytes binary() const { return as_bytes(text); }
};

/// Walks over a property block and checks each property: known, allowed in its packet, not
/// repeated, value in range (MQTT 5.0, 2.2.2 and the sections of the packets).
class PropertyCursor {
public:
    PropertyCursor(Bytes block, PropertyOwner owner) : block_(block), in_(block), owner_(owner) {}

    /// The next property; false at the end or after a failure.
    bool next(Property& property);
    const std::optional<DecodeError>& error() const { return in_.error(); }
    std::uint32_t user_property_count() const { return user_property_count_; }

private:
    void judge(const Property& property);

    Bytes block_;
    PacketReader in_;
    PropertyOwner owner_;
    std::uint64_t seen_ = 0;
    std::uint32_t user_property_count_ = 0;
};

/// Reads the property block at `in`, calls `visit(const Property&)` for each, user properties
/// excepted, and gives these. A failure is left in `in`.
template <class Visit>
UserProperties read_properties(PacketReader& in, PropertyOwner owner, const Visit& visit) {
    const Bytes block = in.take(in.variable_integer());
    PropertyCursor cursor{block, owner};
    Property property;
    while (cursor.next(property)) {
        if (property.id != PropertyId::user_property) {
            visit(property);
        }
    }
    if (cursor.error()) {
        in.fail(*cursor.error());
    }
    return in.error() || cursor.user_property_count() == 0 ? UserProperties{}
                                                           : UserProperties{block};
}

/// Gathers the properties that travel with a message: in place while they stand together, in a
/// scratch buffer once others stand between them.
class ForwardedProperties {
public:
    explicit ForwardedProperties(ByteBuffer& scratch) : scratch_(scratch) {}
    void add(Bytes wire);
    Bytes block() const { return copied_ ? scratch_.view() : in_place_; }

private:
    ByteBuffer& scratch_;
    Bytes in_place_;
    bool copied_ = false;
};

// Writers of single properties for SizeCounter and PacketWriter.

template <class Sink>
void put_id(Sink& sink, PropertyId id) {
    sink.u8(static_cast<std::uint8_t>(id));
}
template <class Sink>
void put_u8(Sink& sink, PropertyId id, std::uint8_t value) {
    put_id(sink, id);
    sink.u8(value);
}
template <class Sink>
void put_u16(Sink& sink, PropertyId id, std::uint16_t value) {
    put_id(sink, id);
    sink.u16(value);
}
template <class Sink>
void put_u32(Sink& sink, PropertyId id, const std::optional<std::uint32_t>& value) {
    if (value) {
        put_id(sink, id);
        sink.u32(*value);
    }
}
template <class Sink>
void put_text(Sink& sink, PropertyId id, const std::optional<std::string_view>& value) {
    if (value) {
        put_id(sink, id);
        sink.text(*value);
    }
}
template <class Sink>
void put_binary(Sink& sink, PropertyId id, const std::optional<Bytes>& value) {
    if (value) {
        put_id(sink, id);
        sink.binary(*value);
    }
}
template <class Sink>
void put_user_properties(Sink& sink, const UserProperties& properties) {
    properties.for_each([&sink](const UserProperty& property) {
        put_id(sink, PropertyId::user_property);
        sink.text(property.name);
        sink.text(property.value);
    });
}

/// Writes the block whose properties `put(sink)` writes, with its length in front.
template <class Sink, class Put>
void put_property_block(Sink& sink, const Put& put) {
    SizeCounter block;
    put(block);
    sink.variable_integer(block.bytes());
    put(sink);
}

}  // namespace gw::mqtt
