#include "broker-core/storage/log_store/sequence_set.hpp"

#include "broker-core/base/assert.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>

namespace gw {

static_assert(std::is_trivially_copyable_v<SequenceSet>);
static_assert(sizeof(SequenceSet) == 24);

SequenceSet::Block* SequenceSet::find(std::uint64_t index) {
    if (capacity_ == 0) {
        return count_ != 0 && one_.index == index ? &one_ : nullptr;
    }
    Block* begin = many_.at + many_.first;
    Block* end = begin + many_.size;
    if (begin == end) {
        return nullptr;
    }
    // Acknowledgements come at the front, new deliveries at the back.
    if (begin->index == index) {
        return begin;
    }
    if ((end - 1)->index == index) {
        return end - 1;
    }
    Block* at = std::lower_bound(begin, end, index, [](const Block& block, std::uint64_t wanted) {
        return block.index < wanted;
    });
    return at != end && at->index == index ? at : nullptr;
}

void SequenceSet::make_room() {
    if (capacity_ == 0) {
        const Block first = one_;
        auto* at = static_cast<Block*>(std::malloc(2 * sizeof(Block)));
        if (at == nullptr) {
            throw std::bad_alloc{};
        }
        at[0] = first;
        many_ = {at, 0, 1};
        capacity_ = 2;
        return;
    }
    if (many_.first + many_.size < capacity_) {
        return;
    }
    if (many_.first > capacity_ / 2) {
        std::memmove(many_.at, many_.at + many_.first, many_.size * sizeof(Block));
        many_.first = 0;
        return;
    }
    const std::uint32_t capacity = capacity_ + capacity_ / 2 + 1;
    auto* at = static_cast<Block*>(std::realloc(many_.at, capacity * sizeof(Block)));
    if (at == nullptr) {
        throw std::bad_alloc{};
    }
    many_.at = at;
    capacity_ = capacity;
}

SequenceSet::Block& SequenceSet::add(std::uint64_t index) {
    if (capacity_ == 0 && count_ == 0) {
        one_ = {index, 0};
        return one_;
    }
    make_room();
    Block* begin = many_.at + many_.first;
    Block* end = begin + many_.size;
    Block* at = end;
    while (at != begin && (at - 1)->index > index) {
        --at;
    }
    std::memmove(at + 1, at, static_cast<std::size_t>(end - at) * sizeof(Block));
    *at = {index, 0};
    ++many_.size;
    return *at;
}

void SequenceSet::remove(Block* block) {
    if (capacity_ == 0) {
        return;  // count_ says that it is empty
    }
    Block* begin = many_.at + many_.first;
    Block* end = begin + many_.size;
    if (block == begin) {
        ++many_.first;
    } else {
        std::memmove(block, block + 1, static_cast<std::size_t>(end - block - 1) * sizeof(Block));
    }
    --many_.size;
    if (many_.size == 1) {
        const Block last = many_.at[many_.first];
        std::free(many_.at);
        one_ = last;
        capacity_ = 0;
    } else if (capacity_ > 16 && many_.size * 4 < capacity_) {
        std::memmove(many_.at, many_.at + many_.first, many_.size * sizeof(Block));
        many_.first = 0;
        const std::uint32_t capacity = capacity_ / 2;
        auto* at = static_cast<Block*>(std::realloc(many_.at, capacity * sizeof(Block)));
        if (at != nullptr) {  // shrinking can wait when it fails
            many_.at = at;
            capacity_ = capacity;
        }
    }
}

bool SequenceSet::insert(std::uint64_t sequence) {
    const std::uint64_t bit = std::uint64_t{1} << (sequence % 64);
    Block* block = find(sequence / 64);
    if (block == nullptr) {
        block = &add(sequence / 64);
    }
    if ((block->bits & bit) != 0) {
        return false;
    }
    block->bits |= bit;
    ++count_;
    return true;
}

bool SequenceSet::erase(std::uint64_t sequence) {
    const std::uint64_t bit = std::uint64_t{1} << (sequence % 64);
    Block* block = find(sequence / 64);
    if (block == nullptr || (block->bits & bit) == 0) {
        return false;
    }
    block->bits &= ~bit;
    --count_;
    if (block->bits == 0) {
        remove(block);
    }
    return true;
}

bool SequenceSet::contains(std::uint64_t sequence) const {
    const Block* block = const_cast<SequenceSet*>(this)->find(sequence / 64);
    return block != nullptr && (block->bits >> (sequence % 64) & 1) != 0;
}

void SequenceSet::clear() {
    if (capacity_ != 0) {
        std::free(many_.at);
    }
    one_ = {};
    capacity_ = 0;
    count_ = 0;
}

}  // namespace gw
