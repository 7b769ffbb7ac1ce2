#pragma once

#include "broker-core/base/assert.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

namespace gw {

/// A ticket lock: whoever came first gets it first, so a busy reader cannot keep a writer out.
/// Spins for a moment, then sleeps in the kernel: it behaves when all threads share one CPU. Alone
/// on its cache line. For critical sections of about a microsecond.
class alignas(64) TicketLock {
public:
    void lock() { await(queue_up()); }
    void unlock() {
        const std::uint32_t served = serving_.load(std::memory_order_relaxed) + 1;
        // Sequentially consistent, as is the load below: either we see the one who waits, or it
        // sees the new number before it sleeps.
        serving_.store(served, std::memory_order_seq_cst);
        if (next_.load(std::memory_order_seq_cst) != served) [[unlikely]] {
            wake();
        }
    }

    // lock() in two parts: first to be in the queues of several locks, then to wait for each.
    std::uint32_t queue_up() { return next_.fetch_add(1, std::memory_order_seq_cst); }
    void await(std::uint32_t ticket) {
        if (serving_.load(std::memory_order_acquire) != ticket) [[unlikely]] {
            wait_for(ticket);
        }
    }

private:
    void wait_for(std::uint32_t ticket);
    void wake();

    std::atomic<std::uint32_t> next_{0};
    std::atomic<std::uint32_t> serving_{0};
};

/// Many readers, few writers: each worker reads under a lock of its own, that no other reader
/// touches; a writer takes all of them. docs/decisions/0002-router-locking.md has the
/// figures.
class WorkerLocks {
public:
    explicit WorkerLocks(std::uint32_t worker_count);

    /// The lock that the reads of one worker take.
    TicketLock& of(std::uint32_t worker) {
        GW_ASSERT(worker < worker_count_);
        return locks_[worker];
    }

    /// Keeps all readers and other writers out. Usable with std::lock_guard.
    void lock();
    void unlock();

private:
    const std::uint32_t worker_count_;
    std::mutex writers_;  // taken first, so that writers do not wait for each other in a circle
    std::unique_ptr<TicketLock[]> locks_;
    std::unique_ptr<std::uint32_t[]> tickets_;  // of the writer
};

}  // namespace gw
