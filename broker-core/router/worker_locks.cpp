#include "broker-core/router/worker_locks.hpp"

#include <climits>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace gw {

namespace {

/// About two microseconds: twice what a holder needs that runs on another CPU.
constexpr int spin_count = 64;

void pause_briefly() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

}  // namespace

void TicketLock::wait_for(std::uint32_t ticket) {
    for (int spin = 0; spin < spin_count; ++spin) {
        pause_briefly();
        if (serving_.load(std::memory_order_acquire) == ticket) {
            return;
        }
    }
    for (;;) {
        const std::uint32_t served = serving_.load(std::memory_order_seq_cst);
        if (served == ticket) {
            return;
        }
        // Not std::atomic::wait(): libstdc++ calls sched_yield() before it sleeps, which on a busy
        // CPU costs the whole time slices of all others.
        ::syscall(SYS_futex, &serving_, FUTEX_WAIT_PRIVATE, served, nullptr, nullptr, 0);
    }
}

void TicketLock::wake() {
    ::syscall(SYS_futex, &serving_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

WorkerLocks::WorkerLocks(std::uint32_t worker_count)
    : worker_count_(worker_count),
      locks_(std::make_unique<TicketLock[]>(worker_count)),
      tickets_(std::make_unique<std::uint32_t[]>(worker_count)) {
    GW_ASSERT(worker_count != 0);
}

void WorkerLocks::lock() {
    writers_.lock();
    // In all queues before waiting in one: when threads outnumber CPUs, a reader that was stopped
    // within its lock needs the CPU once, and then nobody starts to read before us.
    for (std::uint32_t worker = 0; worker < worker_count_; ++worker) {
        tickets_[worker] = locks_[worker].queue_up();
    }
    for (std::uint32_t worker = 0; worker < worker_count_; ++worker) {
        locks_[worker].await(tickets_[worker]);
    }
}

void WorkerLocks::unlock() {
    for (std::uint32_t worker = worker_count_; worker-- > 0;) {
        locks_[worker].unlock();
    }
    writers_.unlock();
}

}  // namespace gw
