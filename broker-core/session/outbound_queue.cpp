#include "broker-core/session/outbound_queue.hpp"

namespace gw {

void OutboundQueue::append(Delivery delivery) {
    // Behind a head that stays, holes would pile up for as long as others come and give way.
    if (entries_.size() > 2 * std::size_t{count_} + 16) {
        close_holes();
    }
    bytes_ += delivery.footprint;
    ++count_;
    if (delivery.qos == Qos::at_most_once) {
        ++qos0_count_;
    }
    entries_.push_back(std::move(delivery));
}

void OutboundQueue::account_removed(const Delivery& delivery) {
    bytes_ -= delivery.footprint;
    --count_;
    if (delivery.qos == Qos::at_most_once) {
        --qos0_count_;
    }
}

Delivery OutboundQueue::pop() {
    drop_holes();
    account_removed(entries_.front());
    if (qos0_hint_ > 0) {
        --qos0_hint_;
    }
    return entries_.pop_front();
}

const Delivery& OutboundQueue::front() {
    drop_holes();
    return entries_.front();
}

void OutboundQueue::erase_at(std::size_t index) {
    account_removed(entries_[index]);
    entries_[index].state = DeliveryState::done;
    entries_[index].message.reset();
    entries_[index].extra.reset();
}

void OutboundQueue::drop_holes() {
    while (!entries_.empty() && entries_.front().is_over()) {
        entries_.pop_front();
        if (qos0_hint_ > 0) {
            --qos0_hint_;
        }
    }
}

void OutboundQueue::close_holes() {
    Ring<Delivery> kept;
    while (!entries_.empty()) {
        Delivery delivery = entries_.pop_front();
        if (!delivery.is_over()) {
            kept.push_back(std::move(delivery));
        }
    }
    entries_ = std::move(kept);
    qos0_hint_ = 0;
}

Delivery* OutboundQueue::find(std::uint64_t sequence) {
    // Sequences ascend; entries at QoS 0, which have none, may stand between.
    std::size_t low = 0;
    std::size_t high = entries_.size();
    while (low < high) {
        const std::size_t middle = (low + high) / 2;
        std::size_t at = middle;
        while (at < high && entries_[at].sequence == 0) {
            ++at;
        }
        if (at < high && entries_[at].sequence < sequence) {
            low = at + 1;
        } else {
            high = middle;
        }
    }
    while (low < entries_.size() && entries_[low].sequence == 0) {
        ++low;
    }
    const bool is_found =
        low < entries_.size() && entries_[low].sequence == sequence && !entries_[low].is_over();
    return is_found ? &entries_[low] : nullptr;
}

void OutboundQueue::clear() {
    entries_.release();
    bytes_ = 0;
    count_ = 0;
    qos0_count_ = 0;
    qos0_hint_ = 0;
}

}  // namespace gw
