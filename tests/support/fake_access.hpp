#pragma once

#include "broker-core/access/access.hpp"

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gw::test {

/// Says what the test says.
class FakeAccess final : public AccessPolicy {
public:
    using Judge = std::function<AccessDecision(const AccessRequest&)>;
    explicit FakeAccess(Judge judge, bool judges_delivery = false)
        : judge_(std::move(judge)), judges_delivery_(judges_delivery) {}
    AccessDecision check(const AccessRequest& request) override { return judge_(request); }
    bool checks_delivery(std::uint32_t, std::string_view) const override {
        return judges_delivery_;
    }

private:
    Judge judge_;
    bool judges_delivery_;
};

/// A user name is its own proof; "later..." has to wait for an answer, "wrong..." is refused.
class FakeAuthenticator final : public Authenticator {
public:
    std::optional<AuthDecision> authenticate(const Credentials& credentials, std::uint32_t worker,
                                             AuthToken token) override {
        const std::string_view name = credentials.username.value_or(std::string_view{});
        if (name.starts_with("later")) {
            waiting.push_back({worker, token});
            return std::nullopt;
        }
        return decision_for(name);
    }
    static AuthDecision decision_for(std::string_view name) {
        AuthDecision decision;
        decision.username = std::string{name};
        decision.is_anonymous = name.empty();
        decision.strength = name.empty() ? ProofStrength::none : ProofStrength::secret;
        decision.is_superuser = name == "root";
        decision.reason =
            name.starts_with("wrong") ? ReasonCode::bad_user_name_or_password : ReasonCode::success;
        return decision;
    }

    struct Waiting {
        std::uint32_t worker;
        AuthToken token;
    };
    void cancel(std::uint32_t, AuthToken token) override { cancelled.push_back(token); }

    std::vector<Waiting> waiting;
    std::vector<AuthToken> cancelled;
};

/// The method "ask": the first message is a user name, the answer a question, and only "yes" opens.
class FakeAuthMethods final : public AuthMethods {
public:
    std::unique_ptr<AuthExchange> begin(std::string_view method, const Credentials&) override {
        return method == "ask" ? std::make_unique<Exchange>(*this) : nullptr;
    }

    /// Answers that the test gives, in place of the exchange.
    struct Waiting {
        std::uint32_t worker;
        AuthToken token;
        AuthStep step;
    };
    bool answers_later = false;
    std::vector<Waiting> waiting;

private:
    class Exchange final : public AuthExchange {
    public:
        explicit Exchange(FakeAuthMethods& methods) : methods_(methods) {}
        std::optional<AuthStep> step(Bytes data, std::uint32_t worker, AuthToken token) override {
            if (methods_.answers_later) {
                methods_.waiting.push_back({worker, token, step_now(data)});
                return std::nullopt;
            }
            return step_now(data);
        }

    private:
        AuthStep step_now(Bytes data) {
            if (name_.empty()) {
                name_ = std::string{as_text(data)};
                return {AuthStep::Kind::continue_exchange, "sure?", {}};
            }
            if (as_text(data) == "yes") {
                return {AuthStep::Kind::accepted, "welcome",
                        FakeAuthenticator::decision_for(name_)};
            }
            AuthDecision refusal;
            refusal.reason = ReasonCode::bad_user_name_or_password;
            return {AuthStep::Kind::refused, "", refusal};
        }

        FakeAuthMethods& methods_;
        std::string name_;
    };
};

}  // namespace gw::test
