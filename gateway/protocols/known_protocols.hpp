#pragma once

#include "adapters/coap/machine/protocol.hpp"
#include "adapters/mqtt/machine/protocol.hpp"
#include "adapters/mqttsn/machine/protocol.hpp"
#include "adapters/stomp/machine/protocol.hpp"

namespace gw {

/// All that the adapters of this program speak.
inline ProtocolList known_protocols() {
    return ProtocolList{{&mqtt::protocol_3_1, &mqtt::protocol_3_1_1, &mqtt::protocol_5,
                         &mqttsn::protocol, &coap::protocol, &stomp::protocol}};
}

}  // namespace gw
