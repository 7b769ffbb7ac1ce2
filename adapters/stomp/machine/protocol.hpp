#pragma once

#include "broker-core/message/protocol_traits.hpp"

namespace gw::stomp {

/// STOMP, as the core knows it.
inline constexpr ProtocolTraits protocol{
    .number = 6, .name = "STOMP", .family = "stomp", .has_subscriber_qos = true};

}  // namespace gw::stomp
