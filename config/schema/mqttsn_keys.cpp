#include "config/schema/bind.hpp"
#include "config/schema/schema.hpp"
#include "config/schema/udp_blocks.hpp"

#include <charconv>
#include <iterator>
#include <vector>

namespace gw::config {

using bind::find_or_add;
using bind::into;
using bind::into_limits;
using bind::into_listener;

namespace {

constexpr auto listeners = &Config::mqttsn_listeners;
constexpr auto shared = &Config::mqttsn;

void store_address(Config& config, const Placeholders& where, const Value& value) {
    find_or_add(config.*listeners, where.name).address = value.address;
}

void store_multicast(Config& config, const Placeholders& where, const Value& value) {
    find_or_add(config.*listeners, where.name).multicast = value.address;
}

void store_predefined(Config& config, const Placeholders& where, const Value& value) {
    config.mqttsn.predefined_topics[static_cast<std::uint16_t>(where.number)] = value.text;
}

void store_sleep_rule(Config& config, const Placeholders& where, const Value& value) {
    config.mqttsn.sleep_rules[where.number] = value.text;
}

void store_address_change(Config& config, const Placeholders&, const Value& value) {
    config.mqttsn.follows_proven_clients = value.number != 0;
}

constexpr Key listener_keys[] = {
    {.name = "listener.mqttsn.<name>",
     .type = ValueType::listen_address,
     .summary = "A UDP listener for MQTT-SN 1.2: the address and port to listen at. A bare port "
                "means 0.0.0.0; port 0 takes a free one, which `mangrove status` shows. EMQ and "
                "most clients use 1884.",
     .why = "None: whoever has no sensors opens no port for them.",
     .emq = "mqtt.sn.port, read as listener.mqttsn.external.",
     .store = store_address,
     .names_instance = true},
    {.name = "listener.mqttsn.<name>.max_clients",
     .type = ValueType::integer,
     .unit = "clients",
     .value_default = "0",
     .value_max = "16777216",
     .on_reload = Reload::new_connections,
     .summary = "Clients of this listener, asleep or not; CONNECT beyond it is answered with "
                "'congestion'. 0: no limit of its own.",
     .why = "A client over UDP takes no descriptor; mqtt.session.max_count bounds sessions.",
     .store = into_limits<listeners, &ListenerLimits::client_count_max>},
    {.name = "listener.mqttsn.<name>.max_conn_rate",
     .type = ValueType::integer,
     .unit = "clients/s",
     .value_default = "0",
     .value_max = "1000000",
     .on_reload = Reload::new_connections,
     .summary = "CONNECT a second, of all workers together; further ones are answered with "
                "'congestion'. 0: no limit.",
     .why = "After an outage everybody comes at once; whoever has slow authentication sets it.",
     .store = into_limits<listeners, &ListenerLimits::connect_rate_max>},
    {.name = "listener.mqttsn.<name>.max_packet_size",
     .type = ValueType::byte_size,
     .value_default = "65507",
     .value_min = "64",
     .value_max = "65507",
     .summary = "The longest datagram that is taken or sent. A message that would need a longer "
                "one is not delivered to the client, and counted.",
     .why = "What UDP can carry; radio networks carry far less, and have no fragments.",
     .store = into_listener<listeners, &MqttSnListener::datagram_bytes_max>},
    {.name = "listener.mqttsn.<name>.multicast",
     .type = ValueType::listen_address,
     .summary = "Multicast group and port by which clients find the gateway: ADVERTISE and GWINFO "
                "are sent there, SEARCHGW is heard there. Without it SEARCHGW is answered where "
                "it comes to the listener itself, and nothing is announced.",
     .why = "Nothing is sent to a network that nobody has asked for.",
     .emq = "2.3 sent ADVERTISE to the broadcast address, port 1884.",
     .store = store_multicast,
     .optional = true},
    {.name = "listener.mqttsn.<name>.multicast_interface",
     .type = ValueType::text,
     .value_max = "15",
     .summary = "Network interface of the group, by name. Empty: the system's choice.",
     .why = "Machines with one network need not say it.",
     .store = into_listener<listeners, &MqttSnListener::multicast_interface>},
    {.name = "listener.mqttsn.<name>.multicast_ttl",
     .type = ValueType::integer,
     .unit = "hops",
     .value_default = "1",
     .value_max = "255",
     .summary = "How far what is sent to the group may travel; a smaller radius in SEARCHGW "
                "counts.",
     .why = "A gateway is for its own network.",
     .store = into_listener<listeners, &MqttSnListener::multicast_hop_count_max>},
};

constexpr Key dtls_key{
    .name = "listener.mqttsn.<name>.dtls",
    .type = ValueType::flag,
    .value_default = "off",
    .summary =
        "Whether the listener speaks DTLS 1.2, and nothing else. Needs .certfile and "
        ".keyfile, or .psk_file, or both.",
    .why = "Radio links have their own keys; a link over the internet has none.",
    .store = blocks::into_dtls<listeners, &Dtls::enabled>};

constexpr Key shared_keys[] = {
    {.name = "mqtt.sn.gateway_id",
     .type = ValueType::integer,
     .value_default = "1",
     .value_max = "255",
     .on_reload = Reload::live,
     .summary = "The number by which ADVERTISE and GWINFO name this gateway.",
     .why = "EMQ's; each gateway of a network needs its own.",
     .store = into<shared, &MqttSn::gateway_id>},
    {.name = "mqtt.sn.advertise_duration",
     .type = ValueType::seconds,
     .value_default = "15m",
     .value_max = "65535s",
     .on_reload = Reload::live,
     .summary = "Time between two ADVERTISE messages, where a listener has a multicast group. 0: "
                "none are sent.",
     .why = "The specification wants more than 15 minutes, to save bandwidth.",
     .emq = "A number of seconds, 900.",
     .store = into<shared, &MqttSn::advertise_interval>},
    {.name = "mqtt.sn.retry_interval",
     .type = ValueType::duration,
     .value_default = "10s",
     .value_min = "100ms",
     .value_max = "10m",
     .on_reload = Reload::live,
     .summary =
         "T_retry: how long the gateway waits for an answer before it sends a message again.",
     .why = "The specification wants 10 to 15 seconds.",
     .store = into<shared, &MqttSn::retry_interval>},
    {.name = "mqtt.sn.retry_count",
     .type = ValueType::integer,
     .value_default = "5",
     .value_min = "1",
     .value_max = "100",
     .on_reload = Reload::live,
     .summary = "N_retry: how often it is sent again. A client that then has not answered is lost; "
                "one that is awake for its messages is taken to sleep again, and they wait.",
     .why = "The specification wants 3 to 5.",
     .store = into<shared, &MqttSn::retry_count_max>},
    {.name = "mqtt.sn.retry_backoff",
     .type = ValueType::real,
     .value_default = "1.5",
     .value_min = "1",
     .value_max = "4",
     .on_reload = Reload::live,
     .summary = "Each wait is this times the one before.",
     .why = "A link that is full is not helped by the same again at the same pace.",
     .store = into<shared, &MqttSn::retry_backoff>},
    {.name = "mqtt.sn.max_topics",
     .type = ValueType::integer,
     .unit = "topics",
     .value_default = "1000",
     .value_min = "1",
     .value_max = "65534",
     .on_reload = Reload::live,
     .summary = "Topic ids of one client, registered by it or for it, with 256 bytes of topic name "
                "for each on average; REGISTER beyond it is answered with 'congestion', messages "
                "of further topics are not delivered.",
     .why = "Ids are kept with the session for as long as it lives.",
     .store = into<shared, &MqttSn::topic_count_max>},
    {.name = "mqtt.sn.enable_qos3",
     .type = ValueType::flag,
     .value_default = "off",
     .on_reload = Reload::live,
     .summary = "Whether clients that are not connected may publish: QoS -1, by predefined ids and "
                "short names. They act as mqtt.sn.qos3_username.",
     .why = "Whoever can send a datagram could publish; such messages are not acknowledged.",
     .emq = "Such messages went past login and access rules.",
     .store = into<shared, &MqttSn::connectionless_publish>},
    {.name = "mqtt.sn.qos3_username",
     .type = ValueType::text,
     .value_max = "65535",
     .on_reload = Reload::live,
     .summary = "As whom messages at QoS -1 are published: the name that access rules see; the "
                "client id is mqtt-sn-connectionless. Empty: anonymous, which the listener must "
                "allow.",
     .why = "Rules for such messages can be told from those for clients.",
     .store = into<shared, &MqttSn::connectionless_username>},
    {.name = "mqtt.sn.predefined.topic.<N>",
     .type = ValueType::text,
     .value_min = "1",
     .value_max = "65535",
     .on_reload = Reload::new_connections,
     .summary = "The topic whose predefined id is N, 1 to 65534, for all clients.",
     .why = "EMQ's; ids of single clients stand in mqtt.sn.predefined_file.",
     .store = store_predefined,
     .optional = true},
    {.name = "mqtt.sn.predefined_file",
     .type = ValueType::text,
     .value_max = "4096",
     .on_reload = Reload::new_connections,
     .summary = "Predefined topics in a file: a line `client-id id topic` for each, separated by "
                "spaces or tabs; the client id * stands for all clients. Empty: none.",
     .why = "Fleets have more of them than a configuration should hold.",
     .store = into<shared, &MqttSn::predefined_file>},
    {.name = "mqtt.sn.sleep.keep.<N>",
     .type = ValueType::text,
     .value_max = "65535",
     .on_reload = Reload::live,
     .summary = "How many messages of a topic wait for a client that sleeps: a topic filter, and "
                "`all`, `last` (the newest), or a number (so many of the newest). The first rule "
                "that matches, by ascending N, decides; without one, all wait.",
     .why = "A sensor that wakes once an hour wants the set point, not its history.",
     .store = store_sleep_rule,
     .optional = true},
    {.name = "mqtt.sn.address_change",
     .type = ValueType::word,
     .value_default = "connect",
     .words = "connect|proven",
     .on_reload = Reload::live,
     .summary = "How a client goes on at another address. connect: by CONNECT, or by PINGREQ with "
                "its client id. proven: also by any other message, when DTLS, or a login by its "
                "IP address, tells without doubt which client it is.",
     .why = "A device behind a NAT need not know that its address has changed; but the IP address "
            "alone proves little.",
     .store = store_address_change},
    {.name = "mqtt.sn.username",
     .type = ValueType::text,
     .value_max = "65535",
     .on_reload = Reload::new_connections,
     .summary = "The user name that clients show without DTLS, since MQTT-SN 1.2 has none. Empty: "
                "none.",
     .why = "EMQ's; with it one login can stand for a closed network of sensors.",
     .store = into<shared, &MqttSn::username>},
    {.name = "mqtt.sn.password",
     .type = ValueType::text,
     .value_max = "65535",
     .on_reload = Reload::new_connections,
     .summary = "The password beside mqtt.sn.username. Empty: none.",
     .why = "EMQ's.",
     .store = into<shared, &MqttSn::password>,
     .is_secret = true},
};

std::vector<Key> all_keys() {
    std::vector<Key> all;
    const auto add = [&all](const auto& keys) {
        all.insert(all.end(), std::begin(keys), std::end(keys));
    };
    add(listener_keys);
    add(udp_option_keys<"listener.mqttsn.<name>", listeners>);
    all.push_back(dtls_key);
    add(dtls_option_keys<"listener.mqttsn.<name>", listeners>);
    add(shared_keys);
    return all;
}

}  // namespace

std::optional<SleepRule> parse_sleep_rule(std::string_view text) {
    const std::size_t space = text.find_last_of(" \t");
    if (space == std::string_view::npos || space == 0) {
        return std::nullopt;
    }
    const std::string_view amount = text.substr(space + 1);
    SleepRule rule;
    rule.filter = text.substr(0, text.find_last_not_of(" \t", space) + 1);
    if (amount == "last") {
        rule.count_max = 1;
    } else if (amount != "all") {
        const char* const end = amount.data() + amount.size();
        const auto [stop, failure] = std::from_chars(amount.data(), end, rule.count_max);
        if (failure != std::errc{} || stop != end || rule.count_max == 0) {
            return std::nullopt;
        }
    }
    return rule;
}

std::span<const Key> mqttsn_keys() {
    static const std::vector<Key> keys = all_keys();
    return keys;
}

}  // namespace gw::config
