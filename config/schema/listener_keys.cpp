#include "config/schema/http_block.hpp"
#include "config/schema/listener_blocks.hpp"
#include "config/schema/proxy_block.hpp"
#include "config/schema/schema.hpp"
#include "config/schema/tls_block.hpp"

#include <vector>

namespace gw::config {

using bind::into_listener;

namespace {

constexpr auto tcp = &Config::tcp_listeners;
constexpr auto ssl = &Config::ssl_listeners;
constexpr auto ws = &Config::ws_listeners;
constexpr auto wss = &Config::wss_listeners;
constexpr auto local = &Config::unix_listeners;

constexpr Key tcp_key{
    .name = "listener.tcp.<name>",
    .type = ValueType::listen_address,
    .summary =
        "A TCP listener for MQTT: the address and port to listen at. A bare port means "
        "0.0.0.0; port 0 takes a free one, which `mangrove status` shows. With no "
        "listener at all there is listener.tcp.default = 127.0.0.1:1883.",
    .why = "Without a configuration nobody outside this machine gets in.",
    .emq = "2.0 had a single one, mqtt.listener.tcp; it is read as listener.tcp.external.",
    .store = blocks::store_address<tcp>,
    .names_instance = true};

constexpr Key ssl_key{
    .name = "listener.ssl.<name>",
    .type = ValueType::listen_address,
    .summary =
        "A listener for MQTT over TLS: the address and port to listen at, as "
        "listener.tcp.<name>; the usual port is 8883.",
    .why = "It needs a certificate.",
    .emq = "2.0 had a single one, mqtt.listener.ssl; it is read as listener.ssl.external.",
    .store = blocks::store_address<ssl>,
    .names_instance = true};

constexpr Key ws_key{
    .name = "listener.ws.<name>",
    .type = ValueType::listen_address,
    .summary =
        "A listener for MQTT over WebSocket: the address and port to listen at, as "
        "listener.tcp.<name>; the usual port is 8083.",
    .why = "Only who has clients in browsers needs it.",
    .emq = "2.0 had a single one, mqtt.listener.http; it is read as listener.ws.external.",
    .store = blocks::store_address<ws>,
    .names_instance = true};

constexpr Key wss_key{
    .name = "listener.wss.<name>",
    .type = ValueType::listen_address,
    .summary =
        "A listener for MQTT over WebSocket over TLS: the address and port to listen at, as "
        "listener.tcp.<name>; the usual port is 8084.",
    .why = "It needs a certificate.",
    .emq = "2.0 had a single one, mqtt.listener.https; it is read as listener.wss.external.",
    .store = blocks::store_address<wss>,
    .names_instance = true};

constexpr Key unix_keys[] = {
    {.name = "listener.unix.<name>",
     .type = ValueType::path,
     .summary = "A Unix socket listener for MQTT: the file name of the socket. A socket left "
                "behind there is replaced, any other file is not.",
     .why = "For programs on the same machine; file permissions say who may connect.",
     .store = into_listener<local, &UnixListener::path>,
     .names_instance = true},
    {.name = "listener.unix.<name>.mode",
     .type = ValueType::file_mode,
     .value_default = "0660",
     .summary = "Permissions of the socket file, in octal.",
     .why = "The owner and the group of the program.",
     .store = into_listener<local, &UnixListener::mode>},
};

std::vector<Key> all_keys() {
    std::vector<Key> all;
    const auto add = [&all](const auto& keys) {
        all.insert(all.end(), keys.begin(), keys.end());
    };
    all.push_back(tcp_key);
    add(listener_option_keys<"listener.tcp.<name>", tcp>);
    add(tcp_option_keys<"listener.tcp.<name>", tcp>);
    add(proxy_option_keys<"listener.tcp.<name>", tcp>);
    all.push_back(ssl_key);
    add(listener_option_keys<"listener.ssl.<name>", ssl>);
    add(tcp_option_keys<"listener.ssl.<name>", ssl>);
    add(tls_option_keys<"listener.ssl.<name>", ssl>);
    add(proxy_option_keys<"listener.ssl.<name>", ssl>);
    all.push_back(ws_key);
    add(websocket_option_keys<"listener.ws.<name>", ws>);
    add(http_option_keys<"listener.ws.<name>", ws>);
    add(listener_option_keys<"listener.ws.<name>", ws>);
    add(tcp_option_keys<"listener.ws.<name>", ws>);
    add(proxy_option_keys<"listener.ws.<name>", ws>);
    all.push_back(wss_key);
    add(websocket_option_keys<"listener.wss.<name>", wss>);
    add(http_option_keys<"listener.wss.<name>", wss>);
    add(listener_option_keys<"listener.wss.<name>", wss>);
    add(tcp_option_keys<"listener.wss.<name>", wss>);
    add(tls_option_keys<"listener.wss.<name>", wss>);
    add(proxy_option_keys<"listener.wss.<name>", wss>);
    all.push_back(unix_keys[0]);
    add(listener_option_keys<"listener.unix.<name>", local>);
    all.push_back(unix_keys[1]);
    return all;
}

}  // namespace

std::span<const Key> listener_keys() {
    static const std::vector<Key> keys = all_keys();
    return keys;
}

}  // namespace gw::config
