#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gw {

/// Why a connection ended before its protocol began: during a TLS handshake, say. Each has a
/// counter.
enum class HandshakeFailure : std::uint8_t {
    timeout,           // not done in time
    too_many_bytes,    // more sent than a handshake may need
    peer_closed,       // the peer went away in the middle of it
    not_the_protocol,  // what came is something else: plain MQTT or HTTP on a TLS port
    version,           // no version in common
    cipher,            // no cipher, group or signature algorithm in common
    no_certificate,    // the client has to show one and did not
    bad_certificate,   // the client's is expired, revoked, or of an unknown authority
    unknown_identity,  // the pre-shared key's identity is unknown, or its key wrong
    no_application,    // no application protocol (ALPN) in common
    alert,             // the peer gave up: it does not trust our certificate, say
    rate,              // too many handshakes a second
    count,             // too many handshakes at once
    untrusted_proxy,   // a PROXY header from an address that may not send one
    other,
};
inline constexpr std::size_t handshake_failure_count = 15;

/// The name that metrics and logs use: "not_the_protocol".
std::string_view handshake_failure_name(HandshakeFailure failure);

}  // namespace gw
