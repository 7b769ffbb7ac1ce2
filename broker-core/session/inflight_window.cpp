#include "broker-core/session/inflight_window.hpp"

#include <utility>

namespace gw {

namespace {
constexpr std::uint32_t id_count = 65535;
}  // namespace

Delivery& InflightWindow::add(Delivery delivery) {
    GW_ASSERT(delivery.sequence != 0);
    if (delivery.state != DeliveryState::released) {
        delivery.state = DeliveryState::published;
    }
    ++count_;
    entries_.push_back(std::move(delivery));
    // After a restart released deliveries are here before older ones come out of the queue.
    std::size_t at = entries_.size() - 1;
    for (; at > 0 && entries_[at - 1].sequence > entries_[at].sequence; --at) {
        std::swap(entries_[at - 1], entries_[at]);
    }
    return entries_[at];
}

Delivery* InflightWindow::find(std::uint16_t packet_id) {
    if (entries_.empty() || packet_id == 0) {
        return nullptr;
    }
    const std::uint32_t distance = (packet_id + id_count - entries_[0].packet_id()) % id_count;
    const std::uint64_t wanted = entries_[0].sequence + distance;
    // Mostly the sequences are without gaps: then the distance is the index.
    std::size_t low = 0;
    std::size_t high = entries_.size();
    if (distance < high && entries_[distance].sequence == wanted) {
        low = distance;
    } else {
        while (low < high) {
            const std::size_t middle = (low + high) / 2;
            if (entries_[middle].sequence < wanted) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
    }
    if (low >= entries_.size() || entries_[low].sequence != wanted || entries_[low].is_over()) {
        return nullptr;
    }
    return &entries_[low];
}

void InflightWindow::complete(Delivery& delivery) {
    delivery.state = DeliveryState::done;
    delivery.message.reset();
    delivery.extra.reset();
    --count_;
    drop_over();
}

void InflightWindow::drop_over() {
    while (!entries_.empty() && entries_[0].is_over()) {
        entries_.pop_front();
    }
}

std::vector<Delivery> InflightWindow::take_released() {
    std::vector<Delivery> taken;
    for_each([&](Delivery& delivery) {
        if (delivery.state == DeliveryState::released) {
            taken.push_back(std::move(delivery));
            delivery.state = DeliveryState::done;
            --count_;
        }
    });
    drop_over();
    return taken;
}

void InflightWindow::clear() {
    entries_.release();
    count_ = 0;
}

}  // namespace gw
