#include "adapters/coap/machine/translation.hpp"
#include "adapters/mqtt/codec/translation.hpp"
#include "adapters/mqttsn/machine/translation.hpp"
#include "adapters/sockjs/translation.hpp"
#include "adapters/stomp/machine/message_headers.hpp"
#include "tests/translation/peer.hpp"

namespace gw::test {

const std::vector<Speaker>& speakers() {
    static const std::vector<Speaker> all = {
        {{"mqtt-3.1", mqtt::translation_v3}, false, make_mqtt_3_1},
        {{"mqtt-3.1.1", mqtt::translation_v3}, false, make_mqtt_3_1_1},
        {{"mqtt-5", mqtt::translation_v5}, false, make_mqtt_5},
        {{"mqtt-sn", mqttsn::translation}, false, make_mqttsn},
        {{"coap", coap::translation}, false, make_coap},
        {{"stomp", stomp::translation}, false, make_stomp},
        {{"mqtt-in-sockjs", mqtt::translation_v5, &sockjs::binary_translation},
         false,
         make_mqtt_in_sockjs},
        {{"stomp-in-sockjs", stomp::translation, &sockjs::text_translation},
         true,
         make_stomp_in_sockjs},
    };
    return all;
}

}  // namespace gw::test
