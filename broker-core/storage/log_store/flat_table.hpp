#pragma once

#include "broker-core/base/assert.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace gw {

/// Hash table of plain entries with a 64-bit `key` (0: none), open addressing, for tens of millions
/// of small entries: 1.2 to 1.8 times the entries' own size. It is cut into parts that grow and
/// shrink one by one, so that no single insertion copies more than a small share of it. One thread.
template <class Entry, std::size_t part_count>
class FlatTable {
    static_assert(std::is_trivially_copyable_v<Entry>);
    static_assert((part_count & (part_count - 1)) == 0, "a power of two");

public:
    FlatTable() = default;
    FlatTable(const FlatTable&) = delete;
    FlatTable& operator=(const FlatTable&) = delete;

    /// The entry of `key` or null. Valid until the next insertion or removal.
    Entry* find(std::uint64_t key) {
        Part& part = part_of(key);
        if (part.count == 0) {
            return nullptr;
        }
        for (std::size_t at = part.home(key); part.entries[at].key != 0; at = part.after(at)) {
            if (part.entries[at].key == key) {
                return &part.entries[at];
            }
        }
        return nullptr;
    }
    const Entry* find(std::uint64_t key) const { return const_cast<FlatTable*>(this)->find(key); }

    /// Has the memory where `key` is or would be brought near, for a call soon after.
    void prefetch(std::uint64_t key) const {
        const Part& part = parts_[hash(key) & (part_count - 1)];
        if (part.capacity != 0) {
            __builtin_prefetch(&part.entries[part.home(key)], 1);
        }
    }

    /// The entry of `key`, zeroed but for the key when it is new, and whether it is new.
    std::pair<Entry*, bool> insert(std::uint64_t key) {
        GW_ASSERT(key != 0);
        if (Entry* found = find(key)) {
            return {found, false};
        }
        Part& part = part_of(key);
        if ((part.count + 1) * 20 > part.capacity * 17) {
            part.resize(part.capacity < 16 ? 16 : part.capacity + part.capacity / 2);
        }
        Entry* entry = part.place(key);
        entry->key = key;
        ++part.count;
        ++count_;
        return {entry, true};
    }

    void erase(std::uint64_t key) {
        Entry* found = find(key);
        if (found == nullptr) {
            return;
        }
        Part& part = part_of(key);
        part.remove(static_cast<std::size_t>(found - part.entries.get()));
        --part.count;
        --count_;
        if (part.count == 0) {
            part.entries.reset();
            part.capacity = 0;
        } else if (part.capacity > 16 && part.count * 4 < part.capacity) {
            part.resize(part.capacity / 2);
        }
    }

    template <class Visitor>
    void for_each(Visitor&& visit) {
        for (Part& part : parts_) {
            for (std::size_t at = 0; at < part.capacity; ++at) {
                if (part.entries[at].key != 0) {
                    visit(part.entries[at]);
                }
            }
        }
    }

    std::size_t size() const { return count_; }
    std::size_t memory_bytes() const {
        std::size_t bytes = sizeof(*this);
        for (const Part& part : parts_) {
            bytes += part.capacity * sizeof(Entry);
        }
        return bytes;
    }

private:
    __extension__ using Wide = unsigned __int128;

    struct Free {
        void operator()(Entry* entries) const { std::free(entries); }
    };

    static std::uint64_t hash(std::uint64_t key) {
        key = (key ^ (key >> 32)) * 0x9fb21c651e98df25ULL;
        key = (key ^ (key >> 35)) * 0x9fb21c651e98df25ULL;
        return key ^ (key >> 28);
    }

    struct Part {
        std::unique_ptr<Entry[], Free> entries;
        std::size_t capacity = 0;
        std::size_t count = 0;

        std::size_t home(std::uint64_t key) const {
            return static_cast<std::size_t>((static_cast<Wide>(hash(key)) * capacity) >> 64);
        }
        std::size_t after(std::size_t at) const { return at + 1 == capacity ? 0 : at + 1; }
        Entry* place(std::uint64_t key) {
            std::size_t at = home(key);
            while (entries[at].key != 0) {
                at = after(at);
            }
            return &entries[at];
        }
        /// Closes the hole, so that no probe sequence is cut and no tombstone is needed.
        void remove(std::size_t hole) {
            for (std::size_t at = after(hole); entries[at].key != 0; at = after(at)) {
                const std::size_t wanted = home(entries[at].key);
                const bool stays =
                    hole <= at ? wanted > hole && wanted <= at : wanted > hole || wanted <= at;
                if (!stays) {
                    entries[hole] = entries[at];
                    hole = at;
                }
            }
            entries[hole] = Entry{};
        }
        void resize(std::size_t wanted) {
            auto* fresh = static_cast<Entry*>(std::calloc(wanted, sizeof(Entry)));
            if (fresh == nullptr) {
                throw std::bad_alloc{};
            }
            const std::size_t old_capacity = std::exchange(capacity, wanted);
            const std::unique_ptr<Entry[], Free> old{entries.release()};
            entries.reset(fresh);
            for (std::size_t at = 0; at < old_capacity; ++at) {
                if (old[at].key != 0) {
                    *place(old[at].key) = old[at];
                }
            }
        }
    };

    // The upper bits of the hash choose the place in a part, the lower ones the part.
    Part& part_of(std::uint64_t key) { return parts_[hash(key) & (part_count - 1)]; }

    Part parts_[part_count];
    std::size_t count_ = 0;
};

}  // namespace gw
