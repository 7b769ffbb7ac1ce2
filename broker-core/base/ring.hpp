#pragma once

#include "broker-core/base/assert.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace gw {

/// Double-ended queue in one block of power-of-two size, 24 bytes when empty. Unlike std::deque it
/// costs nothing while empty, and its elements have an index that stays cheap.
template <class T>
class Ring {
public:
    Ring() = default;
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    Ring(Ring&& other) noexcept
        : slots_(std::exchange(other.slots_, nullptr)),
          capacity_(std::exchange(other.capacity_, 0)),
          head_(std::exchange(other.head_, 0)),
          count_(std::exchange(other.count_, 0)) {}
    Ring& operator=(Ring&& other) noexcept {
        std::swap(slots_, other.slots_);
        std::swap(capacity_, other.capacity_);
        std::swap(head_, other.head_);
        std::swap(count_, other.count_);
        return *this;
    }
    ~Ring() { release(); }

    std::size_t size() const { return count_; }
    bool empty() const { return count_ == 0; }
    T& operator[](std::size_t index) { return slots_[(head_ + index) & (capacity_ - 1)]; }
    const T& operator[](std::size_t index) const {
        return slots_[(head_ + index) & (capacity_ - 1)];
    }
    T& front() { return (*this)[0]; }
    T& back() { return (*this)[count_ - 1]; }

    T& push_back(T value) {
        if (count_ == capacity_) {
            grow();
        }
        T* const slot = &slots_[(head_ + count_) & (capacity_ - 1)];
        ++count_;
        return *::new (static_cast<void*>(slot)) T(std::move(value));
    }
    void push_front(T value) {
        if (count_ == capacity_) {
            grow();
        }
        head_ = (head_ + capacity_ - 1) & (capacity_ - 1);
        ++count_;
        ::new (static_cast<void*>(&slots_[head_])) T(std::move(value));
    }
    T pop_front() {
        GW_ASSERT(count_ != 0);
        T* const slot = &slots_[head_];
        T value = std::move(*slot);
        slot->~T();
        head_ = (head_ + 1) & (capacity_ - 1);
        --count_;
        return value;
    }
    T pop_back() {
        GW_ASSERT(count_ != 0);
        T* const slot = &slots_[(head_ + count_ - 1) & (capacity_ - 1)];
        T value = std::move(*slot);
        slot->~T();
        --count_;
        return value;
    }
    void clear() {
        while (count_ != 0) {
            pop_front();
        }
    }
    /// Gives the memory back; what was inside is destroyed.
    void release() {
        clear();
        std::allocator<T>{}.deallocate(slots_, capacity_);
        slots_ = nullptr;
        capacity_ = 0;
        head_ = 0;
    }
    /// Gives the memory back when nothing is inside and it is more than `keep` elements.
    void shrink_when_empty(std::size_t keep) {
        if (count_ == 0 && capacity_ > keep) {
            release();
        }
    }
    std::size_t capacity() const { return capacity_; }

private:
    void grow() {
        const std::uint32_t capacity = capacity_ == 0 ? 4 : capacity_ * 2;
        T* const slots = std::allocator<T>{}.allocate(capacity);
        for (std::uint32_t i = 0; i < count_; ++i) {
            T& old = (*this)[i];
            ::new (static_cast<void*>(&slots[i])) T(std::move(old));
            old.~T();
        }
        std::allocator<T>{}.deallocate(slots_, capacity_);
        slots_ = slots;
        capacity_ = capacity;
        head_ = 0;
    }

    T* slots_ = nullptr;
    std::uint32_t capacity_ = 0;
    std::uint32_t head_ = 0;
    std::uint32_t count_ = 0;
};

}  // namespace gw
