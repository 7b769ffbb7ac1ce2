#include "broker-core/base/timer_wheel.hpp"

#include "broker-core/base/assert.hpp"

#include <algorithm>
#include <bit>

namespace gw {

namespace {
// How far ahead the last level reaches without meeting the present slot from behind.
constexpr std::uint64_t span_max = std::uint64_t{63} << 30;
}  // namespace

TimerWheel::TimerWheel(MonotonicTime start) : start_(start) {
    for (auto& level : slots_) {
        for (TimerNode& head : level) {
            head.previous = head.next = &head;
        }
    }
    due_.previous = due_.next = &due_;
}

std::uint64_t TimerWheel::ticks(MonotonicTime time) const {
    return time <= start_ ? 0 : static_cast<std::uint64_t>((time - start_).count());
}

void TimerWheel::link(TimerNode& head, TimerNode& node) {
    node.previous = head.previous;
    node.next = &head;
    head.previous->next = &node;
    head.previous = &node;
}

void TimerWheel::unlink(TimerNode& node) {
    TimerNode* const neighbour = node.next;
    node.previous->next = node.next;
    node.next->previous = node.previous;
    node.previous = node.next = nullptr;
    // Only a head can be its own neighbour now: its slot has become empty.
    if (neighbour->next == neighbour && neighbour != &due_) {
        const TimerNode* const first = slots_[0].data();
        const auto index = static_cast<std::size_t>(neighbour - first);
        occupied_[index / slot_count] &= ~(std::uint64_t{1} << (index % slot_count));
    }
}

void TimerWheel::insert(TimerNode& node) {
    std::uint64_t when = ticks(node.deadline);
    if (when <= elapsed_) {
        link(due_, node);
        return;
    }
    when = std::min(when, elapsed_ + span_max);
    const std::uint64_t differing = (elapsed_ ^ when) | (slot_count - 1);
    const int level = std::min((63 - std::countl_zero(differing)) / slot_bits, level_count - 1);
    const auto slot = static_cast<std::size_t>(when >> (level * slot_bits)) % slot_count;
    link(slots_[static_cast<std::size_t>(level)][slot], node);
    occupied_[static_cast<std::size_t>(level)] |= std::uint64_t{1} << slot;
}

void TimerWheel::schedule(TimerNode& node, MonotonicTime deadline) {
    cancel(node);
    if (deadline == never) {
        return;
    }
    node.deadline = deadline;
    ++count_;
    insert(node);
}

void TimerWheel::cancel(TimerNode& node) {
    if (node.is_scheduled()) {
        unlink(node);
        --count_;
    }
}

bool TimerWheel::find_next(Position& position) const {
    for (int level = 0; level < level_count; ++level) {
        const std::uint64_t occupied = occupied_[static_cast<std::size_t>(level)];
        if (occupied == 0) {
            continue;
        }
        // Slots from the present one on, in the order of time.
        const int shift = level * slot_bits;
        const int present = static_cast<int>((elapsed_ >> shift) % slot_count);
        const int distance = std::countr_zero(std::rotr(occupied, present));
        position.level = level;
        position.slot = (present + distance) % slot_count;
        position.start = ((elapsed_ >> shift) + static_cast<std::uint64_t>(distance)) << shift;
        return true;
    }
    return false;
}

TimerNode* TimerWheel::pop_expired(MonotonicTime now) {
    const std::uint64_t now_ticks = ticks(now);
    for (;;) {
        if (due_.next != &due_) {
            TimerNode* const node = due_.next;
            unlink(*node);
            if (ticks(node->deadline) > elapsed_) {
                insert(*node);  // lay beyond the wheel's reach, or came down one level
                continue;
            }
            --count_;
            return node;
        }
        Position next{};
        if (!find_next(next) || next.start > now_ticks) {
            elapsed_ = std::max(elapsed_, now_ticks);
            return nullptr;
        }
        elapsed_ = std::max(elapsed_, next.start);
        TimerNode& head =
            slots_[static_cast<std::size_t>(next.level)][static_cast<std::size_t>(next.slot)];
        occupied_[static_cast<std::size_t>(next.level)] &= ~(std::uint64_t{1} << next.slot);
        // The whole list moves over to due_, which is empty.
        due_.next = head.next;
        due_.previous = head.previous;
        due_.next->previous = &due_;
        due_.previous->next = &due_;
        head.previous = head.next = &head;
    }
}

MonotonicTime TimerWheel::next_deadline() const {
    if (due_.next != &due_) {
        return start_ + Milliseconds{elapsed_};
    }
    Position next{};
    if (!find_next(next)) {
        return never;
    }
    return start_ + Milliseconds{next.start};
}

}  // namespace gw
