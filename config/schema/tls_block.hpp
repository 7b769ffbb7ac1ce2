#pragma once

#include "config/schema/listener_blocks.hpp"

/// The keys of listeners that speak TLS, for every kind of them: its type in Config has a member
/// `tls`.
namespace gw::config {

namespace blocks {

/// Into a member of the listener's Tls.
template <auto List, auto Member>
void into_tls(Config& config, const Placeholders& where, const Value& value) {
    bind::assign(bind::find_or_add(config.*List, where.name).tls.*Member, value);
}

template <auto List, auto Member>
void into_named_certificate(Config& config, const Placeholders& where, const Value& value) {
    auto& all = bind::find_or_add(config.*List, where.name).tls.named_certificates;
    const auto at = std::find_if(all.begin(), all.end(),
                                 [&](const auto& one) { return one.number == where.number; });
    auto& place = at != all.end() ? *at : all.emplace_back();
    place.number = where.number;
    place.*Member = value.text;
}

}  // namespace blocks

template <Text Prefix, auto List>
inline constexpr std::array tls_option_keys{
    Key{.name = joined<Prefix, ".certfile">,
        .on_reload = Reload::new_connections,
        .summary = "The listener's certificate in PEM, followed by those between it and the "
                   "authority that clients know. Read again at each reload.",
        .why = "There is no certificate that all could use: EMQ shipped one whose key everybody "
               "has.",
        .emq = "etc/certs/cert.pem.",
        .store = blocks::into_tls<List, &Tls::certificate_file>},
    Key{.name = joined<Prefix, ".keyfile">,
        .on_reload = Reload::new_connections,
        .summary = "The private key of certfile in PEM, without a password; readable by the "
                   "program alone.",
        .why = "See certfile.",
        .emq = "etc/certs/key.pem.",
        .store = blocks::into_tls<List, &Tls::key_file>},
    Key{.name = joined<Prefix, ".cacertfile">,
        .on_reload = Reload::new_connections,
        .summary = "Authorities whose certificates clients may show, in PEM. Needed with "
                   "verify_peer.",
        .why = "Whom to trust is for the operator to say: the system's authorities are not asked.",
        .emq = "etc/certs/cacert.pem.",
        .store = blocks::into_tls<List, &Tls::ca_file>},
    Key{.name = joined<Prefix, ".verify">,
        .type = ValueType::word,
        .value_default = "verify_none",
        .words = "verify_none|verify_peer",
        .on_reload = Reload::new_connections,
        .summary = "Whether clients are asked for a certificate, which cacertfile must vouch for.",
        .why = "Most clients prove themselves by a password, inside of TLS.",
        .store = blocks::into_tls<List, &Tls::verify>},
    Key{.name = joined<Prefix, ".fail_if_no_peer_cert">,
        .type = ValueType::flag,
        .value_default = "on",
        .on_reload = Reload::new_connections,
        .summary = "With verify_peer: whether a client without a certificate is refused.",
        .why = "Who asks for certificates means it.",
        .emq = "Off, unless the line of the shipped file was taken in.",
        .store = blocks::into_tls<List, &Tls::requires_certificate>},
    Key{.name = joined<Prefix, ".depth">,
        .type = ValueType::integer,
        .unit = "certificates",
        .value_default = "10",
        .value_max = "100",
        .on_reload = Reload::new_connections,
        .summary = "How many certificates may stand between a client's and an authority's.",
        .why = "More than any authority needs.",
        .store = blocks::into_tls<List, &Tls::verify_depth>},
    Key{.name = joined<Prefix, ".crlfile">,
        .on_reload = Reload::new_connections,
        .summary = "Revocation lists of the authorities, in PEM, one after the other. Clients "
                   "whose authority has none here are refused. Empty: nobody is revoked. Read "
                   "again at each reload.",
        .why = "Not every authority has one.",
        .store = blocks::into_tls<List, &Tls::crl_file>},
    Key{.name = joined<Prefix, ".crl_check">,
        .type = ValueType::word,
        .value_default = "leaf",
        .words = "leaf|chain",
        .on_reload = Reload::new_connections,
        .summary = "leaf: the client's own certificate must not be revoked; chain: nor any between "
                   "it and the authority, each of which then needs a list in crlfile.",
        .why = "Few authorities publish lists for what stands between.",
        .store = blocks::into_tls<List, &Tls::crl_check>},
    Key{.name = joined<Prefix, ".sni.<N>.certfile">,
        .type = ValueType::path,
        .on_reload = Reload::new_connections,
        .summary = "A further certificate, as certfile, for clients that ask for a server name "
                   "(SNI) that it is for; the first that fits, in order of <N>, is used. A name "
                   "that none is for gets certfile.",
        .why = "One listener may have many names.",
        .store = blocks::into_named_certificate<List, &Tls::NamedCertificate::certificate_file>,
        .optional = true},
    Key{.name = joined<Prefix, ".sni.<N>.keyfile">,
        .type = ValueType::path,
        .on_reload = Reload::new_connections,
        .summary = "The private key of that certificate.",
        .why = "See keyfile.",
        .store = blocks::into_named_certificate<List, &Tls::NamedCertificate::key_file>,
        .optional = true},
    Key{.name = joined<Prefix, ".psk_file">,
        .on_reload = Reload::new_connections,
        .summary = "Pre-shared keys, a line `identity:key` each, the key in hexadecimal, as "
                   "mosquitto has it. With it certfile may be left out. Read again at each reload.",
        .why = "For devices too small for certificates.",
        .store = blocks::into_tls<List, &Tls::psk_file>},
    Key{.name = joined<Prefix, ".psk_hint">,
        .value_max = "128",
        .on_reload = Reload::new_connections,
        .summary = "Told to TLS 1.2 clients that ask which pre-shared key to use; empty: nothing.",
        .why = "Hardly any client looks at it.",
        .store = blocks::into_tls<List, &Tls::psk_hint>},
    Key{.name = joined<Prefix, ".tls_versions">,
        .type = ValueType::word,
        .value_default = "tlsv1.3,tlsv1.2",
        .words = "tlsv1.3,tlsv1.2|tlsv1.3|tlsv1.2",
        .synonyms = "tlsv1.2,tlsv1.3=tlsv1.3,tlsv1.2|tlsv1.3, tlsv1.2=tlsv1.3,tlsv1.2|"
                    "tlsv1.2, tlsv1.3=tlsv1.3,tlsv1.2",
        .on_reload = Reload::new_connections,
        .summary = "Which versions of TLS are spoken.",
        .why = "Older ones are broken (RFC 8996) and not offered at all.",
        .emq = "tlsv1 and tlsv1.1 too.",
        .store = blocks::into_tls<List, &Tls::versions>},
    Key{.name = joined<Prefix, ".ciphers">,
        .value_max = "4096",
        .on_reload = Reload::new_connections,
        .summary = "Cipher suites by OpenSSL's names, separated by commas or colons, those of TLS "
                   "1.3 (TLS_...) among them. Empty: with forward secrecy and authenticated "
                   "encryption; with psk_file those for pre-shared keys too.",
        .why = "What every client of the last ten years has.",
        .emq = "Erlang's default, with CBC and without forward secrecy.",
        .store = blocks::into_tls<List, &Tls::ciphers>},
    Key{.name = joined<Prefix, ".groups">,
        .value_default = "X25519:P-256:P-384:P-521",
        .value_max = "1024",
        .on_reload = Reload::new_connections,
        .summary = "Groups of the key exchange by OpenSSL's names, the preferred first, separated "
                   "by colons.",
        .why = "The fast one first.",
        .store = blocks::into_tls<List, &Tls::groups>},
    Key{.name = joined<Prefix, ".honor_cipher_order">,
        .type = ValueType::flag,
        .value_default = "on",
        .on_reload = Reload::new_connections,
        .summary = "Whether the order of ciphers is the server's, not the client's. A client that "
                   "puts ChaCha20 first, having no AES hardware, gets it.",
        .why = "The server knows better which is fast and good.",
        .store = blocks::into_tls<List, &Tls::honors_cipher_order>},
    Key{.name = joined<Prefix, ".dhfile">,
        .on_reload = Reload::new_connections,
        .summary = "Diffie-Hellman parameters in PEM, for TLS 1.2 clients without elliptic curves. "
                   "Empty: there are none for them.",
        .why = "Elliptic curves are everywhere, and much faster.",
        .store = blocks::into_tls<List, &Tls::dh_file>},
    Key{.name = joined<Prefix, ".reuse_sessions">,
        .type = ValueType::flag,
        .value_default = "on",
        .on_reload = Reload::new_connections,
        .summary = "Whether a client that comes back may resume its session by a ticket, which "
                   "saves the costly part of a handshake. Good for four to eight hours, and only "
                   "as long as cacertfile, crlfile, psk_file and verify say the same.",
        .why = "After an outage everybody comes at once.",
        .store = blocks::into_tls<List, &Tls::resumes_sessions>},
    Key{.name = joined<Prefix, ".alpn_mismatch">,
        .type = ValueType::word,
        .value_default = "accept",
        .words = "accept|refuse",
        .on_reload = Reload::new_connections,
        .summary = "What becomes of a client that names application protocols (ALPN), but not "
                   "this listener's (`mqtt`): refuse ends the handshake with the alert of RFC "
                   "7301.",
        .why = "Libraries name protocols of their own without their users' knowing.",
        .store = blocks::into_tls<List, &Tls::alpn_mismatch>},
    Key{.name = joined<Prefix, ".handshake_timeout">,
        .type = ValueType::duration,
        .value_default = "15s",
        .value_min = "100ms",
        .value_max = "10m",
        .on_reload = Reload::new_connections,
        .summary = "How long a client may take from connecting to the end of the TLS handshake.",
        .why = "EMQ's; enough for slow radio links.",
        .store = blocks::into_tls<List, &Tls::handshake_timeout>},
    Key{.name = joined<Prefix, ".max_handshakes">,
        .type = ValueType::integer,
        .unit = "handshakes",
        .value_default = "10000",
        .value_max = "16777216",
        .on_reload = Reload::new_connections,
        .summary = "TLS handshakes under way at once; further ones are closed before they cost "
                   "anything. Connections that have said nothing yet do not count. 0: no limit.",
        .why = "A handshake holds up to 60 KB until it is done.",
        .store = blocks::into_tls<List, &Tls::handshake_count_max>},
    Key{.name = joined<Prefix, ".max_handshake_rate">,
        .type = ValueType::integer,
        .unit = "handshakes/s",
        .value_default = "0",
        .value_max = "1000000",
        .on_reload = Reload::new_connections,
        .summary = "TLS handshakes begun a second; further ones are closed before they cost "
                   "anything. 0: no limit.",
        .why = "Handshakes have a bounded part of each worker's time anyway.",
        .store = blocks::into_tls<List, &Tls::handshake_rate_max>},
    Key{.name = joined<Prefix, ".peer_cert_as_username">,
        .type = ValueType::word,
        .value_default = "off",
        .words = "off|cn|dn|san_dns|san_uri|san_email|fingerprint",
        .synonyms = "crt=fingerprint",
        .on_reload = Reload::new_connections,
        .summary = "Which name of a verified client certificate is the user name, in place of the "
                   "one that the client sends: common name, whole subject, first alternative name "
                   "of a kind, or SHA-256 fingerprint. A certificate without it is refused.",
        .why = "A certificate need not say who uses it.",
        .emq = "crt was the certificate itself, which is no text.",
        .store = blocks::into_tls<List, &Tls::username_from>},
    Key{.name = joined<Prefix, ".peer_cert_as_clientid">,
        .type = ValueType::word,
        .value_default = "off",
        .words = "off|cn|dn|san_dns|san_uri|san_email|fingerprint",
        .synonyms = "crt=fingerprint",
        .on_reload = Reload::new_connections,
        .summary = "As peer_cert_as_username, for the client id.",
        .why = "A user may have several clients.",
        .store = blocks::into_tls<List, &Tls::client_id_from>},
    Key{.name = joined<Prefix, ".psk_as_username">,
        .type = ValueType::flag,
        .value_default = "off",
        .on_reload = Reload::new_connections,
        .summary = "Whether the identity of the pre-shared key is the user name, in place of the "
                   "one that the client sends.",
        .why = "A key may belong to a group of devices with users of their own.",
        .store = blocks::into_tls<List, &Tls::psk_as_username>},
};

}  // namespace gw::config
