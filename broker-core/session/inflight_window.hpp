#pragma once

#include "broker-core/base/ring.hpp"
#include "broker-core/session/delivery.hpp"

#include <cstdint>
#include <vector>

namespace gw {

/// Deliveries at QoS 1 and 2 that were sent and are not completed, by ascending sequence, which is
/// the order of sending; their packet ids stay over reconnections and restarts (MQTT 5.0, 4.4 and
/// 4.9). One worker.
class InflightWindow {
public:
    /// How far apart the sequences of deliveries may be that are in flight at one time.
    static constexpr std::uint64_t span_max = 60000;

    /// Deliveries that count against the client's Receive Maximum.
    std::size_t count() const { return count_; }
    bool empty() const { return count_ == 0; }
    /// Whether a delivery with this sequence may be sent, given the client's limit. Also no when a
    /// delivery that is never acknowledged has let the others run so far ahead that packet ids
    /// would come round to it.
    bool has_room(std::size_t limit, std::uint64_t sequence) const {
        return count_ < limit && (entries_.empty() || sequence < entries_[0].sequence + span_max) &&
               entries_.size() < 4 * limit + 16;
    }

    /// Takes a delivery in, in state `published` unless it is `released`.
    Delivery& add(Delivery delivery);
    /// The delivery with this packet id, or null. What is over is not found.
    Delivery* find(std::uint16_t packet_id);
    /// Completes a delivery that find() gave.
    void complete(Delivery& delivery);
    /// Visits all deliveries in the order of sending.
    template <class Visit>
    void for_each(const Visit& visit) {
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            if (!entries_[i].is_over()) {
                visit(entries_[i]);
            }
        }
    }
    /// Takes out all that is released.
    std::vector<Delivery> take_released();
    void clear();
    /// Gives memory back when nothing is in flight.
    void shrink() { entries_.shrink_when_empty(16); }

private:
    void drop_over();

    Ring<Delivery> entries_;
    std::uint32_t count_ = 0;
};

}  // namespace gw
