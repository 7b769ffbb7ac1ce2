#pragma once

#include "broker-core/base/clock.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

namespace gw {

/// How far the workers are behind: how long a task waits until its turn. Looked at only while
/// connections come, at most ten times a second, so that an idle program is not woken for it.
class LoopLag {
public:
    /// Runs a task on a worker; any thread.
    using Post = std::function<void(std::uint32_t worker, std::function<void()> task)>;
    /// Reads the monotonic clock.
    using Clock = std::function<MonotonicTime()>;

    LoopLag(std::uint32_t worker_count, Post post, Clock clock)
        : workers_(worker_count), post_(std::move(post)), clock_(std::move(clock)) {}

    /// The lag of the worker that is furthest behind. Any thread.
    Milliseconds look();

private:
    struct alignas(64) Worker {
        std::atomic<std::int64_t> asked{0};  // ms, when it has not answered yet; 0: it has
        std::atomic<std::int64_t> lag{0};    // ms, of its last answer
        std::atomic<std::int64_t> answered{0};
    };

    std::vector<Worker> workers_;
    const Post post_;
    const Clock clock_;
};

}  // namespace gw
