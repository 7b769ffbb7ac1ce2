#pragma once

#include "broker-core/base/bytes.hpp"
#include "broker-core/base/clock.hpp"
#include "broker-core/message/identity.hpp"
#include "broker-core/message/peer_info.hpp"
#include "broker-core/message/qos.hpp"
#include "broker-core/message/reason.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace gw {

/// What a client wants to do; asked in the core for every protocol and path.
enum class AccessAction : std::uint8_t {
    publish,    // topic name; wills included
    subscribe,  // topic filter, without $share and the like
    deliver,    // topic name of one message to this client: live, retained, replayed, will, shared
};

struct AccessRequest {
    const ClientIdentity& client;
    AccessAction action;
    std::string_view topic;
    Qos qos = Qos::at_most_once;
    bool retain = false;
};

/// `pending`: the answer comes later through Broker::on_access_decided() of the session's worker,
/// and the policy then knows it without asking again. Allowed for publish and subscribe only: what
/// has to be asked elsewhere is not asked at delivery. Who loses a right when rules change is asked
/// so too, and keeps it until the answer is there. Where nobody is left to wait (a will that is
/// due, a publisher without a session) it counts as a refusal.
enum class AccessDecision : std::uint8_t { allow, deny, pending };

/// Who may do what. Called by all workers at once; must not block.
class AccessPolicy {
public:
    virtual ~AccessPolicy() = default;
    virtual AccessDecision check(const AccessRequest& request) = 0;
    /// Whether check() may refuse somebody a message of this topic who has subscribed to it; when
    /// not, it is not asked for each copy, save for clients whose proof of identity brought rights.
    /// Asked once for each message and worker.
    virtual bool checks_delivery(std::uint32_t worker, std::string_view topic) const = 0;
    /// Whether a client that is no administrator may read this topic or filter below $SYS.
    virtual bool opens_sys(const AccessRequest& /*request*/) { return false; }
    /// Whether a subscription can be refused at all; when not, those of a session that is resumed
    /// are not looked at again.
    virtual bool refuses_subscriptions(std::uint32_t /*worker*/) const { return true; }
};

/// Allows or refuses everything, as may be switched at any time: stands in the place of rules.
/// Clients let in before a switch feel it too.
class NoMatchPolicy final : public AccessPolicy {
public:
    explicit NoMatchPolicy(AccessDecision decision) : decision_(decision) {}
    void set(AccessDecision decision) { decision_.store(decision, std::memory_order_relaxed); }
    AccessDecision check(const AccessRequest&) override {
        return decision_.load(std::memory_order_relaxed);
    }
    bool checks_delivery(std::uint32_t /*worker*/, std::string_view /*topic*/) const override {
        return decision_.load(std::memory_order_relaxed) != AccessDecision::allow;
    }

private:
    std::atomic<AccessDecision> decision_;
};

/// What a client shows at the door; borrowed for the call.
struct Credentials {
    std::string_view client_id{};  // the core's; an Authenticator sees the client's own
    std::optional<std::string_view> username{};
    std::optional<Bytes> password{};
    const PeerInfo& peer;
    const ProtocolTraits* protocol = &internal_protocol;
    bool allow_anonymous = false;  // what the core finds, from where the client speaks
    /// The client shows nothing: name and password are those that its listener has for all.
    bool is_fixed_user = false;
};

/// Names one pending authentication within its worker.
using AuthToken = std::uint64_t;

struct AuthDecision {
    ReasonCode reason = ReasonCode::not_authorized;
    std::string username;      // proven name; may differ from the one shown
    bool is_anonymous = true;  // nothing was proven
    bool is_superuser = false;
    AuthSource source = AuthSource::none;  // what has decided
    ProofStrength strength = ProofStrength::none;
    AuthGrantsPtr grants;  // null: none
};

/// Decides who gets in. Called by all workers at once; must not block: either it answers at once,
/// or nothing now and Broker::on_auth_decided() with the token later. An answer that does not come
/// within BrokerOptions::auth_timeout is a refusal.
class Authenticator {
public:
    virtual ~Authenticator() = default;
    virtual std::optional<AuthDecision> authenticate(const Credentials& credentials,
                                                     std::uint32_t worker, AuthToken token) = 0;
    /// Whether there is anything by which clients could prove who they are, apart from what their
    /// transport proves. Any thread.
    virtual bool has_proofs() const { return false; }
    /// Nobody waits for this answer any more. From the worker that asked.
    virtual void cancel(std::uint32_t worker, AuthToken token) {
        static_cast<void>(worker);
        static_cast<void>(token);
    }
};

/// Lets clients in without proof where their listener allows it, and nobody else.
class AnonymousAuthenticator final : public Authenticator {
public:
    std::optional<AuthDecision> authenticate(const Credentials& credentials, std::uint32_t worker,
                                             AuthToken token) override;
};

/// One step of an enhanced authentication (MQTT 5.0, 4.12).
struct AuthStep {
    enum class Kind : std::uint8_t { continue_exchange, accepted, refused } kind;
    std::string data;  // authentication data to send, for all but `refused`
    /// For `accepted` and `refused`. As soon as the name is known that the client wants to prove it
    /// is in `username`, whatever the kind.
    AuthDecision decision;
};

/// One exchange with one client, on one worker. It bounds the size of what it takes, and ends by
/// itself after the steps that its method has.
class AuthExchange {
public:
    virtual ~AuthExchange() = default;
    /// Takes the client's authentication data; the first comes with CONNECT, or with the AUTH
    /// packet that starts a re-authentication. Must not block: either it answers at once, or
    /// nothing now and Broker::on_auth_step() with the token later, which may find that the
    /// exchange has been destroyed. Not called while an answer is awaited.
    virtual std::optional<AuthStep> step(Bytes data, std::uint32_t worker, AuthToken token) = 0;
};

/// The mechanisms of enhanced authentication that the server knows. All workers.
class AuthMethods {
public:
    virtual ~AuthMethods() = default;
    /// A new exchange, or null when the method is not known: reason 0x8C.
    virtual std::unique_ptr<AuthExchange> begin(std::string_view method,
                                                const Credentials& credentials) = 0;
};

}  // namespace gw
