#pragma once

#include <cstdint>

namespace gw {

/// The live sequences of one session: one bit each, in blocks of 64 that stand only where something
/// lives, so that a delivery which is never acknowledged costs 16 bytes and not a growing bitmap.
/// 24 bytes while everything lies in one block. Plain bytes that FlatTable moves about: it owns
/// memory, but has no destructor; whoever holds it calls clear() at the end. Zeroed memory is an
/// empty set. One thread.
class SequenceSet {
public:
    /// False when it was in already.
    bool insert(std::uint64_t sequence);
    /// False when it was not in.
    bool erase(std::uint64_t sequence);
    bool contains(std::uint64_t sequence) const;
    void clear();

    std::uint32_t size() const { return count_; }
    bool empty() const { return count_ == 0; }
    /// Memory beside the object itself.
    std::size_t heap_bytes() const { return capacity_ * sizeof(Block); }

private:
    struct Block {
        std::uint64_t index;  // sequence / 64
        std::uint64_t bits;
    };
    struct Blocks {
        Block* at;            // capacity_ of them
        std::uint32_t first;  // the live ones are at[first] to at[first + size - 1], ascending
        std::uint32_t size;
    };

    Block* find(std::uint64_t index);
    Block& add(std::uint64_t index);
    void remove(Block* block);
    void make_room();

    // capacity_ == 0: one_ is the only block, none when nothing is counted.
    union {
        Block one_;
        Blocks many_;
    };
    std::uint32_t capacity_;
    std::uint32_t count_;
};

}  // namespace gw
