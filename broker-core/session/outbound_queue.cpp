#include "broker-core/session/outbound_queue.hpp"

namespace gw {

void OutboundQueue::append(Delivery delivery) {
    // Behind a head that stays, holes would pile up for as long as others come and give way.
    if (entries_.size() > 2 * std::size_t{count_} + 16) {
        close_holes();
    }
    bytes_ += delivery.message->footprint();
    ++count_;
    if (delivery.qos == Qos::at_most_once) {
        ++qos0_count_;
    }
    entries_.push_back(std::move(delivery));
}

void OutboundQueue::push_front(Delivery delivery) {
    bytes_ += delivery.message->footprint();
    ++count_;
    if (delivery.qos == Qos::at_most_once) {
        ++qos0_count_;
    }
    qos0_hint_ = 0;
    entries_.push_front(std::move(delivery));
}

void OutboundQueue::account_removed(const Delivery& delivery) {
    bytes_ -= delivery.message->footprint();
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
    entries_[index].message.reset();
    entries_[index].extra.reset();
}

void OutboundQueue::drop_holes() {
    while (!entries_.empty() && !entries_.front().message) {
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
        if (delivery.message) {
            kept.push_back(std::move(delivery));
        }
    }
    entries_ = std::move(kept);
    qos0_hint_ = 0;
}

void OutboundQueue::clear() {
    entries_.release();
    bytes_ = 0;
    count_ = 0;
    qos0_count_ = 0;
    qos0_hint_ = 0;
}

}  // namespace gw
