#pragma once

#include <cstdint>
#include <initializer_list>

namespace gw {

/// Where the broker tells observers and asks filters.
enum class HookPoint : std::uint8_t {
    // Observers are told.
    client_connect,
    client_connected,
    client_disconnected,
    session_created,
    session_ended,
    session_subscribed,
    session_unsubscribed,
    message_published,
    message_delivered,
    message_acked,
    // Filters are asked.
    rewrite_client_id,
    filter_connect,
    rewrite_publish,
    rewrite_subscribe,
    filter_subscribe,
    filter_publish,
};

/// Some of the points.
class HookMask {
public:
    constexpr HookMask() = default;
    constexpr HookMask(std::initializer_list<HookPoint> points) {
        for (const HookPoint point : points) {
            bits_ |= bit(point);
        }
    }
    static constexpr HookMask all() {
        HookMask mask;
        mask.bits_ = ~0U;
        return mask;
    }
    constexpr bool has(HookPoint point) const { return (bits_ & bit(point)) != 0; }
    constexpr void add(HookMask other) { bits_ |= other.bits_; }

private:
    static constexpr std::uint32_t bit(HookPoint point) {
        return 1U << static_cast<unsigned>(point);
    }
    std::uint32_t bits_ = 0;
};

}  // namespace gw
