#pragma once

#include "broker-core/base/assert.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace gw {

/// Double-ended queue in one block of power-of-two size, 8 bytes when empty. Unlike std::deque it
/// costs nothing while empty, and its elements have an index that stays cheap.
template <class T>
class Ring {
public:
    Ring() = default;
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    Ring(Ring&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
    Ring& operator=(Ring&& other) noexcept {
        std::swap(block_, other.block_);
        return *this;
    }
    ~Ring() { release(); }

    std::size_t size() const { return block_ != nullptr ? block_->count : 0; }
    bool empty() const { return size() == 0; }
    T& operator[](std::size_t index) { return *slot(index); }
    const T& operator[](std::size_t index) const { return *slot(index); }
    T& front() { return (*this)[0]; }
    T& back() { return (*this)[block_->count - 1]; }

    T& push_back(T value) {
        if (size() == capacity()) {
            grow();
        }
        T* const place = slot(block_->count);
        ++block_->count;
        return *::new (static_cast<void*>(place)) T(std::move(value));
    }
    void push_front(T value) {
        if (size() == capacity()) {
            grow();
        }
        block_->head = (block_->head - 1) & (block_->capacity - 1);
        ++block_->count;
        ::new (static_cast<void*>(slot(0))) T(std::move(value));
    }
    T pop_front() {
        GW_ASSERT(!empty());
        T* const place = slot(0);
        T value = std::move(*place);
        place->~T();
        block_->head = (block_->head + 1) & (block_->capacity - 1);
        --block_->count;
        return value;
    }
    T pop_back() {
        GW_ASSERT(!empty());
        T* const place = slot(block_->count - 1);
        T value = std::move(*place);
        place->~T();
        --block_->count;
        return value;
    }
    void clear() {
        while (!empty()) {
            pop_front();
        }
    }
    /// Gives the memory back; what was inside is destroyed.
    void release() {
        clear();
        ::operator delete(block_);
        block_ = nullptr;
    }
    /// Gives the memory back when nothing is inside and it is more than `keep` elements.
    void shrink_when_empty(std::size_t keep) {
        if (empty() && capacity() > keep) {
            release();
        }
    }
    std::size_t capacity() const { return block_ != nullptr ? block_->capacity : 0; }

private:
    /// Stands before the elements, in the same allocation.
    struct alignas(16) Block {
        std::uint32_t capacity = 0;
        std::uint32_t head = 0;
        std::uint32_t count = 0;
    };
    static_assert(alignof(T) <= alignof(Block));

    T* slot(std::size_t index) const {
        return slots(block_) + ((block_->head + index) & (block_->capacity - 1));
    }
    static T* slots(Block* block) { return reinterpret_cast<T*>(block + 1); }

    void grow() {
        const std::uint32_t capacity = block_ == nullptr ? 4 : block_->capacity * 2;
        void* const memory = ::operator new(sizeof(Block) + capacity * sizeof(T));
        auto* const block = ::new (memory) Block{capacity, 0, 0};
        for (std::size_t i = 0; i < size(); ++i) {
            T& old = (*this)[i];
            ::new (static_cast<void*>(slots(block) + i)) T(std::move(old));
            old.~T();
            ++block->count;
        }
        ::operator delete(block_);
        block_ = block;
    }

    Block* block_ = nullptr;
};

}  // namespace gw
