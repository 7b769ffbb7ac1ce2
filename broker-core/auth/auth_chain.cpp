#include "broker-core/auth/auth_chain.hpp"

#include <algorithm>
#include <utility>

namespace gw {

std::optional<AuthDecision> AuthChain::begin(AuthRequestPtr request, AuthModuleSetPtr modules,
                                             AuthToken token, MonotonicTime now) {
    if (const AuthDecision* known = cache_.find(request->key, request->generation, now)) {
        metrics_.auth_cache_hits.add();
        report(*request, *known, "as before");
        return *known;
    }
    Pending pending{.request = std::move(request), .modules = std::move(modules)};
    auto decision = go_on(token, pending, now);
    if (!decision) {
        pending_.emplace(token, std::move(pending));
    }
    return decision;
}

std::optional<AuthDecision> AuthChain::on_verdict(const AuthTicket& ticket,
                                                  const AuthVerdict& verdict,
                                                  std::uint64_t generation, MonotonicTime now) {
    const auto found = pending_.find(ticket.token);
    if (found == pending_.end() || found->second.questions != ticket.question) {
        return std::nullopt;
    }
    Pending& pending = found->second;
    pending.is_lasting = pending.is_lasting && verdict.is_lasting;
    std::optional<AuthDecision> decision;
    if (pending.request->generation != generation) {
        // An account may have gone, or got another password, while this was looked at. Asked
        // again once: from here on the answer counts, since whoever changed accounts meanwhile
        // ends the connections of those that are gone.
        pending.request = pending.request->renewed(generation);
        pending.next = 0;
        pending.is_lasting = true;
        pending.fallback.reset();
        decision = go_on(ticket.token, pending, now);
    } else if (passes_on(pending, verdict)) {
        decision = go_on(ticket.token, pending, now);
    } else {
        decision = decide(pending, verdict, now);
    }
    if (decision) {
        pending_.erase(found);
    }
    return decision;
}

void AuthChain::cancel(AuthToken token) {
    const auto found = pending_.find(token);
    if (found != pending_.end()) {
        found->second.request->is_cancelled.store(true, std::memory_order_relaxed);
        pending_.erase(found);
    }
}

std::optional<AuthDecision> AuthChain::go_on(AuthToken token, Pending& pending, MonotonicTime now) {
    const auto& modules = pending.modules->modules;
    while (pending.next < modules.size()) {
        AuthModule& module = *modules[pending.next++];
        const AuthTicket ticket{.token = token, .worker = worker_, .question = ++pending.questions};
        const auto verdict = module.check(pending.request, ticket);
        if (!verdict) {
            if (!std::exchange(pending.is_costly, true)) {
                metrics_.auth_cache_misses.add();
            }
            return std::nullopt;
        }
        pending.is_lasting = pending.is_lasting && verdict->is_lasting;
        if (!passes_on(pending, *verdict)) {
            return decide(pending, *verdict, now);
        }
    }
    return decide(pending, end_of_chain(pending), now);
}

/// Whether the next module is to be asked.
bool AuthChain::passes_on(Pending& pending, const AuthVerdict& verdict) {
    if (verdict.kind == AuthVerdict::Kind::allow_if_unknown && !pending.fallback) {
        pending.fallback = verdict;
    }
    return verdict.kind == AuthVerdict::Kind::next ||
           verdict.kind == AuthVerdict::Kind::allow_if_unknown;
}

AuthDecision AuthChain::decide(const Pending& pending, const AuthVerdict& verdict,
                               MonotonicTime now) {
    const AuthDecision& decision = verdict.decision;
    const AuthRequest& request = *pending.request;
    report(request, decision, verdict.detail);
    if (!pending.is_costly || !pending.is_lasting) {
        return decision;
    }
    MonotonicTime until = now;
    if (decision.reason == ReasonCode::success) {
        until += pending.modules->allow_ttl;
        if (decision.grants && decision.grants->expires_at != WallTime::max()) {
            until = std::min(until, now + (decision.grants->expires_at - request.at));
        }
    } else {
        // Spread, so that clients refused together do not come again together.
        const auto ttl = static_cast<std::uint64_t>(pending.modules->deny_ttl.count());
        until += Milliseconds{ttl / 2 + (ttl == 0 ? 0 : random_.below(ttl))};
    }
    if (until > now) {
        cache_.keep(request.key, request.generation, until, decision);
    }
    return decision;
}

AuthVerdict AuthChain::end_of_chain(const Pending& pending) {
    if (pending.fallback) {
        return *pending.fallback;
    }
    const AuthRequest& request = *pending.request;
    const auto& modules = pending.modules->modules;
    const bool may_be_anonymous =
        !request.shows_credentials() ||
        std::none_of(modules.begin(), modules.end(),
                     [&](const auto& module) { return module->concerns(request); });
    if (!request.allow_anonymous || !may_be_anonymous) {
        return AuthVerdict::deny(
            AuthSource::none,
            request.shows_credentials() ? ReasonCode::bad_user_name_or_password
                                        : ReasonCode::not_authorized,
            request.shows_credentials() ? "nobody knows this name" : "shows nothing");
    }
    // Shown, not proven: kept for events and lists, never used as the principal.
    AuthVerdict verdict = AuthVerdict::allow(AuthSource::none, std::string{request.shown_name()});
    verdict.decision.is_anonymous = true;
    return verdict;
}

/// The one place that tells of logins that were refused; of those that went well the core tells.
void AuthChain::report(const AuthRequest& request, const AuthDecision& decision,
                       std::string_view detail) {
    if (decision.reason == ReasonCode::server_busy) {
        metrics_.auth_busy.add();
    }
    if (decision.reason == ReasonCode::success || !log_.enabled(LogLevel::info)) {
        return;
    }
    // Some clients put a token where the name belongs.
    const std::string_view name = request.shown_name();
    const bool is_token = name.size() > 100 && name.starts_with("ey");
    log_.info("auth.refused", {{"client_id", request.client_id},
                               {"username", is_token ? std::string_view{"(a token)"} : name},
                               {"peer", request.peer.address},
                               {"module", auth_source_name(decision.source)},
                               {"reason", reason_text(decision.reason)},
                               {"detail", detail}});
}

}  // namespace gw
