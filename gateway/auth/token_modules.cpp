// The modules for what somebody else has signed: tokens and cookies.
#include "gateway/auth/modules.hpp"
#include "gateway/auth/signed_cookie.hpp"

#include <chrono>
#include <utility>

namespace gw::auth {

namespace {

WallTime wall_clock() {
    return std::chrono::time_point_cast<Milliseconds>(std::chrono::system_clock::now());
}

/// Looks at a token; the answer goes to the chain.
std::optional<AuthVerdict> submit_token(const ModuleContext& context, AuthSource source,
                                        std::shared_ptr<const JwtOptions> options,
                                        const AuthRequestPtr& request, const AuthTicket& ticket,
                                        std::string token) {
    const bool is_taken = context.tokens.submit([=, options = std::move(options),
                                                 token = std::move(token),
                                                 &answers = context.answers](UserReader&) {
        if (request->is_cancelled.load(std::memory_order_relaxed)) {
            return;
        }
        const JwtBearer bearer{
            .client_id = request->client_id,
            .shown_name = options->is_in_username ? std::string_view{} : request->shown_name()};
        auto identity = read_jwt(token, options->keys, options->rules, bearer, wall_clock());
        const bool is_other = !request->shown_name().empty() && identity.has_value() &&
                              identity->username != request->shown_name();
        if (source == AuthSource::cookie && is_other) {
            answers.post(ticket, AuthVerdict::pass());
            return;
        }
        if (!identity) {
            AuthVerdict verdict = AuthVerdict::deny(source, ReasonCode::bad_user_name_or_password,
                                                    jwt_error_text(identity.error()));
            verdict.is_lasting = identity.error() == JwtError::signature;
            answers.post(ticket, std::move(verdict));
            return;
        }
        AuthVerdict verdict = AuthVerdict::allow(source, std::move(identity->username));
        verdict.decision.is_superuser = identity->is_superuser;
        verdict.decision.grants = std::move(identity->grants);
        answers.post(ticket, std::move(verdict));
    });
    return is_taken ? std::nullopt
                    : std::optional{AuthVerdict::unavailable(source, ReasonCode::server_busy)};
}

class JwtModule final : public AuthModule {
public:
    JwtModule(const ModuleContext& context, std::shared_ptr<const JwtOptions> options)
        : context_(context), options_(std::move(options)) {}

    AuthSource source() const override { return AuthSource::jwt; }

    std::optional<AuthVerdict> check(const AuthRequestPtr& request,
                                     const AuthTicket& ticket) override {
        const auto& field = options_->is_in_username ? request->username : request->password;
        if (!field || !looks_like_jwt(*field)) {
            return AuthVerdict::pass();
        }
        return submit_token(context_, AuthSource::jwt, options_, request, ticket, *field);
    }

private:
    const ModuleContext context_;
    const std::shared_ptr<const JwtOptions> options_;
};

class CookieModule final : public AuthModule {
public:
    CookieModule(const ModuleContext& context, CookieOptions options)
        : context_(context), options_(std::move(options)) {}

    AuthSource source() const override { return AuthSource::cookie; }

    std::optional<AuthVerdict> check(const AuthRequestPtr& request,
                                     const AuthTicket& ticket) override {
        const auto value = find_cookie(request->peer.cookie, options_.name);
        if (!value || (request->password && !request->password->empty())) {
            return AuthVerdict::pass();
        }
        if (options_.jwt) {
            return submit_token(context_, AuthSource::cookie, options_.jwt, request, ticket,
                                std::string{*value});
        }
        auto cookie = read_signed_cookie(options_.secret, options_.name, *value, request->at);
        if (!cookie) {
            return AuthVerdict::deny(AuthSource::cookie, ReasonCode::bad_user_name_or_password,
                                     "cookie");
        }
        if (!request->shown_name().empty() && request->shown_name() != cookie->username) {
            return AuthVerdict::pass();
        }
        auto grants = std::make_shared<AuthGrants>();
        grants->expires_at = cookie->expires_at;
        AuthVerdict verdict = AuthVerdict::allow(AuthSource::cookie, std::move(cookie->username));
        verdict.decision.grants = std::move(grants);
        return verdict;
    }

private:
    const ModuleContext context_;
    const CookieOptions options_;
};

}  // namespace

std::shared_ptr<AuthModule> make_jwt_module(const ModuleContext& context,
                                            std::shared_ptr<const JwtOptions> options) {
    return std::make_shared<JwtModule>(context, std::move(options));
}

std::shared_ptr<AuthModule> make_cookie_module(const ModuleContext& context,
                                               CookieOptions options) {
    return std::make_shared<CookieModule>(context, std::move(options));
}

}  // namespace gw::auth
