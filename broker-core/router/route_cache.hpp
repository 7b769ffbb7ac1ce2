#pragma once

#include "broker-core/router/match_result.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace gw {

/// Which state of the filters a result was made from.
struct RouteGeneration {
    std::uint64_t exact = 0;  // of the filters without wildcards that share the topic's hash part
    std::uint64_t wildcard = 0;
    bool operator==(const RouteGeneration&) const = default;
};

/// The last results of one worker by topic, one place for each hash. A topic gets in when it misses
/// the second time in a row at its place, so that a stream of topics that never come again does not
/// push out the ones that do. Bounded by places and by targets held. One thread.
class RouteCache {
public:
    /// `slot_count` is rounded up to a power of two; 0 turns the cache off.
    RouteCache(std::size_t slot_count, std::size_t target_count_max);

    /// The topic's result or null; stale ones are not found.
    const MatchPtr* find(std::uint64_t hash, std::string_view topic,
                         const RouteGeneration& generation) const {
        if (slots_ == nullptr) {
            return nullptr;
        }
        const Slot& slot = slots_[hash & mask_];
        if (slot.hash != hash || slot.generation != generation || slot.topic != topic ||
            !slot.result) {
            return nullptr;
        }
        return &slot.result;
    }

    /// Offers what a topic that was not found turned out to be.
    void offer(std::uint64_t hash, std::string_view topic, const RouteGeneration& generation,
               const MatchPtr& result);

private:
    struct Slot {
        std::uint64_t hash = 0;
        std::uint64_t missed = 0;  // hash of the topic that last missed here
        RouteGeneration generation;
        MatchPtr result;
        std::string topic;
    };

    static std::size_t weight(const MatchResult& result) {
        return result.targets().size() + result.groups().size();
    }
    void evict(Slot& slot);

    std::unique_ptr<Slot[]> slots_;
    std::size_t mask_ = 0;
    std::size_t target_count_ = 0;
    std::size_t target_count_max_;
    std::size_t hand_ = 0;  // next place to be emptied when targets are too many
};

}  // namespace gw
