#pragma once

#include "broker-core/message/protocol_traits.hpp"

namespace gw::mqttsn {

/// MQTT-SN, as the core knows it.
inline constexpr ProtocolTraits protocol{.number = 4,
                                         .name = "MQTT-SN",
                                         .family = "mqtt-sn",
                                         .packet_ids = PacketIdSpace{2},
                                         .refusals = ProtocolTraits::Refusals::told_at_qos_1_and_2};

}  // namespace gw::mqttsn
