#include "gateway/access/loop_lag.hpp"

#include <algorithm>

namespace gw {

Milliseconds LoopLag::look() {
    constexpr std::int64_t interval_ms = 100;
    constexpr std::int64_t stale_ms = 1000;  // an old answer says nothing of now
    const std::int64_t now = clock_().time_since_epoch().count();
    std::int64_t worst = 0;
    for (std::uint32_t i = 0; i < workers_.size(); ++i) {
        Worker& worker = workers_[i];
        const std::int64_t asked = worker.asked.load(std::memory_order_acquire);
        const std::int64_t answered = worker.answered.load(std::memory_order_relaxed);
        if (asked != 0) {
            worst = std::max(worst, now - asked);
        } else if (now - answered < stale_ms) {
            worst = std::max(worst, worker.lag.load(std::memory_order_relaxed));
        }
        if (asked == 0 && now - answered >= interval_ms) {
            worker.asked.store(now, std::memory_order_relaxed);
            post_(i, [this, &worker] {
                const std::int64_t then = clock_().time_since_epoch().count();
                worker.lag.store(then - worker.asked.load(std::memory_order_relaxed),
                                 std::memory_order_relaxed);
                worker.answered.store(then, std::memory_order_relaxed);
                worker.asked.store(0, std::memory_order_release);
            });
        }
    }
    return Milliseconds{worst};
}

}  // namespace gw
