#pragma once

#include "broker-core/base/assert.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace gw {

/// Hash table whose look-up costs one cache miss: buckets of one cache line hold five entries and
/// the number of entries that found no room in them. It holds hashes, not keys: the caller says by
/// a predicate which of the values of equal hash it means. 13 bytes a slot, 16 to 22 an entry.
///
/// It is made of 256 parts by the upper bits of the hash, each growing by half on its own, so that
/// growth never moves more than a 256th at once. `Value{}` marks an empty slot. Not thread-safe.
template <class Key, class Value>
class BucketTable {
public:
    static constexpr std::size_t part_count = 256;

    /// The part of the table that a hash belongs to.
    static std::size_t part_of(std::uint64_t hash) { return hash >> 56; }

    /// Begins to load what find() will read.
    void prefetch(std::uint64_t hash) const {
        const Part& part = parts_[part_of(hash)];
        if (part.bucket_count != 0) {
            __builtin_prefetch(&part.buckets[home(part, static_cast<Key>(hash))]);
        }
    }

    /// Begins to load what the value of this hash points to, `bytes` bytes of it. Waits for what
    /// prefetch() began.
    void prefetch_target(std::uint64_t hash, std::size_t bytes) const {
        const Part& part = parts_[part_of(hash)];
        if (part.bucket_count == 0) {
            return;
        }
        const Key key = static_cast<Key>(hash);
        const Bucket& bucket = part.buckets[home(part, key)];
        for (std::uint32_t slot = 0; slot < slot_count; ++slot) {
            if (bucket.keys[slot] == key && bucket.values[slot] != Value{}) {
                const char* target = reinterpret_cast<const char*>(bucket.values[slot]);
                __builtin_prefetch(target);
                __builtin_prefetch(target + bytes - 1);
                return;
            }
        }
    }

    /// The value of this hash for which `same(value)` holds, or null. The pointer is valid until
    /// the next insert() or erase().
    template <class Same>
    const Value* find(std::uint64_t hash, Same&& same) const {
        const Part& part = parts_[part_of(hash)];
        const Place place = locate(part, static_cast<Key>(hash), same);
        return place.bucket == nullptr ? nullptr : &place.bucket->values[place.slot];
    }
    template <class Same>
    Value* find(std::uint64_t hash, Same&& same) {
        return const_cast<Value*>(std::as_const(*this).find(hash, same));
    }

    /// Adds a value; the caller has seen that it is not there.
    void insert(std::uint64_t hash, Value value) {
        GW_ASSERT(value != Value{});
        Part& part = parts_[part_of(hash)];
        if (part.size + 1 > part.bucket_count * entries_per_bucket_max) {
            grow(part);
        }
        place_entry(part, static_cast<Key>(hash), value);
        ++part.size;
        ++size_;
    }

    /// Removes the value of this hash for which `same(value)` holds; false: there is none.
    template <class Same>
    bool erase(std::uint64_t hash, Same&& same) {
        Part& part = parts_[part_of(hash)];
        const Key key = static_cast<Key>(hash);
        const Place place = locate(part, key, same);
        if (place.bucket == nullptr) {
            return false;
        }
        std::uint32_t index = home(part, key);
        while (&part.buckets[index] != place.bucket) {
            --part.buckets[index].overflow_count;
            index = next(part, index);
        }
        part.buckets[index].values[place.slot] = Value{};
        --part.size;
        --size_;
        if (part.size == 0) {
            part = Part{};
        }
        return true;
    }

    /// Calls `visit(value)` for all of one part.
    template <class Visitor>
    void for_each(std::size_t part_index, Visitor&& visit) const {
        const Part& part = parts_[part_index];
        for (std::uint32_t b = 0; b < part.bucket_count; ++b) {
            for (const Value& value : part.buckets[b].values) {
                if (value != Value{}) {
                    visit(value);
                }
            }
        }
    }

    std::size_t size() const { return size_; }

private:
    static constexpr std::uint32_t slot_count = 5;
    static constexpr std::uint32_t entries_per_bucket_max = 4;  // mean, before a part grows

    struct alignas(64) Bucket {
        std::array<Value, slot_count> values{};
        std::uint32_t overflow_count = 0;  // entries that passed by since all slots were taken
        std::array<Key, slot_count> keys{};
    };
    static_assert(sizeof(Bucket) == 64);

    struct Part {
        std::unique_ptr<Bucket[]> buckets;
        std::uint32_t bucket_count = 0;
        std::uint32_t size = 0;
    };
    struct Place {
        Bucket* bucket = nullptr;
        std::uint32_t slot = 0;
    };

    static std::uint32_t home(const Part& part, Key key) {
        const std::uint64_t spread = static_cast<std::uint32_t>(key);
        return static_cast<std::uint32_t>((spread * part.bucket_count) >> 32);
    }
    static std::uint32_t next(const Part& part, std::uint32_t index) {
        return index + 1 == part.bucket_count ? 0 : index + 1;
    }

    template <class Same>
    static Place locate(const Part& part, Key key, Same&& same) {
        if (part.bucket_count == 0) {
            return {};
        }
        const std::uint32_t first = home(part, key);
        std::uint32_t index = first;
        do {
            Bucket& bucket = part.buckets[index];
            for (std::uint32_t slot = 0; slot < slot_count; ++slot) {
                if (bucket.keys[slot] == key && bucket.values[slot] != Value{} &&
                    same(bucket.values[slot])) {
                    return {&bucket, slot};
                }
            }
            if (bucket.overflow_count == 0) {
                return {};
            }
            index = next(part, index);
        } while (index != first);
        return {};
    }

    /// There is room: the mean load is below the number of slots.
    static void place_entry(Part& part, Key key, const Value& value) {
        for (std::uint32_t index = home(part, key);; index = next(part, index)) {
            Bucket& bucket = part.buckets[index];
            for (std::uint32_t slot = 0; slot < slot_count; ++slot) {
                if (bucket.values[slot] == Value{}) {
                    bucket.keys[slot] = key;
                    bucket.values[slot] = value;
                    return;
                }
            }
            ++bucket.overflow_count;
        }
    }

    static void grow(Part& part) {
        Part grown;
        grown.bucket_count = part.bucket_count + part.bucket_count / 2 + 1;
        grown.buckets = std::make_unique<Bucket[]>(grown.bucket_count);
        grown.size = part.size;
        for (std::uint32_t b = 0; b < part.bucket_count; ++b) {
            const Bucket& bucket = part.buckets[b];
            for (std::uint32_t slot = 0; slot < slot_count; ++slot) {
                if (bucket.values[slot] != Value{}) {
                    place_entry(grown, bucket.keys[slot], bucket.values[slot]);
                }
            }
        }
        part = std::move(grown);
    }

    std::array<Part, part_count> parts_{};
    std::size_t size_ = 0;
};

}  // namespace gw
