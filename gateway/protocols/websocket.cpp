#include "gateway/protocols/websocket.hpp"

#include "gateway/protocols/http_site.hpp"

namespace gw {

MachineFactoryPtr websocket_machines(const config::Config& config, const config::Http& http,
                                     MachineFactoryPtr mqtt, Listener& listener) {
    const auto site = make_site(http, listener);
    const auto endpoint =
        websocket::make_endpoint({.subprotocols = mqtt_subprotocols(mqtt, listener),
                                  .requires_protocol = config.mqtt.requires_websocket_protocol,
                                  .origins = origin_policy(http),
                                  .frame_bytes_max = http.frame_bytes_max});
    site->router.add(http.path, "GET", std::make_shared<websocket::WebSocketHandler>(endpoint));
    return http_machines(site);
}

}  // namespace gw
