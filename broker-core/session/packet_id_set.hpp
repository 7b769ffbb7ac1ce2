#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace gw {

/// Packet ids of messages at QoS 2 that a client has sent and not released. Small sets are a
/// sorted list; above 512 ids a bitmap of 8 KiB, so no client can make it grow further.
class PacketIdSet {
public:
    /// False when the id was in already.
    bool insert(std::uint16_t id);
    /// False when it was not in.
    bool erase(std::uint16_t id);
    bool contains(std::uint16_t id) const;
    std::size_t size() const { return count_; }
    void clear();
    template <class Visit>
    void for_each(const Visit& visit) const {
        for (std::uint32_t id = 1; bitmap_ && id <= 65535; ++id) {
            if (bit(static_cast<std::uint16_t>(id))) {
                visit(static_cast<std::uint16_t>(id));
            }
        }
        for (const std::uint16_t id : list_) {
            visit(id);
        }
    }

private:
    static constexpr std::size_t list_count_max = 512;
    bool bit(std::uint16_t id) const { return (bitmap_[id / 64] >> (id % 64) & 1) != 0; }
    void flip(std::uint16_t id) { bitmap_[id / 64] ^= std::uint64_t{1} << (id % 64); }
    void move_to_bitmap();

    std::vector<std::uint16_t> list_;
    std::unique_ptr<std::uint64_t[]> bitmap_;
    std::size_t count_ = 0;
};

}  // namespace gw
