#pragma once

#include "broker-core/base/assert.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace gw {

/// Objects that never move, addressed by a small number that is used again when its object has
/// gone. Memory grows by blocks of 256, without a word beside each object. One thread.
template <class T>
class SlotPool {
public:
    SlotPool() = default;
    SlotPool(const SlotPool&) = delete;
    SlotPool& operator=(const SlotPool&) = delete;
    ~SlotPool() {
        for_each([this](T& object, std::uint32_t index) {
            object.~T();
            is_used_[index] = false;
        });
    }

    /// The number that the next emplace() will use.
    std::uint32_t next_index() const {
        return free_.empty() ? static_cast<std::uint32_t>(is_used_.size()) : free_.back();
    }
    template <class... Arguments>
    T& emplace(Arguments&&... arguments) {
        const std::uint32_t index = next_index();
        if (index == is_used_.size()) {
            if (index % block_count == 0) {
                blocks_.push_back(std::make_unique_for_overwrite<Block>());
            }
            is_used_.push_back(false);
        } else {
            free_.pop_back();
        }
        T* const object =
            ::new (static_cast<void*>(place(index))) T(std::forward<Arguments>(arguments)...);
        is_used_[index] = true;
        ++count_;
        return *object;
    }
    void erase(std::uint32_t index) {
        GW_ASSERT(find(index) != nullptr);
        find(index)->~T();
        is_used_[index] = false;
        free_.push_back(index);
        --count_;
    }
    /// The object with that number, or null.
    T* find(std::uint32_t index) {
        if (index >= is_used_.size() || !is_used_[index]) {
            return nullptr;
        }
        return std::launder(reinterpret_cast<T*>(place(index)));
    }
    std::size_t size() const { return count_; }

    /// Visits all; `visit(T&, index)` may erase the one that it is given.
    template <class Visit>
    void for_each(const Visit& visit) {
        for (std::size_t i = 0; i < is_used_.size(); ++i) {
            if (T* const object = find(static_cast<std::uint32_t>(i)); object != nullptr) {
                visit(*object, static_cast<std::uint32_t>(i));
            }
        }
    }

private:
    static constexpr std::size_t block_count = 256;
    struct Block {
        alignas(T) std::byte bytes[sizeof(T) * block_count];
    };

    std::byte* place(std::uint32_t index) {
        return blocks_[index / block_count]->bytes + sizeof(T) * (index % block_count);
    }

    std::vector<std::unique_ptr<Block>> blocks_;
    std::vector<bool> is_used_;
    std::vector<std::uint32_t> free_;
    std::size_t count_ = 0;
};

}  // namespace gw
