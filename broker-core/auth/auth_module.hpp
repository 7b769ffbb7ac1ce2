#pragma once

#include "broker-core/access/access.hpp"
#include "broker-core/message/peer_info.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gw {

/// Names what a client shows without holding it: a keyed hash of all that modules may look at.
using AuthKey = std::array<std::uint8_t, 32>;

/// One login while it is decided: what the client shows, in memory of its own, so that modules may
/// look at it from any thread. Passwords are wiped when it goes.
struct AuthRequest {
    AuthRequest() = default;
    AuthRequest(const AuthRequest&) = delete;
    AuthRequest& operator=(const AuthRequest&) = delete;
    ~AuthRequest();

    /// The same login, to be looked at anew in the accounts of another generation.
    std::shared_ptr<const AuthRequest> renewed(std::uint64_t new_generation) const;
    /// Whether the client shows a name or a password: then it is never anonymous.
    bool shows_credentials() const {
        return (username && !username->empty()) || (password && !password->empty());
    }
    /// The name it shows; empty when it shows none.
    std::string_view shown_name() const {
        return username ? std::string_view{*username} : std::string_view{};
    }

    std::string client_id;
    std::optional<std::string> username;
    std::optional<std::string> password;
    PeerInfo peer;
    const ProtocolTraits* protocol = &internal_protocol;
    bool allow_anonymous = false;  // what the listener says
    WallTime at{};                 // when it began
    std::uint64_t generation = 0;  // of the accounts, when it began
    AuthKey key{};
    mutable std::atomic<bool> is_cancelled{false};  // nobody waits any more: cost nothing
};

using AuthRequestPtr = std::shared_ptr<const AuthRequest>;

/// What one module says.
struct AuthVerdict {
    enum class Kind : std::uint8_t {
        next,              // knows nothing of this client: the next module is asked
        allow,             // has proven who it is; `decision` holds the name and the grants
        allow_if_unknown,  // lets it in unless a later module knows better: shows what nobody asked
        deny,  // what it shows is wrong, or could not be looked at: nobody else is asked
    } kind = Kind::next;
    AuthDecision decision;
    /// The same will be said again within the time that answers are remembered.
    bool is_lasting = true;
    std::string_view detail{};  // why not, for the log alone; static text

    static AuthVerdict pass() { return {}; }
    static AuthVerdict allow(AuthSource source, std::string username);
    static AuthVerdict allow_if_unknown(AuthSource source, std::string username);
    static AuthVerdict deny(AuthSource source, ReasonCode reason, std::string_view detail);
    /// Could not be decided: no answer about the client, so not remembered.
    static AuthVerdict unavailable(AuthSource source, ReasonCode reason,
                                   std::string_view detail = "too many logins are waiting");
};

/// Names a question to a module, for an answer that comes later.
struct AuthTicket {
    AuthToken token = 0;
    std::uint32_t worker = 0;
    std::uint32_t question = 0;  // counts the questions of one login
};

/// Takes answers that come later, from any thread, to the chain that asked.
class AuthAnswers {
public:
    virtual ~AuthAnswers() = default;
    virtual void post(const AuthTicket& ticket, AuthVerdict verdict) = 0;
};

/// One way to prove who a client is. Called by all workers at once; must not block: either it
/// answers at once, or nothing now and exactly one AuthAnswers::post() with the ticket later,
/// which may be left out when the request is cancelled.
class AuthModule {
public:
    virtual ~AuthModule() = default;
    virtual AuthSource source() const = 0;
    /// Whether clients like this one have to prove who they claim to be: a module that only looks
    /// at certificates says nothing about those that come without.
    virtual bool concerns(const AuthRequest& request) const {
        static_cast<void>(request);
        return true;
    }
    /// Whether the same name and password may have another answer under another client id.
    virtual bool looks_at_client_id() const { return true; }
    virtual std::optional<AuthVerdict> check(const AuthRequestPtr& request,
                                             const AuthTicket& ticket) = 0;
};

/// The modules that a configuration names, in their order. Shared, never changed: a reload makes
/// another. Logins that are under way keep theirs.
struct AuthModuleSet {
    bool looks_at_client_id() const {
        return std::any_of(modules.begin(), modules.end(),
                           [](const auto& module) { return module->looks_at_client_id(); });
    }

    std::vector<std::shared_ptr<AuthModule>> modules;
    Milliseconds allow_ttl{0};  // for how long an answer is remembered; 0: not at all
    Milliseconds deny_ttl{0};   // on average: each is remembered for half to one and a half of it
};

using AuthModuleSetPtr = std::shared_ptr<const AuthModuleSet>;

}  // namespace gw
