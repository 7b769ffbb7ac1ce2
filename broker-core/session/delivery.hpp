#pragma once

#include "broker-core/message/message.hpp"
#include "broker-core/router/router.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace gw {

/// Where a delivery at QoS 1 or 2 stands.
enum class DeliveryState : std::uint8_t {
    queued,     // was not sent
    published,  // sent, waits for PUBACK or PUBREC
    released,   // PUBREL sent, waits for PUBCOMP; the message is gone
    done,       // over; a hole in the window or the queue
};

/// What few deliveries need: several subscription identifiers, or the shared group that chose the
/// session.
struct DeliveryExtra {
    std::vector<std::uint32_t> identifiers;
    SharedGroupPtr group;
};

/// The packet id of a delivery follows from its place in the session's order, so that it is the
/// same after a restart without having been stored: 1 to 65,535, again and again.
inline std::uint16_t packet_id_of(std::uint64_t sequence) {
    return sequence == 0 ? std::uint16_t{0}
                         : static_cast<std::uint16_t>((sequence - 1) % 65535 + 1);
}

/// One message on its way to one session: an entry of its queue or its in-flight window. 48 bytes.
struct Delivery {
    MessagePtr message;  // null: over, released, or only in the store
    std::unique_ptr<DeliveryExtra> extra;
    std::uint64_t sequence = 0;    // place in the session's order from 1 on; 0 at QoS 0
    std::uint64_t message_id = 0;  // under which the store has the message; 0: it has not
    std::uint32_t identifier = 0;  // the only subscription identifier, 0: none, or see extra
    std::uint32_t footprint = 0;   // of the message, bytes
    Qos qos = Qos::at_most_once;
    DeliveryState state : 4 = DeliveryState::queued;
    bool retain : 1 = false;
    bool is_resend : 1 = false;    // goes out again: DUP is set
    bool is_unstored : 1 = false;  // QoS 2 on its way to the store: not to be sent before

    /// The whole filter of the shared group that chose the session, or empty.
    std::string_view group_text() const {
        return extra && extra->group ? extra->group->text() : std::string_view{};
    }
    std::uint16_t packet_id() const { return packet_id_of(sequence); }
    bool is_over() const { return state == DeliveryState::done; }
    /// Whether the body must be loaded before it can be sent.
    bool is_unloaded() const { return !message && message_id != 0; }
    std::span<const std::uint32_t> identifiers() const {
        if (extra && !extra->identifiers.empty()) {
            return extra->identifiers;
        }
        return {&identifier, identifier != 0 ? 1U : 0U};
    }
};

}  // namespace gw
