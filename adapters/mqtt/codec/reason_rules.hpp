#pragma once

/// Shared by the codec's sources; not for others to include.
#include "adapters/mqtt/codec/frame.hpp"
#include "broker-core/message/reason.hpp"

namespace gw::mqtt {

/// Whether MQTT 5 allows the reason code in the packet (MQTT 5.0, 3.2.2.2, 3.4.2.1
/// to 3.7.2.1, 3.9.3, 3.11.3, 3.14.2.1, 3.15.2.1). From which side counts for DISCONNECT and AUTH;
/// packets that only servers send have no code from a client.
bool is_reason_allowed(PacketType type, Sender sender, ReasonCode reason);

}  // namespace gw::mqtt
