#pragma once

#include "config/schema/listener_blocks.hpp"

#include <array>
#include <type_traits>
#include <utility>

/// Keys that listeners on UDP ports share, whatever they speak.
namespace gw::config {

namespace blocks {

/// The kind of listener that a list in Config has.
template <auto List>
using ListenerOf =
    typename std::remove_reference_t<decltype(std::declval<Config&>().*List)>::value_type;

/// Into a member of the listener's DTLS settings.
template <auto List, auto Member>
void into_dtls(Config& config, const Placeholders& where, const Value& value) {
    bind::assign(bind::find_or_add(config.*List, where.name).dtls.*Member, value);
}

}  // namespace blocks

/// Options of every listener on a UDP port; how many clients it may have is told by each protocol
/// in its own way.
template <Text Prefix, auto List>
inline constexpr std::array udp_option_keys{
    Key{.name = joined<Prefix, ".mountpoint">,
        .type = ValueType::text,
        .value_max = "1024",
        .on_reload = Reload::new_connections,
        .summary = "Put before every topic and filter of this listener's clients, and taken off "
                   "what they receive. Empty: none.",
        .why = "One tree for all is what MQTT describes.",
        .store = bind::into_limits<List, &ListenerLimits::mountpoint>},
    Key{.name = joined<Prefix, ".access.<N>">,
        .type = ValueType::access_rule,
        .on_reload = Reload::new_connections,
        .summary = "Whose datagrams are read: `allow` or `deny`, and a CIDR range or `all`. The "
                   "first rule that matches, by ascending N, decides; an address that no rule "
                   "matches is let in. Others get no answer.",
        .why = "End the rules with `deny all` for a list of those allowed.",
        .store = blocks::store_rule<List>,
        .optional = true},
    Key{.name = joined<Prefix, ".allow_anonymous">,
        .type = ValueType::word,
        .value_default = "inherit",
        .words = "false|true|local|inherit",
        .synonyms = "off=false|on=true",
        .on_reload = Reload::new_connections,
        .summary = "As allow_anonymous, for this listener alone; inherit: what allow_anonymous "
                   "says.",
        .why = "One listener for devices with credentials, another for a closed network without: "
               "without DTLS most small devices prove nothing.",
        .store = blocks::store_anonymous<List>},
    Key{.name = joined<Prefix, ".store_ack">,
        .type = ValueType::word,
        .value_default = "inherit",
        .words = "memory|local|inherit",
        .on_reload = Reload::new_connections,
        .summary = "As store.ack, for the publishers of this listener alone; inherit: what "
                   "store.ack says.",
        .why = "Telemetry that is stale in a second may go by one listener, orders by another.",
        .store = blocks::store_store_ack<List>},
    Key{.name = joined<Prefix, ".recbuf">,
        .type = ValueType::byte_size,
        .value_default = "4MB",
        .value_max = "256MB",
        .summary = "Receive buffer of each worker's socket (SO_RCVBUF); 0: the system's choice. "
                   "Without the privilege to exceed it, net.core.rmem_max is the limit.",
        .why = "All clients share the buffer; what finds it full is lost and sent again.",
        .store = bind::into_listener<List, &blocks::ListenerOf<List>::receive_buffer_bytes>},
    Key{.name = joined<Prefix, ".sndbuf">,
        .type = ValueType::byte_size,
        .value_default = "4MB",
        .value_max = "256MB",
        .summary = "Send buffer of each worker's socket (SO_SNDBUF); 0: the system's choice.",
        .why = "As the receive buffer.",
        .store = bind::into_listener<List, &blocks::ListenerOf<List>::send_buffer_bytes>},
};

/// Options of listeners that speak DTLS 1.2.
template <Text Prefix, auto List>
inline constexpr std::array dtls_option_keys{
    Key{.name = joined<Prefix, ".certfile">,
        .type = ValueType::text,
        .value_max = "4096",
        .summary =
            "The server's certificate, with the chain up to its authority, in PEM. DTLS needs "
            "this and .keyfile, or .psk_file, or all.",
        .why = "There is no certificate that everybody would trust.",
        .store = blocks::into_dtls<List, &Dtls::certificate_file>,
        .optional = true},
    Key{.name = joined<Prefix, ".keyfile">,
        .type = ValueType::text,
        .value_max = "4096",
        .summary = "The private key of the certificate, in PEM.",
        .why = "It belongs to the certificate.",
        .store = blocks::into_dtls<List, &Dtls::key_file>,
        .optional = true},
    Key{.name = joined<Prefix, ".cacertfile">,
        .type = ValueType::text,
        .value_max = "4096",
        .summary = "Whose client certificates count, in PEM. Without it clients are not asked for "
                   "one.",
        .why = "Most small devices have a pre-shared key, or nothing.",
        .store = blocks::into_dtls<List, &Dtls::ca_file>,
        .optional = true},
    Key{.name = joined<Prefix, ".fail_if_no_peer_cert">,
        .type = ValueType::flag,
        .summary = "Whether a client is refused that shows neither a certificate nor a pre-shared "
                   "key. Without a value: it is, where .cacertfile says whose count.",
        .why = "Who says whose certificates count means it, as with TLS.",
        .store = blocks::into_dtls<List, &Dtls::requires_certificate>,
        .optional = true},
    Key{.name = joined<Prefix, ".psk_file">,
        .type = ValueType::text,
        .value_max = "4096",
        .summary = "Pre-shared keys: a file with a line `identity:key` for each, the key in hex. "
                   "Read again at a reload. A client is the user that its identity names, unless "
                   "it names one itself.",
        .why = "The format that mosquitto has for them.",
        .store = blocks::into_dtls<List, &Dtls::psk_file>,
        .optional = true},
    Key{.name = joined<Prefix, ".ciphers">,
        .type = ValueType::text,
        .value_max = "4096",
        .summary = "Cipher suites of DTLS 1.2, in OpenSSL's notation. Empty: AEAD suites, those "
                   "with forward secrecy first, then those of pre-shared keys.",
        .why = "What is left out is broken, or has no authenticated encryption.",
        .store = blocks::into_dtls<List, &Dtls::ciphers>},
    Key{.name = joined<Prefix, ".handshake_timeout">,
        .type = ValueType::duration,
        .value_default = "30s",
        .value_min = "1s",
        .value_max = "10m",
        .summary = "How long a DTLS handshake may take.",
        .why = "Slow radio links with retransmissions need tens of seconds.",
        .store = blocks::into_dtls<List, &Dtls::handshake_timeout>},
};

}  // namespace gw::config
