// The chain's truth table: who gets in when nobody knows him, in what order modules are asked, what
// is remembered, and what late answers mean.
#include "broker-core/auth/auth_chain.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

using namespace gw;
using namespace std::chrono_literals;

namespace {

using Kind = AuthVerdict::Kind;

/// Says what the test says, at once or later.
struct FakeModule final : AuthModule {
    using Answer = std::function<std::optional<AuthVerdict>(const AuthRequest&)>;
    explicit FakeModule(Answer does, bool does_concern = true)
        : answer(std::move(does)), is_concerned(does_concern) {}
    AuthSource source() const override { return AuthSource::users; }
    bool concerns(const AuthRequest&) const override { return is_concerned; }
    std::optional<AuthVerdict> check(const AuthRequestPtr& request,
                                     const AuthTicket& ticket) override {
        tickets.push_back(ticket);
        requests.push_back(request);
        return answer(*request);
    }
    Answer answer;
    bool is_concerned;
    std::vector<AuthTicket> tickets;
    std::vector<AuthRequestPtr> requests;
};

using Modules = std::vector<std::shared_ptr<FakeModule>>;

std::shared_ptr<FakeModule> says(const AuthVerdict& verdict, bool is_concerned = true) {
    return std::make_shared<FakeModule>([verdict](const AuthRequest&) { return verdict; },
                                        is_concerned);
}
std::shared_ptr<FakeModule> thinks() {
    return std::make_shared<FakeModule>([](const AuthRequest&) { return std::nullopt; });
}
AuthVerdict allowed(const char* name = "ann") {
    return AuthVerdict::allow(AuthSource::users, name);
}
AuthVerdict denied() {
    return AuthVerdict::deny(AuthSource::users, ReasonCode::bad_user_name_or_password, "test");
}

struct Shown {
    const char* username = nullptr;
    const char* password = nullptr;
    bool allow_anonymous = false;
    std::uint64_t generation = 1;
    std::uint8_t key = 1;
};

AuthRequestPtr request_of(const Shown& shown) {
    auto request = std::make_shared<AuthRequest>();
    request->client_id = "c";
    if (shown.username != nullptr) {
        request->username = shown.username;
    }
    if (shown.password != nullptr) {
        request->password = shown.password;
    }
    request->allow_anonymous = shown.allow_anonymous;
    request->generation = shown.generation;
    request->key[0] = shown.key;
    return request;
}

struct Fixture {
    AuthModuleSetPtr set_of(const Modules& modules) {
        auto set = std::make_shared<AuthModuleSet>();
        set->modules.assign(modules.begin(), modules.end());
        set->allow_ttl = 60s;
        set->deny_ttl = 10s;
        return set;
    }
    std::optional<AuthDecision> begin(const Modules& modules, const Shown& shown,
                                      AuthToken token = 1) {
        return chain.begin(request_of(shown), set_of(modules), token, now);
    }

    NullLog log;
    Metrics metrics;
    AuthChain chain{3, metrics, log, 100, 7};
    MonotonicTime now{};
};

}  // namespace

TEST_CASE("the end of the chain: who claims to be somebody is never anonymous") {
    struct Row {
        bool has_module;
        const char* username;
        const char* password;
        bool allow_anonymous;
        ReasonCode reason;
        const char* because;
    };
    constexpr Row rows[] = {
        {true, nullptr, nullptr, true, ReasonCode::success, "shows nothing, and may"},
        {true, nullptr, nullptr, false, ReasonCode::not_authorized, "shows nothing"},
        {true, "", "", true, ReasonCode::success, "empty is nothing"},
        {true, "eve", nullptr, true, ReasonCode::bad_user_name_or_password, "unknown name"},
        {true, "eve", "x", true, ReasonCode::bad_user_name_or_password, "EMQ let this one in"},
        {true, nullptr, "x", true, ReasonCode::bad_user_name_or_password, "a password alone"},
        {true, "eve", "x", false, ReasonCode::bad_user_name_or_password, "unknown name"},
        {false, "eve", "x", true, ReasonCode::success, "nothing is set up to prove a name by"},
        {false, "eve", "x", false, ReasonCode::bad_user_name_or_password, "not allowed"},
        {false, nullptr, nullptr, false, ReasonCode::not_authorized, "not allowed"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.because);
        // A module that this client is none of its business counts for nothing.
        for (const bool has_other : {false, true}) {
            Fixture f;
            Modules modules;
            if (row.has_module) {
                modules.push_back(says(AuthVerdict::pass()));
            }
            if (has_other) {
                modules.push_back(says(AuthVerdict::pass(), false));
            }
            const auto decision = f.begin(modules, {.username = row.username,
                                                    .password = row.password,
                                                    .allow_anonymous = row.allow_anonymous});
            REQUIRE(decision.has_value());
            CHECK(decision->reason == row.reason);
            CHECK(decision->is_anonymous);
            CHECK_FALSE(decision->is_superuser);
        }
    }
}

TEST_CASE("modules are asked in order until one decides") {
    struct Row {
        std::vector<AuthVerdict> verdicts;
        ReasonCode reason;
        std::size_t asked;
    };
    const AuthVerdict pass = AuthVerdict::pass();
    const AuthVerdict listed = AuthVerdict::allow_if_unknown(AuthSource::client_id, "ann");
    const Row rows[] = {
        {{allowed(), denied()}, ReasonCode::success, 1},
        {{denied(), allowed()}, ReasonCode::bad_user_name_or_password, 1},
        {{pass, allowed()}, ReasonCode::success, 2},
        {{pass, denied(), allowed()}, ReasonCode::bad_user_name_or_password, 2},
        {{pass, pass}, ReasonCode::bad_user_name_or_password, 2},
        {{listed, pass}, ReasonCode::success, 2},
        {{listed, denied()}, ReasonCode::bad_user_name_or_password, 2},
        {{listed, allowed()}, ReasonCode::success, 2},
        {{AuthVerdict::unavailable(AuthSource::users, ReasonCode::server_busy), allowed()},
         ReasonCode::server_busy,
         1},
    };
    for (const Row& row : rows) {
        Fixture f;
        Modules modules;
        for (const AuthVerdict& verdict : row.verdicts) {
            modules.push_back(says(verdict));
        }
        const auto decision =
            f.begin(modules, {.username = "ann", .password = "x", .allow_anonymous = true});
        REQUIRE(decision.has_value());
        CHECK(decision->reason == row.reason);
        std::size_t asked = 0;
        for (const auto& module : modules) {
            asked += module->tickets.size();
        }
        CHECK(asked == row.asked);
        CHECK(f.metrics.auth_busy.value() == (row.reason == ReasonCode::server_busy ? 1 : 0));
    }
}

TEST_CASE("answers that come later: next, twice, for nobody, in the wrong order") {
    Fixture f;
    const Modules modules{thinks(), thinks()};
    const Shown shown{.username = "ann", .password = "x"};
    CHECK_FALSE(f.begin(modules, shown, 5).has_value());
    const AuthTicket first = modules[0]->tickets.at(0);
    CHECK(first.token == 5);
    CHECK(first.worker == 3);
    CHECK(modules[1]->tickets.empty());
    CHECK_FALSE(f.chain.on_verdict(first, AuthVerdict::pass(), 1, f.now).has_value());
    const AuthTicket second = modules[1]->tickets.at(0);
    // The first module cannot answer for the second.
    CHECK_FALSE(f.chain.on_verdict(first, allowed(), 1, f.now).has_value());
    const auto decision = f.chain.on_verdict(second, allowed(), 1, f.now);
    REQUIRE(decision.has_value());
    CHECK(decision->username == "ann");
    CHECK_FALSE(f.chain.on_verdict(second, allowed(), 1, f.now).has_value());
    CHECK(f.chain.pending_count() == 0);

    SUBCASE("a cancelled login is answered by nobody") {
        f.begin(modules, {.username = "bob", .key = 2}, 6);
        f.chain.cancel(6);
        CHECK(modules[0]->requests.back()->is_cancelled);
        CHECK_FALSE(
            f.chain.on_verdict(modules[0]->tickets.back(), allowed(), 1, f.now).has_value());
        f.chain.cancel(6);
        CHECK(f.chain.pending_count() == 0);
    }
}

TEST_CASE("an answer found in accounts that have changed since is not believed") {
    Fixture f;
    const Modules modules{thinks()};
    CHECK_FALSE(f.begin(modules, {.username = "ann", .password = "x"}).has_value());
    CHECK_FALSE(f.chain.on_verdict(modules[0]->tickets.at(0), allowed(), 2, f.now).has_value());
    REQUIRE(modules[0]->tickets.size() == 2);
    CHECK(modules[0]->requests[1]->generation == 2);
    CHECK(modules[0]->requests[1]->password == "x");
    const auto decision = f.chain.on_verdict(modules[0]->tickets[1], denied(), 2, f.now);
    REQUIRE(decision.has_value());
    CHECK(decision->reason == ReasonCode::bad_user_name_or_password);
}

TEST_CASE("costly answers are remembered for a while, and no others") {
    Fixture f;
    const Modules modules{thinks()};
    const Shown shown{.username = "ann", .password = "x"};
    const auto ask = [&](const AuthVerdict& verdict) {
        const std::size_t before = modules[0]->tickets.size();
        auto decision = f.begin(modules, shown);
        const bool was_asked = modules[0]->tickets.size() != before;
        if (was_asked) {
            f.chain.on_verdict(modules[0]->tickets.back(), verdict, 1, f.now);
        }
        return was_asked;
    };
    SUBCASE("being let in") {
        CHECK(ask(allowed()));
        f.now += 59'999ms;
        CHECK_FALSE(ask(allowed()));
        CHECK(f.metrics.auth_cache_hits.value() == 1);
        f.now += 1ms;
        CHECK(ask(allowed()));
        CHECK(f.metrics.auth_cache_misses.value() == 2);
    }
    SUBCASE("being refused, for half to one and a half of the time") {
        CHECK(ask(denied()));
        f.now += 4'999ms;
        CHECK_FALSE(ask(denied()));
        f.now += 10'001ms;
        CHECK(ask(denied()));
    }
    SUBCASE("not what could not be decided") {
        CHECK(ask(AuthVerdict::unavailable(AuthSource::users, ReasonCode::server_unavailable)));
        CHECK(ask(denied()));
    }
    SUBCASE("not in other accounts") {
        CHECK(ask(allowed()));
        CHECK_FALSE(f.begin(modules, {.username = "ann", .password = "x", .generation = 2}));
    }
    SUBCASE("not longer than the proof holds") {
        AuthVerdict verdict = allowed();
        auto grants = std::make_shared<AuthGrants>();
        grants->expires_at = WallTime{5s};
        verdict.decision.grants = grants;
        CHECK(ask(verdict));
        f.now += 4'999ms;
        CHECK_FALSE(ask(verdict));
        f.now += 1ms;
        CHECK(ask(verdict));
    }
    SUBCASE("answers that were there at once") {
        const Modules quick{says(allowed())};
        f.begin(quick, shown);
        f.begin(quick, shown);
        CHECK(quick[0]->tickets.size() == 2);
    }
}

TEST_CASE("what is remembered is bounded: the one not asked for longest goes first") {
    AuthCache cache{2};
    const auto key = [](std::uint8_t number) {
        return AuthKey{number};
    };
    const MonotonicTime now{};
    cache.keep(key(1), 1, now + 1s, {});
    cache.keep(key(2), 1, now + 1s, {});
    CHECK(cache.find(key(1), 1, now) != nullptr);
    cache.keep(key(3), 1, now + 1s, {});
    CHECK(cache.size() == 2);
    CHECK(cache.find(key(2), 1, now) == nullptr);
    CHECK(cache.find(key(1), 1, now) != nullptr);
    CHECK(cache.find(key(3), 1, now) != nullptr);
    cache.keep(key(3), 1, now + 2s, {});
    CHECK(cache.size() == 2);
    CHECK(cache.find(key(3), 1, now + 1s) != nullptr);
    CHECK(cache.find(key(1), 1, now + 1s) == nullptr);
    CHECK(cache.size() == 1);
    cache.set_count_max(0);
    CHECK(cache.size() == 0);
    cache.keep(key(4), 1, now + 1s, {});
    CHECK(cache.find(key(4), 1, now) == nullptr);
}
