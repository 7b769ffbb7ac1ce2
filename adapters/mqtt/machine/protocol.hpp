#pragma once

#include "adapters/mqtt/codec/frame.hpp"
#include "broker-core/base/assert.hpp"
#include "broker-core/message/protocol_traits.hpp"

namespace gw::mqtt {

/// MQTT, as the core knows it: one program on a device, with one space of packet ids, whatever
/// version it speaks.
inline constexpr ProtocolTraits protocol_3_1{
    .number = 1, .name = "MQTT 3.1", .family = "mqtt", .level = 3, .packet_ids = PacketIdSpace{1}};
inline constexpr ProtocolTraits protocol_3_1_1{.number = 2,
                                               .name = "MQTT 3.1.1",
                                               .family = "mqtt",
                                               .level = 4,
                                               .packet_ids = PacketIdSpace{1}};
inline constexpr ProtocolTraits protocol_5{
    .number = 3,
    .name = "MQTT 5.0",
    .family = "mqtt",
    .level = 5,
    .packet_ids = PacketIdSpace{1},
    .refusals = ProtocolTraits::Refusals::told_at_qos_1_and_2,
    .has_no_local = true};

/// That of a version.
constexpr const ProtocolTraits& protocol_of(Version version) {
    switch (version) {
        case Version::v3_1:
            return protocol_3_1;
        case Version::v3_1_1:
            return protocol_3_1_1;
        case Version::v5:
            return protocol_5;
    }
    GW_UNREACHABLE();
}

}  // namespace gw::mqtt
