#pragma once

#include "broker-core/base/ring.hpp"
#include "broker-core/session/delivery.hpp"

#include <cstdint>

namespace gw {

/// Deliveries at QoS 1 and 2 that were sent and are not completed, in the order of sending, under
/// the packet ids that they keep over reconnections (MQTT 5.0, 4.4 and 4.9). One worker.
///
/// Ids are given in ascending order and ids in use are contiguous (completed ones stay as holes
/// until they reach the front), so an id is found by its distance from the first.
class InflightWindow {
public:
    /// Deliveries that count against the client's Receive Maximum.
    std::size_t count() const { return count_; }
    bool empty() const { return count_ == 0; }
    /// Whether one more may be sent, given the client's limit. Also no when holes behind one
    /// delivery that is never acknowledged have eaten up the span of ids.
    bool has_room(std::size_t limit) const {
        return count_ < limit && entries_.size() < 4 * limit + 16 && entries_.size() < 60000;
    }

    /// Takes a delivery in, gives it the next packet id and state `published`.
    Delivery& add(Delivery delivery);
    /// The delivery with this id, or null. Holes are not found.
    Delivery* find(std::uint16_t packet_id);
    /// Completes a delivery that find() gave.
    void complete(Delivery& delivery);
    /// Visits all deliveries in the order of sending.
    template <class Visit>
    void for_each(const Visit& visit) {
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            if (entries_[i].state != DeliveryState::done) {
                visit(entries_[i]);
            }
        }
    }
    void clear();
    /// Gives memory back when nothing is in flight.
    void shrink() { entries_.shrink_when_empty(16); }

private:
    void drop_holes();

    Ring<Delivery> entries_;
    std::uint32_t count_ = 0;
    std::uint16_t last_id_ = 0;
};

}  // namespace gw
