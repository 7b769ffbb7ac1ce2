#include "broker-core/message/identity.hpp"

#include "broker-core/base/assert.hpp"

namespace gw {

const char* protocol_name(Protocol protocol) {
    switch (protocol) {
        case Protocol::internal:
            return "internal";
        case Protocol::mqtt_3_1:
            return "MQTT 3.1";
        case Protocol::mqtt_3_1_1:
            return "MQTT 3.1.1";
        case Protocol::mqtt_5:
            return "MQTT 5.0";
        case Protocol::mqtt_sn:
            return "MQTT-SN";
        case Protocol::coap:
            return "CoAP";
        case Protocol::stomp:
            return "STOMP";
    }
    GW_UNREACHABLE();
}

}  // namespace gw
