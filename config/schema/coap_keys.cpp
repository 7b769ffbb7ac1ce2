#include "config/schema/bind.hpp"
#include "config/schema/schema.hpp"
#include "config/schema/udp_blocks.hpp"

#include <iterator>
#include <vector>

namespace gw::config {

using bind::find_or_add;
using bind::into;
using bind::into_limits;

namespace {

constexpr auto plain = &Config::coap_listeners;
constexpr auto secure = &Config::coaps_listeners;
constexpr auto shared = &Config::coap;

template <auto List>
void store_address(Config& config, const Placeholders& where, const Value& value) {
    CoapListener& listener = find_or_add(config.*List, where.name);
    listener.address = value.address;
    listener.dtls.enabled = List == secure;
}

template <Text Prefix, auto List>
constexpr Key max_clients_key{
    .name = joined<Prefix, ".max_clients">,
    .type = ValueType::integer,
    .unit = "clients",
    .value_default = "0",
    .value_max = "16777216",
    .on_reload = Reload::new_connections,
    .summary =
        "Clients of this listener; a request of a further one is answered with 5.03. 0: no "
        "limit of its own.",
    .why = "A client over UDP takes no descriptor; mqtt.session.max_count bounds sessions.",
    .store = into_limits<List, &ListenerLimits::client_count_max>};

constexpr Key address_keys[] = {
    {.name = "listener.coap.<name>",
     .type = ValueType::listen_address,
     .summary = "A UDP listener for CoAP: the address and port to listen at. A bare port means "
                "0.0.0.0; port 0 takes a free one, which `mangrove status` shows. The standard "
                "port is 5683.",
     .why = "None: whoever has no such devices opens no port for them.",
     .emq = "coap.port or coap.server, read as listener.coap.external.",
     .store = store_address<plain>,
     .names_instance = true},
    {.name = "listener.coaps.<name>",
     .type = ValueType::listen_address,
     .summary = "As listener.coap.<name>, for CoAP over DTLS 1.2. The standard port is 5684.",
     .why = "It needs keys.",
     .emq = "EMQ 2.3 opened 5684 when coap.certfile and coap.keyfile were given.",
     .store = store_address<secure>,
     .names_instance = true},
};

constexpr Key shared_keys[] = {
    {.name = "coap.keepalive",
     .type = ValueType::seconds,
     .value_default = "2m",
     .value_min = "1s",
     .value_max = "7d",
     .on_reload = Reload::live,
     .summary = "How long a client that observes nothing may be silent before its session ends, "
                "or, with a connection, before it is taken to be gone (after 1.5 times this, or "
                "what it has asked for).",
     .why = "EMQ's; a device that only publishes needs no session between two messages.",
     .emq = "120 seconds; observers were dropped as well.",
     .store = into<shared, &Coap::idle_time>},
    {.name = "coap.ack_timeout",
     .type = ValueType::duration,
     .value_default = "2s",
     .value_min = "10ms",
     .value_max = "10m",
     .on_reload = Reload::live,
     .summary = "ACK_TIMEOUT: how long the gateway waits for an acknowledgement before it sends a "
                "message again; times 1 to 1.5, and twice as long each further time.",
     .why = "RFC 7252, 4.8. Networks that are slower need more.",
     .store = into<shared, &Coap::ack_timeout>},
    {.name = "coap.max_retransmit",
     .type = ValueType::integer,
     .value_default = "4",
     .value_max = "20",
     .on_reload = Reload::live,
     .summary = "MAX_RETRANSMIT: how often it is sent again. An observer that then has not "
                "answered is no observer any more; what is for a client with a connection waits.",
     .why = "RFC 7252, 4.8.",
     .store = into<shared, &Coap::retransmit_count_max>},
    {.name = "coap.piggyback_time",
     .type = ValueType::duration,
     .value_default = "500ms",
     .value_min = "1ms",
     .value_max = "30s",
     .on_reload = Reload::live,
     .summary = "An answer that is there within this time rides on the acknowledgement; else the "
                "request is acknowledged first, and the answer follows by itself.",
     .why = "Well below ACK_TIMEOUT, so that the client need not send again.",
     .emq = "1 second.",
     .store = into<shared, &Coap::piggyback_time>},
    {.name = "coap.block_size",
     .type = ValueType::integer,
     .unit = "bytes",
     .value_default = "1024",
     .value_min = "16",
     .value_max = "1024",
     .on_reload = Reload::live,
     .summary = "The largest block of a body that goes in blocks; rounded down to a power of two. "
                "Clients may ask for smaller ones.",
     .why = "What fits into a frame of most networks; 64 suits 6LoWPAN.",
     .emq = "There were no blocks: 512 bytes were the end.",
     .store = into<shared, &Coap::block_bytes>},
    {.name = "coap.observe_confirm",
     .type = ValueType::duration,
     .value_default = "1h",
     .value_min = "1s",
     .value_max = "1d",
     .on_reload = Reload::live,
     .summary = "How often an observer is asked, by a confirmable notification or a ping, whether "
                "it still is there.",
     .why = "RFC 7641, 4.5, wants it once a day; a peer that has vanished costs memory and "
            "datagrams for so long.",
     .store = into<shared, &Coap::confirm_interval>},
    {.name = "coap.max_observations",
     .type = ValueType::integer,
     .unit = "observations",
     .value_default = "10000",
     .value_min = "1",
     .value_max = "16777216",
     .on_reload = Reload::live,
     .summary = "Observations of one client, and of all clients at one address and port; a request "
                "beyond it is answered without becoming one.",
     .why = "A proxy observes for many; nobody else comes near.",
     .store = into<shared, &Coap::observation_count_max>},
    {.name = "coap.max_uploads",
     .type = ValueType::byte_size,
     .value_default = "64MB",
     .value_min = "64KB",
     .value_max = "16GB",
     .on_reload = Reload::live,
     .summary = "Bytes of bodies that come in blocks and are not complete, of one worker; a block "
                "beyond it is answered with 5.03. mqtt.max_packet_size bounds each.",
     .why = "Whoever sends first blocks only must not fill the memory.",
     .store = into<shared, &Coap::upload_bytes_max>},
    {.name = "coap.echo",
     .type = ValueType::word,
     .value_default = "never",
     .words = "never|large|always",
     .on_reload = Reload::live,
     .summary = "When a client without DTLS must show, by repeating an Echo option, that it "
                "receives at its address. large: before it observes, moves a connection, or gets "
                "an answer more than three times as long as its request. always: before anything.",
     .why = "Not every client knows the option; on an open network `large` keeps the gateway "
            "from being used against others.",
     .store = into<shared, &Coap::echo>},
    {.name = "coap.created",
     .type = ValueType::flag,
     .value_default = "off",
     .on_reload = Reload::live,
     .summary = "Whether a topic's first retained message is answered with 2.01 Created, and not "
                "with 2.04 Changed.",
     .why = "It costs a look-up for each such message.",
     .store = into<shared, &Coap::tells_created>},
    {.name = "coap.list_topics",
     .type = ValueType::flag,
     .value_default = "off",
     .on_reload = Reload::live,
     .summary = "Whether /.well-known/core lists the topics that have a retained message, as far "
                "as the client may read them: `count` (100) on a page, `page` from 0.",
     .why = "Names of topics may tell what is nobody's business.",
     .store = into<shared, &Coap::lists_topics>},
};

std::vector<Key> all_keys() {
    std::vector<Key> all;
    const auto add = [&all](const auto& keys) {
        all.insert(all.end(), std::begin(keys), std::end(keys));
    };
    all.push_back(address_keys[0]);
    all.push_back(max_clients_key<"listener.coap.<name>", plain>);
    add(udp_option_keys<"listener.coap.<name>", plain>);
    all.push_back(address_keys[1]);
    all.push_back(max_clients_key<"listener.coaps.<name>", secure>);
    add(udp_option_keys<"listener.coaps.<name>", secure>);
    add(dtls_option_keys<"listener.coaps.<name>", secure>);
    add(shared_keys);
    return all;
}

}  // namespace

std::span<const Key> coap_keys() {
    static const std::vector<Key> keys = all_keys();
    return keys;
}

}  // namespace gw::config
