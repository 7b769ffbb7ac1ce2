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
    queued,     // has no packet id yet
    published,  // sent, waits for PUBACK or PUBREC
    released,   // PUBREL sent, waits for PUBCOMP; the message is gone
    done,       // acknowledged out of order; a hole in the window
};

/// What few deliveries need: several subscription identifiers, or the shared group that chose the
/// session.
struct DeliveryExtra {
    std::vector<std::uint32_t> identifiers;
    SharedGroupPtr group;
    SubscriptionOptions group_options;
};

/// One message on its way to one session: an entry of its queue or its in-flight window. 32 bytes.
struct Delivery {
    MessagePtr message;
    std::unique_ptr<DeliveryExtra> extra;
    std::uint32_t identifier = 0;  // the only subscription identifier, 0: none, or see extra
    std::uint16_t packet_id = 0;
    Qos qos = Qos::at_most_once;
    DeliveryState state : 4 = DeliveryState::queued;
    bool retain : 1 = false;
    bool is_resend : 1 = false;  // goes out again on a new connection: DUP is set

    std::span<const std::uint32_t> identifiers() const {
        if (extra && !extra->identifiers.empty()) {
            return extra->identifiers;
        }
        return {&identifier, identifier != 0 ? 1U : 0U};
    }
};

}  // namespace gw
