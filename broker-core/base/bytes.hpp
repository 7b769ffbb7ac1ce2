#pragma once

#include "broker-core/base/assert.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

namespace gw {

/// Borrowed bytes; whoever passes them keeps them alive for the call.
using Bytes = std::span<const std::uint8_t>;

inline std::string_view as_text(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// Reads big-endian values from borrowed bytes. Sticky: past the end every read gives zero or
/// nothing, and failed() stays true, so one check at the end is enough.
class Reader {
public:
    explicit Reader(Bytes bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

    std::uint8_t u8() {
        if (!has(1)) {
            return 0;
        }
        return *at_++;
    }
    std::uint16_t u16_be() {
        if (!has(2)) {
            return 0;
        }
        const auto value = static_cast<std::uint16_t>(at_[0] << 8 | at_[1]);
        at_ += 2;
        return value;
    }
    std::uint32_t u32_be() {
        if (!has(4)) {
            return 0;
        }
        const std::uint32_t value = static_cast<std::uint32_t>(at_[0]) << 24 |
                                    static_cast<std::uint32_t>(at_[1]) << 16 |
                                    static_cast<std::uint32_t>(at_[2]) << 8 | at_[3];
        at_ += 4;
        return value;
    }
    Bytes take(std::size_t count) {
        if (!has(count)) {
            return {};
        }
        const Bytes taken{at_, count};
        at_ += count;
        return taken;
    }
    Bytes rest() { return take(remaining()); }

    std::size_t remaining() const { return static_cast<std::size_t>(end_ - at_); }
    bool at_end() const { return at_ == end_; }
    bool failed() const { return failed_; }

private:
    bool has(std::size_t count) {
        if (remaining() < count) [[unlikely]] {
            failed_ = true;
            at_ = end_;
            return false;
        }
        return true;
    }

    const std::uint8_t* at_;
    const std::uint8_t* end_;
    bool failed_ = false;
};

/// Growable output bytes. Growth doubles; the new part is not initialised. Move-only.
class ByteBuffer {
public:
    ByteBuffer() = default;
    ByteBuffer(ByteBuffer&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)),
          size_(std::exchange(other.size_, 0)),
          capacity_(std::exchange(other.capacity_, 0)) {}
    ByteBuffer& operator=(ByteBuffer&& other) noexcept {
        if (this != &other) {
            release();
            data_ = std::exchange(other.data_, nullptr);
            size_ = std::exchange(other.size_, 0);
            capacity_ = std::exchange(other.capacity_, 0);
        }
        return *this;
    }
    ~ByteBuffer() { release(); }

    /// Appends `count` bytes of undefined value and returns where they start. The pointer is
    /// valid until the next call that appends.
    std::uint8_t* extend(std::size_t count) {
        if (capacity_ - size_ < count) [[unlikely]] {
            grow(count);
        }
        std::uint8_t* start = data_ + size_;
        size_ += count;
        return start;
    }
    void u8(std::uint8_t value) { *extend(1) = value; }
    void u16_be(std::uint16_t value) {
        std::uint8_t* out = extend(2);
        out[0] = static_cast<std::uint8_t>(value >> 8);
        out[1] = static_cast<std::uint8_t>(value);
    }
    void u32_be(std::uint32_t value) {
        std::uint8_t* out = extend(4);
        out[0] = static_cast<std::uint8_t>(value >> 24);
        out[1] = static_cast<std::uint8_t>(value >> 16);
        out[2] = static_cast<std::uint8_t>(value >> 8);
        out[3] = static_cast<std::uint8_t>(value);
    }
    void append(Bytes bytes) {
        if (!bytes.empty()) {
            std::memcpy(extend(bytes.size()), bytes.data(), bytes.size());
        }
    }
    void append(std::string_view text) { append(as_bytes(text)); }

    const std::uint8_t* data() const { return data_; }
    std::uint8_t* data() { return data_; }
    std::size_t size() const { return size_; }
    std::size_t capacity() const { return capacity_; }
    bool empty() const { return size_ == 0; }
    Bytes view() const { return {data_, size_}; }

    /// Forgets the content, keeps the memory.
    void clear() { size_ = 0; }
    /// Cuts back to the first `size` bytes; size must not exceed size().
    void truncate(std::size_t size) {
        GW_ASSERT(size <= size_);
        size_ = size;
    }
    /// Removes `count` bytes at the front; moves the rest down.
    void consume(std::size_t count) {
        GW_ASSERT(count <= size_);
        size_ -= count;
        if (size_ != 0) {
            std::memmove(data_, data_ + count, size_);
        }
    }
    /// Gives the memory back.
    void release();

private:
    void grow(std::size_t count);

    std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace gw
