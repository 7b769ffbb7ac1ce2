#pragma once

#include "broker-core/base/assert.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <type_traits>
#include <utility>

namespace gw {

/// A vector of plain values that is one pointer in size, for the many objects whose list is empty
/// or short. Grows by a quarter: a million short lists must not hold room for twice what they have.
template <class T>
class SlimVector {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= 8);

public:
    SlimVector() = default;
    SlimVector(SlimVector&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
    SlimVector& operator=(SlimVector&& other) noexcept {
        std::swap(block_, other.block_);
        return *this;
    }
    ~SlimVector() { std::free(block_); }

    std::size_t size() const { return block_ != nullptr ? block_->size : 0; }
    bool empty() const { return size() == 0; }
    T& operator[](std::size_t index) { return values()[index]; }
    const T& operator[](std::size_t index) const { return values()[index]; }
    T& back() { return values()[block_->size - 1]; }

    /// Sees that the next push_back() needs no memory.
    void reserve_one() {
        if (size() == capacity()) {
            resize(size() + size() / 4 + 2);
        }
    }
    void push_back(T value) {
        reserve_one();
        ::new (static_cast<void*>(values() + block_->size)) T(value);
        ++block_->size;
    }
    void pop_back() {
        GW_ASSERT(!empty());
        --block_->size;
    }
    void shrink_to_fit() {
        if (empty()) {
            std::free(block_);
            block_ = nullptr;
        } else {
            resize(size());
        }
    }

private:
    struct alignas(8) Block {
        std::uint32_t size;
        std::uint32_t capacity;
    };

    std::size_t capacity() const { return block_ != nullptr ? block_->capacity : 0; }
    T* values() const { return reinterpret_cast<T*>(block_ + 1); }
    void resize(std::size_t capacity) {
        const std::size_t count = size();
        void* const memory = std::realloc(block_, sizeof(Block) + capacity * sizeof(T));
        if (memory == nullptr) {
            throw std::bad_alloc{};
        }
        block_ = static_cast<Block*>(memory);
        block_->size = static_cast<std::uint32_t>(count);
        block_->capacity = static_cast<std::uint32_t>(capacity);
    }

    Block* block_ = nullptr;
};

}  // namespace gw
