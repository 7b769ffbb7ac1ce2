#include "broker-core/session/packet_id_set.hpp"

#include <algorithm>

namespace gw {

bool PacketIdSet::contains(std::uint16_t id) const {
    if (bitmap_) {
        return bit(id);
    }
    return std::binary_search(list_.begin(), list_.end(), id);
}

bool PacketIdSet::insert(std::uint16_t id) {
    if (!bitmap_) {
        const auto at = std::lower_bound(list_.begin(), list_.end(), id);
        if (at != list_.end() && *at == id) {
            return false;
        }
        if (list_.size() < list_count_max) {
            list_.insert(at, id);
            ++count_;
            return true;
        }
        move_to_bitmap();
    }
    if (bit(id)) {
        return false;
    }
    flip(id);
    ++count_;
    return true;
}

bool PacketIdSet::erase(std::uint16_t id) {
    if (bitmap_) {
        if (!bit(id)) {
            return false;
        }
        flip(id);
        --count_;
        if (count_ == 0) {
            bitmap_.reset();
        }
        return true;
    }
    const auto at = std::lower_bound(list_.begin(), list_.end(), id);
    if (at == list_.end() || *at != id) {
        return false;
    }
    list_.erase(at);
    --count_;
    return true;
}

void PacketIdSet::move_to_bitmap() {
    bitmap_ = std::make_unique<std::uint64_t[]>(65536 / 64);
    for (const std::uint16_t id : list_) {
        flip(id);
    }
    list_ = {};
}

void PacketIdSet::clear() {
    list_ = {};
    bitmap_.reset();
    count_ = 0;
}

}  // namespace gw
