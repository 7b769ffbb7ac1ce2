#include "config/schema/bind.hpp"
#include "config/schema/schema.hpp"

namespace gw::config {

using bind::assign;
using bind::find_or_add;
using bind::into;
using bind::into_limits;
using bind::into_listener;

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

template <auto List>
void store_rule(Config& config, const Placeholders& where, const Value& value) {
    // The loader applies rules in ascending order of <N>, so appending keeps them ordered.
    find_or_add(config.*List, where.name).access.push_back(value.rule);
}

template <auto List>
void store_anonymous(Config& config, const Placeholders& where, const Value& value) {
    constexpr auto inherit = static_cast<std::int64_t>(Anonymous::local) + 1;
    auto& place = find_or_add(config.*List, where.name).limits.allow_anonymous;
    place.reset();
    if (value.number != inherit) {
        place = static_cast<Anonymous>(value.number);
    }
}

template <auto List>
void store_store_ack(Config& config, const Placeholders& where, const Value& value) {
    auto& place = find_or_add(config.*List, where.name).limits.store_ack;
    place.reset();
    if (value.number < 2) {
        place = static_cast<StoreAck>(value.number);
    }
}

/// Into a member of the listener's DTLS settings.
template <auto Member>
void into_dtls(Config& config, const Placeholders& where, const Value& value) {
    assign(find_or_add(config.*secure, where.name).dtls.*Member, value);
}

constexpr std::string_view max_clients_summary =
    "Clients of this listener; a request of a further one is answered with 5.03. 0: no limit of "
    "its own.";
constexpr std::string_view max_clients_why =
    "A client over UDP takes no descriptor; mqtt.session.max_count bounds sessions.";
constexpr std::string_view mountpoint_summary =
    "Put before every topic and filter of this listener's clients, and taken off what they "
    "receive. Empty: none.";
constexpr std::string_view mountpoint_why = "One tree for all is what MQTT describes.";
constexpr std::string_view access_summary =
    "Whose datagrams are read: `allow` or `deny`, and a CIDR range or `all`. The first rule that "
    "matches, by ascending N, decides; an address that no rule matches is let in. Others get no "
    "answer.";
constexpr std::string_view access_why =
    "End the rules with `deny all` for a list of those allowed.";
constexpr std::string_view anonymous_summary =
    "As allow_anonymous, for this listener alone; inherit: what allow_anonymous says.";
constexpr std::string_view anonymous_why =
    "One listener for devices with credentials, another for a closed network without.";
constexpr std::string_view store_ack_summary =
    "As store.ack, for the publishers of this listener alone; inherit: what store.ack says.";
constexpr std::string_view store_ack_why =
    "Telemetry that is stale in a second may go by one listener, orders by another.";
constexpr std::string_view recbuf_summary =
    "Receive buffer of each worker's socket (SO_RCVBUF); 0: the system's choice. Without the "
    "privilege to exceed it, net.core.rmem_max is the limit.";
constexpr std::string_view sndbuf_summary =
    "Send buffer of each worker's socket (SO_SNDBUF); 0: the system's choice.";
constexpr std::string_view buffer_why =
    "All clients share the buffer; what finds it full is lost and sent again.";

constexpr Key keys[] = {
    {.name = "listener.coap.<name>",
     .type = ValueType::listen_address,
     .summary = "A UDP listener for CoAP: the address and port to listen at. A bare port means "
                "0.0.0.0; port 0 takes a free one, which `mangrove status` shows. The standard "
                "port is 5683.",
     .why = "None: whoever has no such devices opens no port for them.",
     .emq = "coap.port or coap.server, read as listener.coap.external.",
     .store = store_address<plain>,
     .names_instance = true},
    {.name = "listener.coap.<name>.max_clients",
     .type = ValueType::integer,
     .unit = "clients",
     .value_default = "0",
     .value_max = "16777216",
     .on_reload = Reload::new_connections,
     .summary = max_clients_summary,
     .why = max_clients_why,
     .store = into_limits<plain, &ListenerLimits::client_count_max>},
    {.name = "listener.coap.<name>.mountpoint",
     .type = ValueType::text,
     .value_max = "1024",
     .on_reload = Reload::new_connections,
     .summary = mountpoint_summary,
     .why = mountpoint_why,
     .store = into_limits<plain, &ListenerLimits::mountpoint>},
    {.name = "listener.coap.<name>.access.<N>",
     .type = ValueType::access_rule,
     .on_reload = Reload::new_connections,
     .summary = access_summary,
     .why = access_why,
     .store = store_rule<plain>,
     .optional = true},
    {.name = "listener.coap.<name>.allow_anonymous",
     .type = ValueType::word,
     .value_default = "inherit",
     .words = "false|true|local|inherit",
     .synonyms = "off=false|on=true",
     .on_reload = Reload::new_connections,
     .summary = anonymous_summary,
     .why = anonymous_why,
     .store = store_anonymous<plain>},
    {.name = "listener.coap.<name>.store_ack",
     .type = ValueType::word,
     .value_default = "inherit",
     .words = "memory|local|inherit",
     .on_reload = Reload::new_connections,
     .summary = store_ack_summary,
     .why = store_ack_why,
     .store = store_store_ack<plain>},
    {.name = "listener.coap.<name>.recbuf",
     .type = ValueType::byte_size,
     .value_default = "4MB",
     .value_max = "256MB",
     .summary = recbuf_summary,
     .why = buffer_why,
     .store = into_listener<plain, &CoapListener::receive_buffer_bytes>},
    {.name = "listener.coap.<name>.sndbuf",
     .type = ValueType::byte_size,
     .value_default = "4MB",
     .value_max = "256MB",
     .summary = sndbuf_summary,
     .why = buffer_why,
     .store = into_listener<plain, &CoapListener::send_buffer_bytes>},
    {.name = "listener.coaps.<name>",
     .type = ValueType::listen_address,
     .summary = "As listener.coap.<name>, for CoAP over DTLS 1.2. The standard port is 5684.",
     .why = "It needs keys.",
     .emq = "EMQ 2.3 opened 5684 when coap.certfile and coap.keyfile were given.",
     .store = store_address<secure>,
     .names_instance = true},
    {.name = "listener.coaps.<name>.max_clients",
     .type = ValueType::integer,
     .unit = "clients",
     .value_default = "0",
     .value_max = "16777216",
     .on_reload = Reload::new_connections,
     .summary = max_clients_summary,
     .why = max_clients_why,
     .store = into_limits<secure, &ListenerLimits::client_count_max>},
    {.name = "listener.coaps.<name>.mountpoint",
     .type = ValueType::text,
     .value_max = "1024",
     .on_reload = Reload::new_connections,
     .summary = mountpoint_summary,
     .why = mountpoint_why,
     .store = into_limits<secure, &ListenerLimits::mountpoint>},
    {.name = "listener.coaps.<name>.access.<N>",
     .type = ValueType::access_rule,
     .on_reload = Reload::new_connections,
     .summary = access_summary,
     .why = access_why,
     .store = store_rule<secure>,
     .optional = true},
    {.name = "listener.coaps.<name>.allow_anonymous",
     .type = ValueType::word,
     .value_default = "inherit",
     .words = "false|true|local|inherit",
     .synonyms = "off=false|on=true",
     .on_reload = Reload::new_connections,
     .summary = anonymous_summary,
     .why = anonymous_why,
     .store = store_anonymous<secure>},
    {.name = "listener.coaps.<name>.store_ack",
     .type = ValueType::word,
     .value_default = "inherit",
     .words = "memory|local|inherit",
     .on_reload = Reload::new_connections,
     .summary = store_ack_summary,
     .why = store_ack_why,
     .store = store_store_ack<secure>},
    {.name = "listener.coaps.<name>.recbuf",
     .type = ValueType::byte_size,
     .value_default = "4MB",
     .value_max = "256MB",
     .summary = recbuf_summary,
     .why = buffer_why,
     .store = into_listener<secure, &CoapListener::receive_buffer_bytes>},
    {.name = "listener.coaps.<name>.sndbuf",
     .type = ValueType::byte_size,
     .value_default = "4MB",
     .value_max = "256MB",
     .summary = sndbuf_summary,
     .why = buffer_why,
     .store = into_listener<secure, &CoapListener::send_buffer_bytes>},
    {.name = "listener.coaps.<name>.certfile",
     .type = ValueType::text,
     .value_max = "4096",
     .summary = "The server's certificate for DTLS, with the chain up to its authority, in PEM. "
                "This and .keyfile, or .psk_file, or all, must be given.",
     .why = "There is no certificate that everybody would trust.",
     .store = into_dtls<&Dtls::certificate_file>,
     .optional = true},
    {.name = "listener.coaps.<name>.keyfile",
     .type = ValueType::text,
     .value_max = "4096",
     .summary = "The private key of the certificate, in PEM.",
     .why = "See .certfile.",
     .store = into_dtls<&Dtls::key_file>,
     .optional = true},
    {.name = "listener.coaps.<name>.cacertfile",
     .type = ValueType::text,
     .value_max = "4096",
     .summary = "Whose client certificates count, in PEM. Without it clients are not asked for "
                "one.",
     .why = "Most devices have a pre-shared key, or nothing.",
     .store = into_dtls<&Dtls::ca_file>,
     .optional = true},
    {.name = "listener.coaps.<name>.fail_if_no_peer_cert",
     .type = ValueType::flag,
     .value_default = "off",
     .summary = "Whether a client without a certificate is refused.",
     .why = "It may have a pre-shared key, or a name that the login knows.",
     .store = into_dtls<&Dtls::requires_certificate>},
    {.name = "listener.coaps.<name>.psk_file",
     .type = ValueType::text,
     .value_max = "4096",
     .summary = "Pre-shared keys: a file with a line `identity:key` for each, the key in hex. "
                "Read again at a reload. A client is the user that its identity names, unless the "
                "request names one.",
     .why = "The format that mosquitto has for them.",
     .store = into_dtls<&Dtls::psk_file>,
     .optional = true},
    {.name = "listener.coaps.<name>.ciphers",
     .type = ValueType::text,
     .value_max = "4096",
     .summary = "Cipher suites of DTLS 1.2, in OpenSSL's notation. Empty: AEAD suites, those with "
                "forward secrecy first, then those of pre-shared keys.",
     .why = "What is left out is broken, or has no authenticated encryption.",
     .store = into_dtls<&Dtls::ciphers>},
    {.name = "listener.coaps.<name>.handshake_timeout",
     .type = ValueType::duration,
     .value_default = "30s",
     .value_min = "1s",
     .value_max = "10m",
     .summary = "How long a DTLS handshake may take.",
     .why = "Slow radio links with retransmissions need tens of seconds.",
     .store = into_dtls<&Dtls::handshake_timeout>},
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
     .summary = "Observations of one client; a request beyond it is answered without becoming "
                "one.",
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

}  // namespace

std::span<const Key> coap_keys() {
    return keys;
}

}  // namespace gw::config
