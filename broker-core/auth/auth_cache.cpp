#include "broker-core/auth/auth_cache.hpp"

#include <cstring>

namespace gw {

std::size_t AuthCache::Hash::operator()(const AuthKey& key) const {
    std::size_t value = 0;  // the key is a hash itself
    std::memcpy(&value, key.data(), sizeof value);
    return value;
}

const AuthDecision* AuthCache::find(const AuthKey& key, std::uint64_t generation,
                                    MonotonicTime now) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) {
        return nullptr;
    }
    const Entries::iterator entry = found->second;
    if (entry->generation != generation || entry->until <= now) {
        by_key_.erase(found);
        entries_.erase(entry);
        return nullptr;
    }
    entries_.splice(entries_.begin(), entries_, entry);
    return &entry->decision;
}

void AuthCache::keep(const AuthKey& key, std::uint64_t generation, MonotonicTime until,
                     const AuthDecision& decision) {
    if (const auto found = by_key_.find(key); found != by_key_.end()) {
        entries_.erase(found->second);
        by_key_.erase(found);
    }
    entries_.push_front({key, generation, until, decision});
    by_key_.emplace(key, entries_.begin());
    trim();
}

void AuthCache::set_count_max(std::size_t count_max) {
    count_max_ = count_max;
    trim();
}

void AuthCache::trim() {
    while (entries_.size() > count_max_) {
        by_key_.erase(entries_.back().key);
        entries_.pop_back();
    }
}

}  // namespace gw
