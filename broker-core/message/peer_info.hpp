#pragma once

#include "broker-core/base/count_ticket.hpp"
#include "broker-core/base/ip_address.hpp"
#include "broker-core/message/origin.hpp"

#include <memory>
#include <string>
#include <vector>

namespace gw {

/// What the transport has proven about the peer before it says who it is: a certificate that a
/// trusted authority signed, or a pre-shared key. Shared, never changed.
struct TransportIdentity {
    std::string common_name;  // CN of the certificate's subject
    std::string subject;      // the whole subject: "CN=meter-7,O=Works" (RFC 4514)
    std::vector<std::string>
        alternative_names;     // "DNS:a.example", "URI:urn:x", "email:..", "IP:.."
    std::string fingerprint;   // SHA-256 of the certificate, lower-case hex
    std::string psk_identity;  // empty unless a pre-shared key was used
};

using TransportIdentityPtr = std::shared_ptr<const TransportIdentity>;

/// What a listener and its transport know of a peer when its protocol begins; the same for every
/// adapter. Behind a trusted proxy the address is the client's, as the proxy tells it.
struct PeerInfo {
    std::string address{};   // "address:port", "[address]:port", or "unix"
    IpAddress ip{};          // zero for Unix sockets
    std::uint16_t port = 0;  // set: `address` says nothing but `ip` and this; else not looked at
    std::string listener{};  // name in the configuration: "tcp.external"
    std::string cookie{};    // Cookie header of the upgrade request, for WebSocket and SockJS
    TransportIdentityPtr identity{};  // null: nothing was proven
    /// The user name and client id that the identity proves, by the listener's rules; they stand in
    /// the place of what the client says of itself. Empty: its own word counts.
    std::string username{};
    std::string client_id{};
    bool lacks_name = false;  // the rules want a name that the certificate does not have: no entry
    /// Counts a peer that has not been authenticated; Broker::connect() releases it. An
    /// adapter that lets clients in without it does so itself.
    CountTicketPtr unauthenticated{};
    OriginRulesPtr rules{};  // the listener's
    bool is_unix = false;
    /// Somebody stands between: a proxy, or a page that may be another host's. Then the address is
    /// his word, or says nothing of nearness: never local.
    bool is_relayed = false;

    Origin origin() const {
        return {.ip = ip,
                .port = port,
                .is_unix = is_unix,
                .is_relayed = is_relayed,
                .rules = rules.get()};
    }
};

}  // namespace gw
