#include "gateway/auth/scram_method.hpp"

#include "gateway/auth/crypto.hpp"
#include "gateway/auth/modules.hpp"
#include "gateway/auth/scram.hpp"

#include <optional>
#include <utility>

namespace gw::auth {

namespace {

constexpr std::size_t nonce_bytes = 18;

AuthStep refused(ReasonCode reason, const std::string& username = {}) {
    AuthStep step{.kind = AuthStep::Kind::refused, .data = {}, .decision = {}};
    step.decision.reason = reason;
    step.decision.username = username;
    step.decision.source = AuthSource::scram;
    return step;
}

}  // namespace

/// What an exchange and the answer that it awaits share; touched by the worker's thread alone.
struct ScramMethod::State {
    ScramServer server{base64_encode(random_bytes(nonce_bytes))};
    std::string username;
    std::optional<User> user;
    std::uint64_t generation = 0;
};

class ScramMethod::Exchange final : public AuthExchange {
public:
    Exchange(ScramMethod& method, std::uint32_t fake_iterations)
        : method_(method), fake_iterations_(fake_iterations), state_(std::make_shared<State>()) {}

    std::optional<AuthStep> step(Bytes data, std::uint32_t worker, AuthToken token) override {
        switch (std::exchange(next_, Next::over)) {
            case Next::first:
                return on_first(as_text(data), worker, token);
            case Next::final:
                return on_final(as_text(data));
            case Next::over:
                return refused(ReasonCode::not_authorized);
        }
        GW_UNREACHABLE();
    }

private:
    enum class Next : std::uint8_t { first, final, over };

    std::optional<AuthStep> on_first(std::string_view message, std::uint32_t worker,
                                     AuthToken token) {
        auto username = state_->server.on_first(message);
        if (!username) {
            return refused(ReasonCode::not_authorized);
        }
        state_->username = std::move(*username);
        state_->generation = method_.generation_.load(std::memory_order_acquire);
        const bool is_taken = method_.pool_.submit([worker, token, state = state_,
                                                    iterations = fake_iterations_,
                                                    name = state_->username,
                                                    post = method_.post_](UserReader& users) {
            auto user = users.find(name);
            const auto secret = users.secret();
            if (!user || !secret) {
                post(worker, token, [] { return refused(ReasonCode::server_unavailable); });
                return;
            }
            const bool is_known = user->has_value() && (*user)->scram;
            const ScramKeys keys =
                is_known ? *(*user)->scram : fake_scram_keys(*secret, name, iterations);
            post(worker, token, [state, keys, user = is_known ? std::move(*user) : std::nullopt] {
                state->user = user;
                AuthStep step{.kind = AuthStep::Kind::continue_exchange,
                              .data = state->server.challenge(keys),
                              .decision = {}};
                step.decision.username = state->username;
                return step;
            });
        });
        next_ = Next::final;
        return is_taken ? std::nullopt : std::optional{refused(ReasonCode::server_busy)};
    }

    AuthStep on_final(std::string_view message) {
        auto answer = state_->server.on_final(message);
        if (!answer || !state_->user) {
            return refused(ReasonCode::bad_user_name_or_password, state_->username);
        }
        if (state_->generation != method_.generation_.load(std::memory_order_acquire)) {
            return refused(ReasonCode::server_busy);
        }
        return {.kind = AuthStep::Kind::accepted,
                .data = std::move(*answer),
                .decision = decision_for(*state_->user, AuthSource::scram)};
    }

    ScramMethod& method_;
    const std::uint32_t fake_iterations_;
    const std::shared_ptr<State> state_;
    Next next_ = Next::first;
};

std::unique_ptr<AuthExchange> ScramMethod::begin(std::uint32_t fake_iterations) {
    return std::make_unique<Exchange>(*this, fake_iterations);
}

}  // namespace gw::auth
