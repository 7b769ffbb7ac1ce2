#include "config/schema/http_block.hpp"
#include "config/schema/listener_blocks.hpp"
#include "config/schema/proxy_block.hpp"
#include "config/schema/schema.hpp"
#include "config/schema/tls_block.hpp"

#include <vector>

namespace gw::config {

using bind::into;
using bind::into_listener;

namespace {

constexpr auto listeners = &Config::sockjs_listeners;
constexpr auto shared = &Config::sockjs;

constexpr Key listener_head[] = {
    {.name = "listener.sockjs.<name>",
     .type = ValueType::listen_address,
     .summary = "A listener for protocols over SockJS, and over WebSocket at the same paths: the "
                "address and port to listen at, as listener.tcp.<name>; EMQ's port was 61616.",
     .why = "Only who has clients in browsers needs it.",
     .store = blocks::store_address<listeners>,
     .names_instance = true},
    {.name = "listener.sockjs.<name>.tls",
     .type = ValueType::flag,
     .value_default = "off",
     .summary = "Whether the listener speaks TLS; then it needs a certificate.",
     .why = "Often a reverse proxy does it.",
     .store = into_listener<listeners, &SockJsListener::speaks_tls>},
};

constexpr Key shared_keys[] = {
    {.name = "sockjs.mqtt.path",
     .value_default = "/mqtt",
     .value_max = "256",
     .on_reload = Reload::new_connections,
     .summary = "The path at which SockJS listeners speak MQTT; empty: nowhere.",
     .why = "As over WebSocket.",
     .store = into<shared, &SockJs::mqtt_path>},
    {.name = "sockjs.stomp.path",
     .value_default = "/stomp",
     .value_max = "256",
     .on_reload = Reload::new_connections,
     .summary = "The path at which SockJS listeners speak STOMP; empty: nowhere.",
     .why = "EMQ's.",
     .store = into<shared, &SockJs::stomp_path>},
    {.name = "sockjs.heartbeat",
     .type = ValueType::duration,
     .value_default = "25s",
     .value_min = "1s",
     .value_max = "1h",
     .on_reload = Reload::new_connections,
     .summary = "How often a client hears of us (`h`), also when there is nothing to tell.",
     .why = "The protocol's; proxies cut what is silent for 30 s to a minute.",
     .store = into<shared, &SockJs::heartbeat>},
    {.name = "sockjs.disconnect_delay",
     .type = ValueType::duration,
     .value_default = "5s",
     .value_min = "100ms",
     .value_max = "10m",
     .on_reload = Reload::new_connections,
     .summary = "How long a session over HTTP lives with no request that receives; then its client "
                "is lost.",
     .why = "The protocol's; between two polls a slow network needs a second or two.",
     .store = into<shared, &SockJs::disconnect_delay>},
    {.name = "sockjs.response_limit",
     .type = ValueType::byte_size,
     .value_default = "128KB",
     .value_min = "1KB",
     .value_max = "1GB",
     .on_reload = Reload::new_connections,
     .summary = "How much a streaming response brings; then it ends, and the client asks again.",
     .why = "The protocol's; browsers keep all of a response in memory.",
     .store = into<shared, &SockJs::response_bytes_max>},
    {.name = "sockjs.max_sessions",
     .type = ValueType::integer,
     .unit = "sessions",
     .value_default = "65536",
     .value_min = "1",
     .value_max = "16777216",
     .on_reload = Reload::new_connections,
     .summary = "Sessions over HTTP on one worker; further ones get status 503. They outlive "
                "connections, so the limits of those do not bound them.",
     .why = "Some 100 MB, were all of them strangers'.",
     .store = into<shared, &SockJs::session_count_max>},
    {.name = "sockjs.websocket",
     .type = ValueType::flag,
     .value_default = "on",
     .on_reload = Reload::new_connections,
     .summary = "Whether clients may use WebSocket, the best of the transports.",
     .why = "Off is for networks whose proxies break it.",
     .store = into<shared, &SockJs::has_websocket>},
    {.name = "sockjs.cookie_needed",
     .type = ValueType::flag,
     .value_default = "off",
     .on_reload = Reload::new_connections,
     .summary = "Whether responses set the cookie JSESSIONID, by which some load balancers send a "
                "client always to the same server.",
     .why = "Without several servers nobody needs it.",
     .store = into<shared, &SockJs::cookie_needed>},
    {.name = "sockjs.client_url",
     .value_default = "https://cdn.jsdelivr.net/npm/sockjs-client@1/dist/sockjs.min.js",
     .value_min = "1",
     .value_max = "1024",
     .on_reload = Reload::new_connections,
     .summary = "Where browsers without CORS get the client's script (sockjs_url), for the page in "
                "their hidden frame.",
     .why = "Only browsers of before 2012 ask for it.",
     .store = into<shared, &SockJs::client_url>},
    {.name = "sockjs.demo_page",
     .type = ValueType::flag,
     .value_default = "off",
     .on_reload = Reload::new_connections,
     .summary = "Whether SockJS listeners show a page at `/` in which one can connect, subscribe "
                "and publish.",
     .why = "What nobody uses should not be there.",
     .emq = "Always on.",
     .store = into<shared, &SockJs::has_demo_page>},
    {.name = "sockjs.test_services",
     .type = ValueType::flag,
     .value_default = "off",
     .on_reload = Reload::new_connections,
     .summary = "Whether SockJS listeners have the services that the protocol's test suite speaks "
                "to: /echo, /close, /disabled_websocket_echo, /cookie_needed_echo. They take pages "
                "of all origins.",
     .why = "They are for tests alone.",
     .store = into<shared, &SockJs::has_test_services>},
};

std::vector<Key> all_keys() {
    std::vector<Key> all{std::begin(listener_head), std::end(listener_head)};
    const auto add = [&all](const auto& keys) {
        all.insert(all.end(), std::begin(keys), std::end(keys));
    };
    add(http_option_keys<"listener.sockjs.<name>", listeners>);
    add(listener_option_keys<"listener.sockjs.<name>", listeners>);
    add(tcp_option_keys<"listener.sockjs.<name>", listeners>);
    add(tls_option_keys<"listener.sockjs.<name>", listeners>);
    add(proxy_option_keys<"listener.sockjs.<name>", listeners>);
    add(shared_keys);
    return all;
}

}  // namespace

std::span<const Key> sockjs_keys() {
    static const std::vector<Key> keys = all_keys();
    return keys;
}

}  // namespace gw::config
