#pragma once

#include "broker-core/base/clock.hpp"
#include "broker-core/base/intrusive_ptr.hpp"
#include "broker-core/base/ip_address.hpp"
#include "broker-core/base/small_text.hpp"
#include "broker-core/message/protocol_traits.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gw {

/// Names a session inside this process: the worker that owns it, its slot there and the slot's
/// generation, so that a reference to a session that has ended is recognised; and whether the
/// session outlives its connections, so that whoever routes to it knows that it must be stored.
/// 8 bytes.
struct SessionRef {
    static constexpr std::uint32_t generation_bits = 23;
    static constexpr std::uint32_t persistent_bit = 1U << generation_bits;

    std::uint32_t slot = 0;
    std::uint32_t worker_generation = 0;  // worker in the upper 8 bits, persistent_bit, generation

    SessionRef() = default;
    SessionRef(std::uint32_t worker, std::uint32_t slot_index, std::uint32_t generation,
               bool persistent = false)
        : slot(slot_index),
          worker_generation(worker << 24 | (persistent ? persistent_bit : 0U) |
                            (generation & (persistent_bit - 1))) {}

    std::uint32_t worker() const { return worker_generation >> 24; }
    std::uint32_t generation() const { return worker_generation & (persistent_bit - 1); }
    bool is_persistent() const { return (worker_generation & persistent_bit) != 0; }
    std::uint64_t key() const { return static_cast<std::uint64_t>(worker_generation) << 32 | slot; }
    bool operator==(const SessionRef&) const = default;
};

/// What has proven who a client is.
enum class AuthSource : std::uint8_t {
    none,       // nothing: an anonymous client, or one that was refused by all
    client_id,  // the list of client ids
    users,      // the built-in users
    certificate,
    psk,
    jwt,
    cookie,
    scram,
};
inline constexpr std::size_t auth_source_count = 8;
/// As the configuration, the log and the counters name it.
std::string_view auth_source_name(AuthSource source);

/// What it takes to be let in as somebody, the weakest first: who has come by one of them must not
/// be replaced by whoever has only a weaker one. Stored: keep the numbers.
enum class ProofStrength : std::uint8_t {
    none,    // anonymous
    listed,  // a client id that is on a list, or the user that a listener has for all its clients
    secret,  // a password or a token: whoever sees it has it
    key,     // a certificate, a pre-shared key, SCRAM: what proves it never leaves the client
};
/// The strength of what this source has decided, where it says nothing else.
ProofStrength strength_of(AuthSource source);

/// Whether a name or a client id is of the gateway's own kind: clients of the gateway itself begin
/// with NUL, its users with `console:` and `local:`. Nobody from outside can have such a one.
bool is_reserved_name(std::string_view name);

/// One right that a proof of identity brings with it (a token's claim).
struct GrantedRule {
    bool is_allow = true;
    bool for_publish = false;
    bool for_subscribe = false;
    std::string filter;  // a topic filter; "eq " before it: this text alone
};

/// What a proof of identity says beyond the name. Shared by all that belongs to one login.
struct AuthGrants {
    std::vector<std::pair<std::string, std::string>> attributes;  // of the client, for rules
    std::vector<std::string> groups;
    std::vector<GrantedRule> rules;  // asked before all others, the first that matches decides
    bool has_rules = false;          // the proof lists its rights: what no rule names is denied
    WallTime expires_at = WallTime::max();  // then the connection ends
};

using AuthGrantsPtr = std::shared_ptr<const AuthGrants>;

/// What an access policy has found out about clients; it knows what it is.
struct AccessFindings : RefCounted<AccessFindings> {
    virtual ~AccessFindings() = default;
};

/// Where the access policy keeps what it has found out about a client; not copied with the client.
/// Touched by the worker of the client's session only.
struct AccessSlot {
    AccessSlot() = default;
    AccessSlot(const AccessSlot&) noexcept {}
    AccessSlot& operator=(const AccessSlot&) noexcept { return *this; }

    IntrusivePtr<const AccessFindings> found;
    std::uint32_t generation = 0;  // of the rules it was found by; 0: nothing was
};

/// Who a client is: made when its CONNECT is accepted, shared by all that it publishes, never
/// changed.
struct ClientIdentity : RefCounted<ClientIdentity> {
    AuthSource source : 4 = AuthSource::none;
    ProofStrength strength : 4 = ProofStrength::none;
    bool is_anonymous : 1 = true;       // `username`, if any, was not proven
    bool is_superuser : 1 = false;      // no access rule is asked
    bool is_administrator : 1 = false;  // may read $SYS
    bool is_bridge : 1 = false;  // keeps the retain flag, gets no echo (protocol level 0x80 bit)
    std::uint16_t port = 0;      // where `peer_name` is empty
    const ProtocolTraits* protocol = &internal_protocol;
    SessionRef session;
    IpAddress ip;  // zero for Unix sockets
    std::string client_id;
    SmallText username;
    SmallText peer_name;   // what peer() gives when it is more than address and port
    SmallText mountpoint;  // stands before its topics in the broker; not part of what it says
    AuthGrantsPtr grants;  // null: none
    mutable AccessSlot access;

    /// "address:port", or "unix".
    std::string peer() const;
    /// Its id as it says it itself: without its mount point, which the core's id has before it.
    std::string_view own_client_id() const { return own_topic(client_id); }
    /// A topic of the broker as this client knows it: without its mount point.
    std::string_view own_topic(std::string_view topic) const {
        const std::string_view mount = mountpoint.view();
        if (!mount.empty() && topic.starts_with(mount)) {
            topic.remove_prefix(mount.size());
        }
        return topic;
    }
    /// Whom a session belongs to: the proven name, or nothing for anonymous clients.
    std::string_view principal() const {
        return is_anonymous ? std::string_view{} : username.view();
    }
};

using IdentityPtr = IntrusivePtr<const ClientIdentity>;

}  // namespace gw
