#include "adapters/transport/tls/handshake_gate.hpp"

#include <algorithm>

namespace gw::transport {

std::optional<HandshakeFailure> HandshakeGate::enter(Clock::time_point now) {
    const std::uint32_t count_max = count_max_.load(std::memory_order_relaxed);
    if (count_.fetch_add(1, std::memory_order_relaxed) >= count_max && count_max != 0) {
        leave();
        return HandshakeFailure::count;
    }
    if (!take_rate(now)) {
        leave();
        return HandshakeFailure::rate;
    }
    return std::nullopt;
}

bool HandshakeGate::take_rate(Clock::time_point now) {
    constexpr std::int64_t second = 1'000'000'000;
    const std::uint32_t rate_max = rate_max_.load(std::memory_order_relaxed);
    if (rate_max == 0) {
        return true;
    }
    const std::int64_t now_ns =
        std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
    const std::int64_t cost = second / rate_max;
    std::int64_t full_at = full_at_.load(std::memory_order_relaxed);
    std::int64_t after = 0;
    do {
        after = std::max(full_at, now_ns) + cost;
        if (after > now_ns + second) {
            return false;
        }
    } while (!full_at_.compare_exchange_weak(full_at, after, std::memory_order_relaxed));
    return true;
}

}  // namespace gw::transport
