#include "config/schema/bind.hpp"
#include "config/schema/schema.hpp"

namespace gw::config {

using bind::find_or_add;
using bind::into_limits;
using bind::into_listener;

namespace {

void store_tcp_address(Config& config, const Placeholders& where, const Value& value) {
    find_or_add(config.tcp_listeners, where.name).address = value.address;
}

void store_tcp_rule(Config& config, const Placeholders& where, const Value& value) {
    // The loader applies rules in ascending order of <N>, so appending keeps them ordered.
    find_or_add(config.tcp_listeners, where.name).access.push_back(value.rule);
}

template <auto List>
void store_anonymous(Config& config, const Placeholders& where, const Value& value) {
    std::optional<Anonymous>& place = find_or_add(config.*List, where.name).limits.allow_anonymous;
    // The last word, `inherit`, stands for the global key.
    constexpr auto inherit = static_cast<std::int64_t>(Anonymous::local) + 1;
    if (value.number == inherit) {
        place.reset();
    } else {
        place = static_cast<Anonymous>(value.number);
    }
}

constexpr auto tcp = &Config::tcp_listeners;
constexpr auto local = &Config::unix_listeners;

constexpr std::string_view max_clients_summary =
    "Connections of this listener; further ones are closed at once. 0: no limit of its own.";
constexpr std::string_view max_clients_why = "node.max_connections bounds all together.";
constexpr std::string_view conn_rate_summary =
    "New connections a second; further ones wait to be accepted. 0: no limit.";
constexpr std::string_view conn_rate_why =
    "After an outage everybody comes at once; whoever has slow authentication sets it.";
constexpr std::string_view mountpoint_summary =
    "Put before every topic and filter of this listener's clients, and taken off what they "
    "receive: they live in a part of the topic tree of their own. Empty: none.";
constexpr std::string_view mountpoint_why = "One tree for all is what MQTT describes.";
constexpr std::string_view backlog_summary =
    "Connections that the system completes while the program has not yet accepted them.";
constexpr std::string_view backlog_why = "EMQ's; the system lowers it to net.core.somaxconn.";
/// Into .store_ack; inherit is no value.
template <auto List>
void store_store_ack(Config& config, const Placeholders& where, const Value& value) {
    std::optional<StoreAck>& place = find_or_add(config.*List, where.name).limits.store_ack;
    place.reset();
    if (value.number < 2) {
        place = static_cast<StoreAck>(value.number);
    }
}

constexpr std::string_view store_ack_summary =
    "As store.ack, for the publishers of this listener alone; inherit: what store.ack says.";
constexpr std::string_view store_ack_why =
    "Telemetry that is stale in a second may go by one listener, orders by another.";

constexpr std::string_view anonymous_summary =
    "As allow_anonymous, for this listener alone; inherit: what allow_anonymous says.";
constexpr std::string_view anonymous_why =
    "One listener for devices with credentials, another for a closed network without.";
constexpr std::string_view buffer_why = "The system sizes buffers by what a connection does.";

constexpr Key keys[] = {
    {.name = "listener.tcp.<name>",
     .type = ValueType::listen_address,
     .summary = "A TCP listener for MQTT: the address and port to listen at. A bare port means "
                "0.0.0.0; port 0 takes a free one, which `mangrove status` shows. With no "
                "listener at all there is listener.tcp.default = 127.0.0.1:1883.",
     .why = "Without a configuration nobody outside this machine gets in.",
     .emq = "2.0 had a single one, mqtt.listener.tcp; it is read as listener.tcp.external.",
     .store = store_tcp_address,
     .names_instance = true},
    {.name = "listener.tcp.<name>.max_clients",
     .type = ValueType::integer,
     .unit = "connections",
     .value_default = "0",
     .value_max = "16777216",
     .on_reload = Reload::new_connections,
     .summary = max_clients_summary,
     .why = max_clients_why,
     .emq = "1024.",
     .store = into_limits<tcp, &ListenerLimits::client_count_max>},
    {.name = "listener.tcp.<name>.max_conn_rate",
     .type = ValueType::integer,
     .unit = "connections/s",
     .value_default = "0",
     .value_max = "1000000",
     .on_reload = Reload::new_connections,
     .summary = conn_rate_summary,
     .why = conn_rate_why,
     .store = into_limits<tcp, &ListenerLimits::connect_rate_max>},
    {.name = "listener.tcp.<name>.mountpoint",
     .type = ValueType::text,
     .value_max = "1024",
     .on_reload = Reload::new_connections,
     .summary = mountpoint_summary,
     .why = mountpoint_why,
     .store = into_limits<tcp, &ListenerLimits::mountpoint>},
    {.name = "listener.tcp.<name>.access.<N>",
     .type = ValueType::access_rule,
     .on_reload = Reload::new_connections,
     .summary = "Who may connect: `allow` or `deny`, and a CIDR range or `all`. The first rule "
                "that matches, in order of <N> (1 to 65535), decides; an address that no rule "
                "matches is let in.",
     .why = "EMQ's; end the rules with `deny all` for a list of those allowed.",
     .store = store_tcp_rule,
     .optional = true},
    {.name = "listener.tcp.<name>.backlog",
     .type = ValueType::integer,
     .unit = "connections",
     .value_default = "1024",
     .value_min = "1",
     .value_max = "65535",
     .summary = backlog_summary,
     .why = backlog_why,
     .store = into_limits<tcp, &ListenerLimits::backlog_count>},
    {.name = "listener.tcp.<name>.recbuf",
     .type = ValueType::byte_size,
     .value_default = "0",
     .value_max = "64MB",
     .summary = "Receive buffer of each socket (SO_RCVBUF); 0: the system's choice.",
     .why = buffer_why,
     .store = into_listener<tcp, &TcpListener::receive_buffer_bytes>},
    {.name = "listener.tcp.<name>.sndbuf",
     .type = ValueType::byte_size,
     .value_default = "0",
     .value_max = "64MB",
     .summary = "Send buffer of each socket (SO_SNDBUF); 0: the system's choice.",
     .why = buffer_why,
     .store = into_listener<tcp, &TcpListener::send_buffer_bytes>},
    {.name = "listener.tcp.<name>.allow_anonymous",
     .type = ValueType::word,
     .value_default = "inherit",
     .words = "false|true|local|inherit",
     .synonyms = "off=false|on=true",
     .on_reload = Reload::new_connections,
     .summary = anonymous_summary,
     .why = anonymous_why,
     .store = store_anonymous<tcp>},
    {.name = "listener.tcp.<name>.store_ack",
     .type = ValueType::word,
     .value_default = "inherit",
     .words = "memory|local|inherit",
     .on_reload = Reload::new_connections,
     .summary = store_ack_summary,
     .why = store_ack_why,
     .store = store_store_ack<tcp>},
    {.name = "listener.unix.<name>",
     .type = ValueType::path,
     .summary = "A Unix socket listener for MQTT: the file name of the socket. A socket left "
                "behind there is replaced, any other file is not.",
     .why = "For programs on the same machine; file permissions say who may connect.",
     .store = into_listener<local, &UnixListener::path>,
     .names_instance = true},
    {.name = "listener.unix.<name>.max_clients",
     .type = ValueType::integer,
     .unit = "connections",
     .value_default = "0",
     .value_max = "16777216",
     .on_reload = Reload::new_connections,
     .summary = max_clients_summary,
     .why = max_clients_why,
     .store = into_limits<local, &ListenerLimits::client_count_max>},
    {.name = "listener.unix.<name>.max_conn_rate",
     .type = ValueType::integer,
     .unit = "connections/s",
     .value_default = "0",
     .value_max = "1000000",
     .on_reload = Reload::new_connections,
     .summary = conn_rate_summary,
     .why = conn_rate_why,
     .store = into_limits<local, &ListenerLimits::connect_rate_max>},
    {.name = "listener.unix.<name>.mountpoint",
     .type = ValueType::text,
     .value_max = "1024",
     .on_reload = Reload::new_connections,
     .summary = mountpoint_summary,
     .why = mountpoint_why,
     .store = into_limits<local, &ListenerLimits::mountpoint>},
    {.name = "listener.unix.<name>.backlog",
     .type = ValueType::integer,
     .unit = "connections",
     .value_default = "1024",
     .value_min = "1",
     .value_max = "65535",
     .summary = backlog_summary,
     .why = backlog_why,
     .store = into_limits<local, &ListenerLimits::backlog_count>},
    {.name = "listener.unix.<name>.allow_anonymous",
     .type = ValueType::word,
     .value_default = "inherit",
     .words = "false|true|local|inherit",
     .synonyms = "off=false|on=true",
     .on_reload = Reload::new_connections,
     .summary = anonymous_summary,
     .why = anonymous_why,
     .store = store_anonymous<local>},
    {.name = "listener.unix.<name>.store_ack",
     .type = ValueType::word,
     .value_default = "inherit",
     .words = "memory|local|inherit",
     .on_reload = Reload::new_connections,
     .summary = store_ack_summary,
     .why = store_ack_why,
     .store = store_store_ack<local>},
    {.name = "listener.unix.<name>.mode",
     .type = ValueType::file_mode,
     .value_default = "0660",
     .summary = "Permissions of the socket file, in octal.",
     .why = "The owner and the group of the program.",
     .store = into_listener<local, &UnixListener::mode>},
};

}  // namespace

std::span<const Key> listener_keys() {
    return keys;
}

}  // namespace gw::config
