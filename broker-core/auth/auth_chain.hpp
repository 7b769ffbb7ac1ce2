#pragma once

#include "broker-core/auth/auth_cache.hpp"
#include "broker-core/auth/auth_module.hpp"
#include "broker-core/base/log.hpp"
#include "broker-core/base/random.hpp"
#include "broker-core/metrics/metrics.hpp"

#include <cstdint>
#include <optional>
#include <unordered_map>

namespace gw {

/// Asks the modules one after the other until one decides. The end of the chain refuses, unless
/// the listener lets in anonymous clients and this one shows no name and no password: whoever
/// claims to be somebody has to prove it. Only where no module is set up that concerns the client
/// is a name that is shown passed over. Pure: time and answers come in, decisions out. One
/// worker's.
class AuthChain {
public:
    AuthChain(std::uint32_t worker, Metrics& metrics, Log& log, std::size_t cache_count_max,
              std::uint64_t seed)
        : worker_(worker), metrics_(metrics), log_(log), cache_(cache_count_max), random_(seed) {}

    /// A new login. Nothing: an answer is awaited, which on_verdict() brings.
    std::optional<AuthDecision> begin(AuthRequestPtr request, AuthModuleSetPtr modules,
                                      AuthToken token, MonotonicTime now);
    /// The answer to a question. Nothing: the login is not known any more, or another answer is
    /// awaited. `generation` is that of the accounts now: what was found in older ones is not
    /// believed, and the chain asks again.
    std::optional<AuthDecision> on_verdict(const AuthTicket& ticket, const AuthVerdict& verdict,
                                           std::uint64_t generation, MonotonicTime now);
    void cancel(AuthToken token);

    std::size_t pending_count() const { return pending_.size(); }
    AuthCache& cache() { return cache_; }

private:
    struct Pending {
        AuthRequestPtr request;
        AuthModuleSetPtr modules;
        std::size_t next = 0;         // module to ask
        std::uint32_t questions = 0;  // asked so far
        bool is_costly = false;       // some answer was not there at once
        bool is_lasting = true;
        std::optional<AuthVerdict> fallback{};  // when no module knows better
    };

    std::optional<AuthDecision> go_on(AuthToken token, Pending& pending, MonotonicTime now);
    AuthDecision decide(const Pending& pending, const AuthVerdict& verdict, MonotonicTime now);
    static bool passes_on(Pending& pending, const AuthVerdict& verdict);
    static AuthVerdict end_of_chain(const Pending& pending);
    void report(const AuthRequest& request, const AuthDecision& decision, std::string_view detail);

    const std::uint32_t worker_;
    Metrics& metrics_;
    Log& log_;
    AuthCache cache_;
    Random random_;
    std::unordered_map<AuthToken, Pending> pending_;
};

}  // namespace gw
