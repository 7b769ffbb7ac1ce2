#include "adapters/mqttsn/machine/topic_registry.hpp"

#include "broker-core/base/assert.hpp"
#include "broker-core/base/hash.hpp"

#include <algorithm>

namespace gw::mqttsn {

namespace {

// The table is one client's own: only that client could make its names collide, for itself.
/// One for all clients of the process: a registry is to be small.
std::uint64_t hash_key() {
    static const std::uint64_t key = draw_hash_key();
    return key;
}
/// Below, looking at all names is quicker than hashing.
constexpr std::size_t indexed_count_min = 8;

}  // namespace

std::uint16_t TopicRegistry::find(std::string_view topic) const {
    if (!index_.empty()) {
        return index_[position(topic)];
    }
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        if (entries_[i].name == topic) {
            return static_cast<std::uint16_t>(i + 1);
        }
    }
    return 0;
}

std::string_view TopicRegistry::name_of(std::uint16_t id) const {
    return id == 0 || id > entries_.size() ? std::string_view{} : entries_[id - 1U].name;
}

bool TopicRegistry::has_room_for(std::string_view topic, std::uint32_t count_max) const {
    constexpr std::size_t bytes_average = 256;
    constexpr std::size_t longest_bytes = 65535;  // one topic has room whatever the bound
    const std::size_t bytes_max = std::max(longest_bytes, bytes_average * count_max);
    return entries_.size() < std::min<std::size_t>(count_max, id_max) &&
           name_bytes_ + topic.size() <= bytes_max;
}

std::uint16_t TopicRegistry::add(std::string_view topic) {
    GW_ASSERT(entries_.size() < id_max);
    name_bytes_ += topic.size();
    entries_.push_back({.name = std::string{topic}});
    const auto id = static_cast<std::uint16_t>(entries_.size());
    if (entries_.size() * 4 > index_.size() * 3 && entries_.size() >= indexed_count_min) {
        rebuild(index_.empty() ? indexed_count_min * 2 : index_.size() * 2);
    } else if (!index_.empty()) {
        index_[position(topic)] = id;
    }
    return id;
}

void TopicRegistry::forget_known() {
    for (Entry& entry : entries_) {
        entry.is_known = false;
    }
}

/// Where the topic's id is in the index, or would be put.
std::size_t TopicRegistry::position(std::string_view topic) const {
    const std::size_t mask = index_.size() - 1;
    std::size_t i = hash_text(topic, hash_key()) & mask;
    while (index_[i] != 0 && entries_[index_[i] - 1U].name != topic) {
        i = (i + 1) & mask;
    }
    return i;
}

void TopicRegistry::rebuild(std::size_t capacity) {
    index_.assign(capacity, 0);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        index_[position(entries_[i].name)] = static_cast<std::uint16_t>(i + 1);
    }
}

}  // namespace gw::mqttsn
