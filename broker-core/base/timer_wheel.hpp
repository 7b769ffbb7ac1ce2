#pragma once

#include "broker-core/base/clock.hpp"

#include <array>
#include <cstdint>

namespace gw {

/// One timer; a base of, or member in, the object that waits. 24 bytes. Must be cancelled, or have
/// fired, before it is destroyed.
struct TimerNode {
    TimerNode* previous = nullptr;
    TimerNode* next = nullptr;
    MonotonicTime deadline = never;

    TimerNode() = default;
    TimerNode(const TimerNode&) = delete;
    TimerNode& operator=(const TimerNode&) = delete;

    bool is_scheduled() const { return next != nullptr; }
};

/// Hierarchical timer wheel with a tick of 1 ms: six levels of 64 slots reach two years; later
/// deadlines are kept in the last level and sorted again when they come nearer. Scheduling and
/// cancelling are O(1). One thread.
class TimerWheel {
public:
    explicit TimerWheel(MonotonicTime start);
    TimerWheel(const TimerWheel&) = delete;
    TimerWheel& operator=(const TimerWheel&) = delete;

    /// Sets the timer to fire at `deadline`, moving it when it was already scheduled. A deadline
    /// that has passed fires at the next advance(); `never` cancels.
    void schedule(TimerNode& node, MonotonicTime deadline);
    void cancel(TimerNode& node);

    /// Takes the next timer that is due at `now` out of the wheel, or null when there is none.
    /// Call it until it gives null; timers come in order of their deadlines' milliseconds.
    TimerNode* pop_expired(MonotonicTime now);

    /// No timer fires before this; `never` when there are none. Exact within the next 64 ms, else
    /// the start of the slot in which the next deadline lies.
    MonotonicTime next_deadline() const;

    bool empty() const { return count_ == 0; }

private:
    static constexpr int level_count = 6;
    static constexpr int slot_bits = 6;
    static constexpr int slot_count = 1 << slot_bits;

    struct Position {
        int level;
        int slot;
        std::uint64_t start;  // in ticks
    };

    void insert(TimerNode& node);
    static void link(TimerNode& head, TimerNode& node);
    void unlink(TimerNode& node);
    /// Where the next timers lie; false when the wheel is empty.
    bool find_next(Position& position) const;
    std::uint64_t ticks(MonotonicTime time) const;

    std::uint64_t elapsed_ = 0;  // ticks since start_ that have been handled
    MonotonicTime start_;
    std::uint64_t count_ = 0;
    std::array<std::uint64_t, level_count> occupied_{};
    std::array<std::array<TimerNode, slot_count>, level_count> slots_;
    TimerNode due_;  // list of timers taken out of their slot and not yet popped
};

}  // namespace gw
