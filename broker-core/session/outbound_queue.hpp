#pragma once

#include "broker-core/base/ring.hpp"
#include "broker-core/session/delivery.hpp"

#include <cstdint>

namespace gw {

/// What gives way when a queue is full.
enum class DropPolicy : std::uint8_t {
    oldest,      // the head of the queue
    newest,      // the message that comes in
    qos0_first,  // the oldest at QoS 0; when there is none, a message coming in at QoS 0, else the
                 // head of the queue
};

/// Bounds of a queue. 0: no bound of that kind; one of the two must be set.
struct QueueLimits {
    std::uint32_t count_max = 10000;
    std::uint64_t bytes_max = 16 << 20;
    DropPolicy drop = DropPolicy::qos0_first;
};

/// Messages that wait for a place in the in-flight window, for a connection, or for its socket.
/// Bounded by count and bytes; in order. One worker.
class OutboundQueue {
public:
    std::size_t count() const { return count_; }
    std::uint64_t bytes() const { return bytes_; }
    bool empty() const { return count_ == 0; }
    /// Places taken in memory, those of removed deliveries included.
    std::size_t place_count() const { return entries_.size(); }

    /// Appends and makes room by the policy. `on_drop(const Delivery&)` is called for each
    /// delivery that gave way, the new one included.
    template <class OnDrop>
    void push(Delivery delivery, const QueueLimits& limits, const OnDrop& on_drop) {
        const std::uint64_t bytes = delivery.footprint;
        if (limits.bytes_max != 0 && bytes > limits.bytes_max) {
            on_drop(delivery);  // would not fit into an empty queue: nobody gives way for it
            return;
        }
        while (!fits(bytes, limits)) {
            if (limits.drop == DropPolicy::newest || count_ == 0) {
                on_drop(delivery);
                return;
            }
            if (limits.drop == DropPolicy::qos0_first) {
                if (drop_oldest_qos0(on_drop)) {
                    continue;
                }
                if (delivery.qos == Qos::at_most_once) {
                    on_drop(delivery);
                    return;
                }
            }
            on_drop(pop());
        }
        append(std::move(delivery));
    }
    /// Appends what the store has; never drops. Used when a session is restored.
    void restore(Delivery delivery) { append(std::move(delivery)); }
    /// Takes the oldest; the queue must not be empty.
    Delivery pop();
    const Delivery& front();
    /// Removes what `condition(const Delivery&)` says; keeps the order.
    template <class Condition>
    void remove_if(const Condition& condition) {
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            if (!entries_[i].is_over() && condition(entries_[i])) {
                erase_at(i);
            }
        }
        drop_holes();
    }
    template <class Visit>
    void for_each(const Visit& visit) const {
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            if (!entries_[i].is_over()) {
                visit(entries_[i]);
            }
        }
    }
    /// Visits the first `count` entries; they may be changed but not in footprint, QoS and state.
    template <class Visit>
    void for_front(std::size_t count, const Visit& visit) {
        for (std::size_t i = 0; i < entries_.size() && count != 0; ++i) {
            if (!entries_[i].is_over()) {
                visit(entries_[i]);
                --count;
            }
        }
    }
    /// Visits entries from the front on as long as `visit` gives true.
    template <class Visit>
    void for_front_while(const Visit& visit) const {
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            if (!entries_[i].is_over() && !visit(entries_[i])) {
                return;
            }
        }
    }
    /// The entry with this sequence, or null.
    Delivery* find(std::uint64_t sequence);
    void clear();
    void shrink() { entries_.shrink_when_empty(16); }

private:
    bool fits(std::uint64_t bytes, const QueueLimits& limits) const {
        return (limits.count_max == 0 || count_ < limits.count_max) &&
               (limits.bytes_max == 0 || bytes_ + bytes <= limits.bytes_max);
    }
    template <class OnDrop>
    bool drop_oldest_qos0(const OnDrop& on_drop) {
        if (qos0_count_ == 0) {
            return false;
        }
        while (entries_[qos0_hint_].is_over() || entries_[qos0_hint_].qos != Qos::at_most_once) {
            ++qos0_hint_;
        }
        on_drop(entries_[qos0_hint_]);
        erase_at(qos0_hint_);
        drop_holes();
        return true;
    }
    void append(Delivery delivery);
    void account_removed(const Delivery& delivery);
    void erase_at(std::size_t index);
    void drop_holes();
    void close_holes();

    Ring<Delivery> entries_;  // an entry that is over is a hole
    std::uint64_t bytes_ = 0;
    std::uint32_t count_ = 0;
    std::uint32_t qos0_count_ = 0;
    std::uint32_t qos0_hint_ = 0;  // no entry at QoS 0 before this index
};

}  // namespace gw
