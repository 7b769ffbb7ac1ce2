#include "broker-core/session/inflight_window.hpp"

namespace gw {

namespace {
constexpr std::uint32_t id_count = 65535;  // 1 to 65,535; 0 is no packet id
}  // namespace

Delivery& InflightWindow::add(Delivery delivery) {
    last_id_ = last_id_ == id_count ? std::uint16_t{1} : static_cast<std::uint16_t>(last_id_ + 1);
    delivery.packet_id = last_id_;
    delivery.state = DeliveryState::published;
    ++count_;
    return entries_.push_back(std::move(delivery));
}

Delivery* InflightWindow::find(std::uint16_t packet_id) {
    if (entries_.empty() || packet_id == 0) {
        return nullptr;
    }
    const std::uint32_t index = (packet_id + id_count - entries_.front().packet_id) % id_count;
    if (index >= entries_.size() || entries_[index].state == DeliveryState::done) {
        return nullptr;
    }
    return &entries_[index];
}

void InflightWindow::complete(Delivery& delivery) {
    delivery.state = DeliveryState::done;
    delivery.message.reset();
    delivery.extra.reset();
    --count_;
    drop_holes();
}

void InflightWindow::drop_holes() {
    while (!entries_.empty() && entries_.front().state == DeliveryState::done) {
        entries_.pop_front();
    }
}

void InflightWindow::clear() {
    entries_.release();
    count_ = 0;
}

}  // namespace gw
