#pragma once

#include "broker-core/message/protocol_traits.hpp"

namespace gw::coap {

/// CoAP, as the core knows it.
inline constexpr ProtocolTraits protocol{.number = 5,
                                         .name = "CoAP",
                                         .family = "coap",
                                         .refusals = ProtocolTraits::Refusals::told_always};

}  // namespace gw::coap
