#pragma once

#include "broker-core/base/clock.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gw {

/// Values by 64-bit keys in a fixed amount of memory: sets of eight places, in which the value that
/// was not used for longest gives way. Keys are hashes under a secret, so that nobody can fill a
/// set of his choice, and two keys that are equal are taken for the same. Takes its memory with the
/// first value. One thread.
template <class Value>
class BoundedTable {
public:
    /// At least `count` places.
    explicit BoundedTable(std::size_t count)
        : set_count_(std::bit_ceil(std::max<std::size_t>(count / set_size, 1))) {}

    /// The value, or null.
    Value* find(std::uint64_t key) {
        if (places_.empty()) {
            return nullptr;
        }
        key = stored(key);
        Place* const set = set_of(key);
        for (std::size_t i = 0; i < set_size; ++i) {
            if (set[i].key == key) {
                return &set[i].value;
            }
        }
        return nullptr;
    }
    /// The value, a new one when there is none. Valid until the next call.
    Value& get(std::uint64_t key, MonotonicTime now) {
        if (places_.empty()) {
            places_.resize(set_count_ * set_size);
        }
        key = stored(key);
        Place* const set = set_of(key);
        Place* oldest = set;
        for (std::size_t i = 0; i < set_size; ++i) {
            if (set[i].key == key) {
                set[i].used = now;
                return set[i].value;
            }
            if (set[i].key == 0) {
                oldest = oldest->key == 0 ? oldest : &set[i];
            } else if (oldest->key != 0 && set[i].used < oldest->used) {
                oldest = &set[i];
            }
        }
        count_ += oldest->key == 0 ? 1 : 0;
        *oldest = {key, now, {}};
        return oldest->value;
    }
    void erase(std::uint64_t key) {
        if (Value* const value = find(key)) {
            // The value lies in its place; found again by its key.
            Place* const set = set_of(stored(key));
            for (std::size_t i = 0; i < set_size; ++i) {
                if (&set[i].value == value) {
                    set[i] = {};
                    --count_;
                }
            }
        }
    }
    std::size_t count() const { return count_; }
    std::size_t capacity() const { return set_count_ * set_size; }

private:
    static constexpr std::size_t set_size = 8;

    struct Place {
        std::uint64_t key = 0;  // 0: empty
        MonotonicTime used{};
        Value value{};
    };

    static std::uint64_t stored(std::uint64_t key) { return key == 0 ? 1 : key; }
    Place* set_of(std::uint64_t key) {
        return &places_[((key >> 32) & (set_count_ - 1)) * set_size];
    }

    std::size_t set_count_;
    std::vector<Place> places_;
    std::size_t count_ = 0;
};

}  // namespace gw
