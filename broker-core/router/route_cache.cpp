#include "broker-core/router/route_cache.hpp"

#include <bit>

namespace gw {

RouteCache::RouteCache(std::size_t slot_count, std::size_t target_count_max)
    : target_count_max_(target_count_max) {
    if (slot_count != 0) {
        const std::size_t rounded = std::bit_ceil(slot_count);
        slots_ = std::make_unique<Slot[]>(rounded);
        mask_ = rounded - 1;
    }
}

void RouteCache::offer(std::uint64_t hash, std::string_view topic,
                       const RouteGeneration& generation, const MatchPtr& result) {
    if (slots_ == nullptr) {
        return;
    }
    Slot& slot = slots_[hash & mask_];
    const bool is_renewal = slot.result && slot.hash == hash && slot.topic == topic;
    if (!is_renewal && slot.missed != hash) {
        slot.missed = hash;
        return;
    }
    evict(slot);
    const std::size_t added = weight(*result);
    if (added > target_count_max_) {
        return;
    }
    while (target_count_ + added > target_count_max_) {
        evict(slots_[hand_]);
        hand_ = (hand_ + 1) & mask_;
    }
    slot.hash = hash;
    slot.generation = generation;
    slot.result = result;
    slot.topic = topic;
    target_count_ += added;
}

void RouteCache::evict(Slot& slot) {
    if (slot.result) {
        target_count_ -= weight(*slot.result);
        slot.result.reset();
        slot.topic = std::string{};
    }
}

}  // namespace gw
