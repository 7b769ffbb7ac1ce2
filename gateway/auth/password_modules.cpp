// The modules that look at passwords: client ids and built-in users.
#include "gateway/auth/crypto.hpp"
#include "gateway/auth/modules.hpp"

#include <utility>

namespace gw::auth {

namespace {

std::string_view password_of(const AuthRequest& request) {
    return request.password ? std::string_view{*request.password} : std::string_view{};
}

/// Compares digests, so that not even the length of the secret shows in the time it takes.
bool is_same_text(std::string_view one, std::string_view other) {
    return equal_in_constant_time(digest(HashKind::sha256, one), digest(HashKind::sha256, other));
}

bool is_right(const KnownSecret& secret, std::string_view password) {
    return secret.is_hash ? verify_password(*secret.text, password)
                          : is_same_text(*secret.text, password);
}

class ClientIdModule final : public ListModule {
public:
    ClientIdModule(const ModuleContext& context, KnownSecrets clients)
        : context_(context), clients_(std::move(clients)) {}

    AuthSource source() const override { return AuthSource::client_id; }
    const KnownSecrets& known() const override { return clients_; }

    std::optional<AuthVerdict> check(const AuthRequestPtr& request,
                                     const AuthTicket& ticket) override {
        const auto found = clients_.find(request->client_id);
        if (found == clients_.end()) {
            return AuthVerdict::pass();
        }
        const KnownSecret& secret = found->second;
        if (!secret.text) {
            return listed(*request);
        }
        if (!request->password) {
            return wrong(*request);
        }
        if (!secret.is_hash) {
            return is_right(secret, *request->password) ? allow(*request) : wrong(*request);
        }
        const bool is_taken = context_.hashing.submit(
            [request, ticket, secret, &answers = context_.answers](UserReader&) {
                if (!request->is_cancelled.load(std::memory_order_relaxed)) {
                    answers.post(ticket, is_right(secret, *request->password) ? allow(*request)
                                                                              : wrong(*request));
                }
            });
        return is_taken ? std::nullopt
                        : std::optional{AuthVerdict::unavailable(AuthSource::client_id,
                                                                 ReasonCode::server_busy)};
    }

private:
    static bool claims_another_name(const AuthRequest& request) {
        return !request.shown_name().empty() && request.shown_name() != request.client_id;
    }
    /// Whoever shows a name or a password wants it to be looked at: a user of that name is not let
    /// in by the list with a wrong one.
    static AuthVerdict listed(const AuthRequest& request) {
        if (claims_another_name(request)) {
            return AuthVerdict::pass();
        }
        return request.shows_credentials()
                   ? AuthVerdict::allow_if_unknown(AuthSource::client_id, request.client_id)
                   : AuthVerdict::allow(AuthSource::client_id, request.client_id);
    }
    static AuthVerdict allow(const AuthRequest& request) {
        AuthVerdict verdict = AuthVerdict::allow(AuthSource::client_id, request.client_id);
        verdict.decision.strength = ProofStrength::secret;
        return verdict;
    }
    static AuthVerdict wrong(const AuthRequest& request) {
        return claims_another_name(request)
                   ? AuthVerdict::pass()
                   : AuthVerdict::deny(AuthSource::client_id, ReasonCode::bad_user_name_or_password,
                                       "password");
    }

    const ModuleContext context_;
    const KnownSecrets clients_;
};

class UsersModule final : public ListModule {
public:
    UsersModule(const ModuleContext& context, UsersOptions options)
        : context_(context), options_(std::make_shared<const UsersOptions>(std::move(options))) {}

    AuthSource source() const override { return AuthSource::users; }
    const KnownSecrets& known() const override { return options_->users; }
    bool looks_at_client_id() const override { return false; }

    std::optional<AuthVerdict> check(const AuthRequestPtr& request,
                                     const AuthTicket& ticket) override {
        if (request->shown_name().empty()) {
            return AuthVerdict::pass();
        }
        const auto found = options_->users.find(std::string{request->shown_name()});
        if (found == options_->users.end() && !options_->has_file) {
            return AuthVerdict::pass();
        }
        if (found != options_->users.end() && !found->second.is_hash) {
            return judge(*request, found->second);
        }
        const bool is_taken = context_.hashing.submit(
            [request, ticket, options = options_, &answers = context_.answers](UserReader& users) {
                if (!request->is_cancelled.load(std::memory_order_relaxed)) {
                    answers.post(ticket, look_up(*request, *options, users));
                }
            });
        return is_taken ? std::nullopt
                        : std::optional{
                              AuthVerdict::unavailable(AuthSource::users, ReasonCode::server_busy)};
    }

private:
    static AuthVerdict wrong() {
        return AuthVerdict::deny(AuthSource::users, ReasonCode::bad_user_name_or_password,
                                 "password");
    }

    static AuthVerdict judge(const AuthRequest& request, const KnownSecret& secret) {
        if (!request.password || !is_right(secret, *request.password)) {
            return wrong();
        }
        return AuthVerdict::allow(AuthSource::users, std::string{request.shown_name()});
    }

    static AuthVerdict look_up(const AuthRequest& request, const UsersOptions& options,
                               UserReader& users) {
        const auto known = options.users.find(std::string{request.shown_name()});
        if (known != options.users.end()) {
            return judge(request, known->second);
        }
        const auto user = users.find(request.shown_name());
        if (!user) {
            // The file has gone or cannot be read: nobody gets in who might be in it.
            return AuthVerdict::unavailable(AuthSource::users, ReasonCode::server_unavailable,
                                            "the file of users cannot be read");
        }
        if (!*user) {
            if (options.hides_unknown && request.password) {
                static_cast<void>(hash_password(password_of(request), options.new_hashes));
            }
            return AuthVerdict::pass();
        }
        if (!request.password || !verify_password((*user)->password_hash, *request.password)) {
            return wrong();
        }
        AuthVerdict verdict = AuthVerdict::allow(AuthSource::users, {});
        verdict.decision = decision_for(**user, AuthSource::users);
        return verdict;
    }

    const ModuleContext context_;
    const std::shared_ptr<const UsersOptions> options_;
};

}  // namespace

KnownSecret KnownSecret::of(std::string text) {
    KnownSecret secret;
    secret.is_hash = check_password_hash(text).has_value();
    secret.text = std::move(text);
    return secret;
}

AuthDecision decision_for(const User& user, AuthSource source) {
    AuthDecision decision = AuthVerdict::allow(source, user.username).decision;
    decision.is_superuser = user.is_superuser;
    if (!user.groups.empty()) {
        auto grants = std::make_shared<AuthGrants>();
        grants->groups = user.groups;
        decision.grants = std::move(grants);
    }
    return decision;
}

std::shared_ptr<AuthModule> make_client_id_module(const ModuleContext& context,
                                                  KnownSecrets clients) {
    return std::make_shared<ClientIdModule>(context, std::move(clients));
}

std::shared_ptr<AuthModule> make_users_module(const ModuleContext& context, UsersOptions options) {
    return std::make_shared<UsersModule>(context, std::move(options));
}

}  // namespace gw::auth
