#include "config/schema/listener_blocks.hpp"
#include "config/schema/proxy_block.hpp"
#include "config/schema/schema.hpp"
#include "config/schema/tls_block.hpp"

#include <vector>

namespace gw::config {

using bind::into;

namespace {

constexpr auto plain = &Config::stomp_listeners;
constexpr auto secure = &Config::stomps_listeners;

constexpr Key plain_key{
    .name = "listener.stomp.<name>",
    .type = ValueType::listen_address,
    .summary =
        "A TCP listener for STOMP 1.0, 1.1 and 1.2: the address and port to listen at. A "
        "bare port means 0.0.0.0; port 0 takes a free one, which `mangrove status` shows.",
    .why = "None is there unless it is named; 61613 is the port that STOMP clients expect.",
    .emq = "2.0 had a single one, stomp.listener; it is read as listener.stomp.external.",
    .store = blocks::store_address<plain>,
    .names_instance = true};

constexpr Key secure_key{.name = "listener.stomps.<name>",
                         .type = ValueType::listen_address,
                         .summary =
                             "A listener for STOMP over TLS: the address and port to listen at, as "
                             "listener.stomp.<name>; the usual port is 61614.",
                         .why = "It needs a certificate.",
                         .store = blocks::store_address<secure>,
                         .names_instance = true};

constexpr Key stomp_option_keys[] = {
    {.name = "stomp.frame.max_headers",
     .type = ValueType::integer,
     .unit = "headers",
     .value_default = "50",
     .value_min = "10",
     .value_max = "1000",
     .on_reload = Reload::new_connections,
     .summary = "Headers of one frame; the first one too many ends the connection with an ERROR.",
     .why = "Applications have a dozen; whoever sends thousands wants to keep the server busy.",
     .emq = "10, and never checked.",
     .store = into<&Config::stomp, &Stomp::header_count_max>},
    {.name = "stomp.frame.max_header_length",
     .type = ValueType::byte_size,
     .value_default = "8KB",
     .value_min = "256",
     .value_max = "65535",
     .on_reload = Reload::new_connections,
     .summary = "The longest line of a frame's head: a header's name, colon and value.",
     .why = "Tokens in the passcode header have some kilobytes; MQTT ends at 65,535.",
     .emq = "1024, and never checked.",
     .store = into<&Config::stomp, &Stomp::line_bytes_max>},
    {.name = "stomp.frame.max_body_length",
     .type = ValueType::byte_size,
     .value_default = "1MB",
     .value_min = "1KB",
     .value_max = "256MB",
     .on_reload = Reload::new_connections,
     .summary = "The largest body; a content-length above it ends the connection at once, and a "
                "body without one as soon as it is longer.",
     .why = "As mqtt.max_packet_size.",
     .emq = "8192, and never checked.",
     .store = into<&Config::stomp, &Stomp::body_bytes_max>},
    {.name = "stomp.heartbeat.min",
     .type = ValueType::duration,
     .value_default = "1s",
     .value_max = "1h",
     .on_reload = Reload::new_connections,
     .summary = "The shortest interval of heart-beats, both ways: offered to clients, and asked of "
                "them. A client that offered heart-beats and is silent for twice the common "
                "interval is closed. 0: none.",
     .why = "Faster ones cost more than the messages; slower ones are the client's to ask for.",
     .emq = "The client's wish was echoed, 1 ms as well.",
     .store = into<&Config::stomp, &Stomp::heart_beat_min>},
    {.name = "stomp.max_unacked",
     .type = ValueType::integer,
     .unit = "messages",
     .value_default = "1000",
     .value_min = "1",
     .value_max = "50000",
     .on_reload = Reload::new_connections,
     .summary = "Messages that one client has got and not acknowledged; further ones wait in its "
                "queue.",
     .why = "More than mqtt.session.max_inflight, since with ack:client one ACK is meant to stand "
            "for many messages.",
     .store = into<&Config::stomp, &Stomp::unacked_count_max>},
    {.name = "stomp.max_subscriptions",
     .type = ValueType::integer,
     .value_default = "10000",
     .value_min = "0",
     .value_max = "1000000",
     .on_reload = Reload::new_connections,
     .summary = "Subscription ids of one STOMP connection; one more is answered with ERROR. 0: any "
                "number.",
     .why = "Several ids may have one destination, and each gets a MESSAGE of its own.",
     .store = into<&Config::stomp, &Stomp::subscription_count_max>},
    {.name = "stomp.destination.alias",
     .type = ValueType::text,
     .value_max = "256",
     .on_reload = Reload::new_connections,
     .summary = "A prefix that is taken off the destinations of SEND and SUBSCRIBE and off "
                "reply-to: with `/topic/`, `/topic/a/b` is the topic `a/b`. Destinations without "
                "it are topics as they are. Empty: none.",
     .why = "A destination is a topic; clients written for other servers bring a prefix.",
     .store = into<&Config::stomp, &Stomp::destination_alias>},
    {.name = "stomp.transaction.max_open",
     .type = ValueType::integer,
     .unit = "transactions",
     .value_default = "16",
     .value_min = "1",
     .value_max = "1000",
     .on_reload = Reload::new_connections,
     .summary = "Open transactions of one connection.",
     .why = "One is common; each costs memory until it ends.",
     .store = into<&Config::stomp, &Stomp::transaction_count_max>},
    {.name = "stomp.transaction.max_frames",
     .type = ValueType::integer,
     .unit = "frames",
     .value_default = "10000",
     .value_min = "1",
     .value_max = "1000000",
     .on_reload = Reload::new_connections,
     .summary = "SEND, ACK and NACK frames in all open transactions of one connection.",
     .why = "COMMIT takes effect in one piece, during which others wait.",
     .store = into<&Config::stomp, &Stomp::transaction_frame_count_max>},
    {.name = "stomp.transaction.max_bytes",
     .type = ValueType::byte_size,
     .value_default = "8MB",
     .value_min = "1KB",
     .value_max = "1GB",
     .on_reload = Reload::new_connections,
     .summary = "Memory of all open transactions of one connection.",
     .why = "Several of the largest bodies; a thousand clients still fit into memory.",
     .store = into<&Config::stomp, &Stomp::transaction_bytes_max>},
    {.name = "stomp.transaction.timeout",
     .type = ValueType::duration,
     .value_default = "60s",
     .value_min = "1s",
     .value_max = "1h",
     .on_reload = Reload::new_connections,
     .summary = "How long a transaction may stay open; then the connection ends with an ERROR.",
     .why = "EMQ's. Nothing of a transaction counts before COMMIT, so nothing is lost unseen.",
     .store = into<&Config::stomp, &Stomp::transaction_timeout>},
};

std::vector<Key> all_keys() {
    std::vector<Key> all;
    const auto add = [&all](const auto& keys) {
        all.insert(all.end(), std::begin(keys), std::end(keys));
    };
    all.push_back(plain_key);
    add(listener_option_keys<"listener.stomp.<name>", plain>);
    add(tcp_option_keys<"listener.stomp.<name>", plain>);
    add(proxy_option_keys<"listener.stomp.<name>", plain>);
    all.push_back(secure_key);
    add(listener_option_keys<"listener.stomps.<name>", secure>);
    add(tcp_option_keys<"listener.stomps.<name>", secure>);
    add(tls_option_keys<"listener.stomps.<name>", secure>);
    add(proxy_option_keys<"listener.stomps.<name>", secure>);
    add(stomp_option_keys);
    return all;
}

}  // namespace

std::span<const Key> stomp_keys() {
    static const std::vector<Key> keys = all_keys();
    return keys;
}

}  // namespace gw::config
