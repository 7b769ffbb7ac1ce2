#pragma once

/// Shared by the codec's sources; not for others to include.
#include "adapters/mqtt/codec/decode_error.hpp"
#include "adapters/mqtt/codec/frame.hpp"
#include "adapters/mqtt/codec/property.hpp"
#include "broker-core/base/assert.hpp"
#include "broker-core/base/bytes.hpp"
#include "broker-core/base/utf8.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace gw::mqtt {

/// Whether `name` can be a topic name as far as every version demands it: UTF-8 without U+0000
/// (utf8_invalid) and without wildcards (topic_name_invalid). An empty one passes.
std::optional<DecodeError> judge_topic_name(Bytes name);

/// Reads the fields of a packet's body. The first failure is kept, whatever is read after it is
/// harmless and means nothing, so that one check at the end is enough.
class PacketReader {
public:
    explicit PacketReader(Bytes body) : in_(body) {}

    std::uint8_t u8() { return checked(in_.u8()); }
    std::uint16_t u16() { return checked(in_.u16_be()); }
    std::uint32_t u32() { return checked(in_.u32_be()); }
    Bytes take(std::size_t count) { return checked(in_.take(count)); }
    Bytes rest() { return in_.rest(); }
    Bytes binary() { return take(u16()); }
    /// MQTT 5.0, 1.5.4.
    std::string_view text() {
        const Bytes bytes = binary();
        if (!is_valid_utf8(bytes)) {
            fail(DecodeError::utf8_invalid);
        }
        return as_text(bytes);
    }
    /// MQTT 5.0, 1.5.5.
    std::uint32_t variable_integer();
    /// MQTT 5.0, 2.2.1.
    std::uint16_t packet_id() {
        const std::uint16_t id = u16();
        if (id == 0) {
            fail(DecodeError::packet_id_zero);
        }
        return id;
    }

    std::size_t remaining() const { return in_.remaining(); }
    bool at_end() const { return in_.at_end(); }
    void fail(DecodeError error) {
        if (!error_) {
            error_ = error;
        }
    }
    const std::optional<DecodeError>& error() const { return error_; }
    /// The failure, or that bytes are left over, or nothing.
    std::optional<DecodeError> finish() {
        if (!at_end()) {
            fail(DecodeError::trailing_bytes);
        }
        return error_;
    }

private:
    template <class T>
    T checked(T value) {
        if (in_.failed()) [[unlikely]] {
            fail(DecodeError::truncated);
        }
        return value;
    }

    Reader in_;
    std::optional<DecodeError> error_;
};

inline std::size_t variable_integer_bytes(std::size_t value) {
    return value < 128 ? 1 : value < 16'384 ? 2 : value < 2'097'152 ? 3 : 4;
}

/// Counts what PacketWriter would write. The same template writes a packet's fields into either,
/// so that size and bytes cannot disagree.
class SizeCounter {
public:
    void u8(std::uint8_t) { bytes_ += 1; }
    void u16(std::uint16_t) { bytes_ += 2; }
    void u32(std::uint32_t) { bytes_ += 4; }
    void variable_integer(std::size_t value) { bytes_ += variable_integer_bytes(value); }
    void raw(Bytes bytes) { bytes_ += bytes.size(); }
    void binary(Bytes bytes) { bytes_ += 2 + bytes.size(); }
    void text(std::string_view text) { bytes_ += 2 + text.size(); }
    std::size_t bytes() const { return bytes_; }

private:
    std::size_t bytes_ = 0;
};

/// Fills `count` new bytes at the end of a buffer; the destructor sees that all were written.
class PacketWriter {
public:
    PacketWriter(ByteBuffer& out, std::size_t count) : at_(out.extend(count)), end_(at_ + count) {}
    PacketWriter(const PacketWriter&) = delete;
    PacketWriter& operator=(const PacketWriter&) = delete;
    ~PacketWriter() { GW_ASSERT(at_ == end_); }

    void u8(std::uint8_t value) { *claim(1) = value; }
    void u16(std::uint16_t value) {
        std::uint8_t* at = claim(2);
        at[0] = static_cast<std::uint8_t>(value >> 8);
        at[1] = static_cast<std::uint8_t>(value);
    }
    void u32(std::uint32_t value) {
        u16(static_cast<std::uint16_t>(value >> 16));
        u16(static_cast<std::uint16_t>(value));
    }
    void variable_integer(std::size_t value) {
        GW_ASSERT(value <= remaining_length_max);
        while (value >= 128) {
            u8(static_cast<std::uint8_t>(value | 0x80));
            value >>= 7;
        }
        u8(static_cast<std::uint8_t>(value));
    }
    void raw(Bytes bytes) {
        if (!bytes.empty()) {
            std::memcpy(claim(bytes.size()), bytes.data(), bytes.size());
        }
    }
    void binary(Bytes bytes) {
        GW_ASSERT(bytes.size() <= 0xffff);
        u16(static_cast<std::uint16_t>(bytes.size()));
        raw(bytes);
    }
    void text(std::string_view text) { binary(as_bytes(text)); }

private:
    std::uint8_t* claim(std::size_t count) {
        GW_ASSERT(static_cast<std::size_t>(end_ - at_) >= count);
        std::uint8_t* at = at_;
        at_ += count;
        return at;
    }

    std::uint8_t* at_;
    std::uint8_t* end_;
};

inline std::uint8_t first_byte_of(PacketType type, std::uint8_t flags = 0) {
    return static_cast<std::uint8_t>(static_cast<unsigned>(type) << 4 | flags);
}

/// Size of the packet whose body `put(sink)` writes.
template <class Put>
std::size_t packet_size(const Put& put) {
    SizeCounter body;
    put(body);
    return 1 + variable_integer_bytes(body.bytes()) + body.bytes();
}

/// Appends the packet whose body `put(sink)` writes.
template <class Put>
void append_packet(ByteBuffer& out, std::uint8_t first_byte, const Put& put) {
    SizeCounter body;
    put(body);
    PacketWriter writer{out, 1 + variable_integer_bytes(body.bytes()) + body.bytes()};
    writer.u8(first_byte);
    writer.variable_integer(body.bytes());
    put(writer);
}

}  // namespace gw::mqtt
