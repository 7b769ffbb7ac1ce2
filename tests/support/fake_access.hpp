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
    bool checks_delivery() const override { return judges_delivery_; }

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
        decision.is_superuser = name == "root";
        decision.reason =
            name.starts_with("wrong") ? ReasonCode::bad_user_name_or_password : ReasonCode::success;
        return decision;
    }

    struct Waiting {
        std::uint32_t worker;
        AuthToken token;
    };
    std::vector<Waiting> waiting;
};

/// The method "ask": the first message is a user name, the answer a question, and only "yes" opens.
class FakeAuthMethods final : public AuthMethods {
public:
    std::unique_ptr<AuthExchange> begin(std::string_view method, const Credentials&) override {
        return method == "ask" ? std::make_unique<Exchange>() : nullptr;
    }

private:
    class Exchange final : public AuthExchange {
    public:
        AuthStep step(Bytes data) override {
            if (name_.empty()) {
                name_ = std::string{as_text(data)};
                return {AuthStep::Kind::continue_exchange, "sure?", {}};
            }
            if (as_text(data) == "yes") {
                return {AuthStep::Kind::accepted, "welcome",
                        FakeAuthenticator::decision_for(name_)};
            }
            AuthDecision refusal;
            refusal.reason = ReasonCode::not_authorized;
            return {AuthStep::Kind::refused, "", refusal};
        }

    private:
        std::string name_;
    };
};

}  // namespace gw::test
