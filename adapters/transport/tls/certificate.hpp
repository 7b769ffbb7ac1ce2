#pragma once

#include "adapters/transport/tls/openssl.hpp"
#include "broker-core/base/clock.hpp"
#include "broker-core/message/peer_info.hpp"

namespace gw::transport {

/// What a certificate says of its owner; the caller has verified it. A name that holds U+0000 or is
/// no UTF-8 counts as none, and so does a common name that is given more than once: which of them
/// would an authority have checked?
TransportIdentityPtr identity_of(const X509& certificate);

/// The identity that a pre-shared key proves.
TransportIdentityPtr identity_of_psk(std::string identity);

/// "CN=meter-7,O=Works" (RFC 4514).
std::string subject_of(const X509& certificate);

/// From when on it is not valid any more.
WallTime expiry_of(const X509& certificate);

}  // namespace gw::transport
