#pragma once

#include "broker-core/message/handshake_failure.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace gw::transport {

/// Bounds the handshakes of one listener, before the first of them costs a cryptographic
/// operation: at once, and in a second. A connection that has not said a whole first record is not
/// counted: it costs next to nothing, and so nobody can take all places by saying nothing. Any
/// thread.
class HandshakeGate {
public:
    using Clock = std::chrono::steady_clock;

    /// 0: no limit.
    void set_limits(std::uint32_t count_max, std::uint32_t rate_max) {
        count_max_.store(count_max, std::memory_order_relaxed);
        rate_max_.store(rate_max, std::memory_order_relaxed);
    }

    /// Takes a place, which leave() gives back; or says why there is none.
    std::optional<HandshakeFailure> enter(Clock::time_point now);
    void leave() { count_.fetch_sub(1, std::memory_order_relaxed); }

    std::uint32_t count() const { return count_.load(std::memory_order_relaxed); }

private:
    bool take_rate(Clock::time_point now);

    std::atomic<std::uint32_t> count_max_{0};
    std::atomic<std::uint32_t> rate_max_{0};
    std::atomic<std::uint32_t> count_{0};
    /// When the bucket, which holds one second's worth, will be full again: nanoseconds.
    std::atomic<std::int64_t> full_at_{0};
};

}  // namespace gw::transport
