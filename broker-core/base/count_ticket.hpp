#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace gw {

/// Counts somebody in two places for as long as it lives, or until it is released. The counters
/// outlive it. Any thread.
class CountTicket {
public:
    using Counter = std::atomic<std::uint64_t>;

    CountTicket(Counter& first, Counter& second) : first_(first), second_(second) {
        first_.fetch_add(1, std::memory_order_relaxed);
        second_.fetch_add(1, std::memory_order_relaxed);
    }
    ~CountTicket() { release(); }
    CountTicket(const CountTicket&) = delete;
    CountTicket& operator=(const CountTicket&) = delete;

    void release() {
        if (!is_released_.exchange(true, std::memory_order_relaxed)) {
            first_.fetch_sub(1, std::memory_order_relaxed);
            second_.fetch_sub(1, std::memory_order_relaxed);
        }
    }

private:
    Counter& first_;
    Counter& second_;
    std::atomic<bool> is_released_{false};
};

using CountTicketPtr = std::shared_ptr<CountTicket>;

}  // namespace gw
