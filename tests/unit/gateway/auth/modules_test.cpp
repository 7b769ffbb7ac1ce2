// The modules: what each lets in, refuses and passes on.
#include "gateway/auth/modules.hpp"

#include "gateway/auth/crypto.hpp"
#include "gateway/auth/signed_cookie.hpp"
#include "tests/support/temp_folder.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>

using namespace gw;
using namespace gw::auth;
using namespace std::chrono_literals;
using Kind = AuthVerdict::Kind;
using gw::test::TempFolder;

namespace {

/// Takes one answer from a pool's thread.
class Answers final : public AuthAnswers {
public:
    void post(const AuthTicket&, AuthVerdict verdict) override {
        const std::lock_guard lock{mutex_};
        verdict_ = std::move(verdict);
        came_.notify_all();
    }
    AuthVerdict take() {
        std::unique_lock lock{mutex_};
        const bool is_there = came_.wait_for(lock, 20s, [this] { return verdict_.has_value(); });
        REQUIRE(is_there);
        AuthVerdict verdict = std::move(*verdict_);
        verdict_.reset();
        return verdict;
    }

private:
    std::mutex mutex_;
    std::condition_variable came_;
    std::optional<AuthVerdict> verdict_;
};

struct Shown {
    const char* client_id = "c";
    const char* username = nullptr;
    const char* password = nullptr;
    const char* cookie = "";
    TransportIdentityPtr identity{};
};

WallTime wall_now() {
    return std::chrono::time_point_cast<Milliseconds>(std::chrono::system_clock::now());
}

AuthRequestPtr request_of(const Shown& shown) {
    auto request = std::make_shared<AuthRequest>();
    request->client_id = shown.client_id;
    if (shown.username != nullptr) {
        request->username = shown.username;
    }
    if (shown.password != nullptr) {
        request->password = shown.password;
    }
    request->peer.cookie = shown.cookie;
    request->peer.identity = shown.identity;
    request->at = wall_now();
    return request;
}

struct Fixture {
    AuthVerdict ask(AuthModule& module, const Shown& shown) {
        auto verdict = module.check(request_of(shown), {});
        return verdict ? std::move(*verdict) : answers.take();
    }
    Kind kind_of(AuthModule& module, const Shown& shown) { return ask(module, shown).kind; }

    TempFolder folder;
    std::string users_path = (folder.path() / "users.db").string();
    Answers answers;
    AuthPool pool{
        {.name = "test", .thread_count = 1, .waiting_count_max = 10, .users_path = users_path}};
    ModuleContext context{.hashing = pool, .tokens = pool, .answers = answers};
};

const HashParameters quick{
    .scheme = HashScheme::argon2id, .argon2_memory_kib = 64, .argon2_passes = 1};

void put_user(const std::string& path, const std::string& name, const std::string& password,
              bool is_superuser = false) {
    auto store = UserStore::open(path, UserStore::Mode::create);
    REQUIRE(store.has_value());
    CHECK(store
              ->put({.username = name,
                     .password_hash = *hash_password(password, quick),
                     .is_superuser = is_superuser,
                     .groups = {"g"},
                     .scram = {}})
              .has_value());
}

std::string jwt(const std::string& claims, std::string_view secret = "secret") {
    const std::string text =
        base64_encode(R"({"alg":"HS256"})", Base64::url) + "." + base64_encode(claims, Base64::url);
    return text + "." + base64_encode(hmac(HashKind::sha256, secret, text), Base64::url);
}

std::shared_ptr<const JwtOptions> jwt_options(bool is_in_username = false) {
    auto options = std::make_shared<JwtOptions>();
    options->keys.add(JwtKey::from_secret("secret"));
    options->rules.name_claims = {"sub"};
    options->is_in_username = is_in_username;
    return options;
}

}  // namespace

TEST_CASE("client ids: without a password, with one, with a hash") {
    Fixture f;
    KnownSecrets clients;
    clients.emplace("free", KnownSecret{});
    clients.emplace("text", KnownSecret::of("secret"));
    clients.emplace("hash", KnownSecret::of(*hash_password("secret", quick)));
    const auto module = make_client_id_module(f.context, std::move(clients));
    struct Row {
        Shown shown;
        Kind kind;
    };
    const Row rows[] = {
        {{.client_id = "other"}, Kind::next},
        {{.client_id = "free"}, Kind::allow},
        // Somebody else may know this name, and then it takes the right password.
        {{.client_id = "free", .username = "free"}, Kind::allow_if_unknown},
        {{.client_id = "free", .username = "free", .password = "x"}, Kind::allow_if_unknown},
        {{.client_id = "free", .password = "x"}, Kind::allow_if_unknown},
        {{.client_id = "free", .username = "", .password = ""}, Kind::allow},
        {{.client_id = "free", .username = "root", .password = "x"}, Kind::next},
        {{.client_id = "text", .password = "secret"}, Kind::allow},
        {{.client_id = "text", .username = "x", .password = "secret"}, Kind::allow},
        {{.client_id = "text", .password = "secreT"}, Kind::deny},
        {{.client_id = "text", .password = ""}, Kind::deny},
        {{.client_id = "text"}, Kind::deny},
        {{.client_id = "text", .username = "root", .password = "x"}, Kind::next},
        {{.client_id = "hash", .password = "secret"}, Kind::allow},
        {{.client_id = "hash", .password = "wrong"}, Kind::deny},
        {{.client_id = "hash"}, Kind::deny},
        {{.client_id = "hash", .username = "root", .password = "x"}, Kind::next},
    };
    for (const Row& row : rows) {
        CAPTURE(row.shown.client_id);
        const AuthVerdict verdict = f.ask(*module, row.shown);
        CHECK(verdict.kind == row.kind);
        if (verdict.kind == Kind::allow) {
            CHECK(verdict.decision.username == row.shown.client_id);
            CHECK_FALSE(verdict.decision.is_anonymous);
            const bool is_listed = std::string_view{row.shown.client_id} == "free";
            CHECK(verdict.decision.strength ==
                  (is_listed ? ProofStrength::listed : ProofStrength::secret));
        }
    }
}

TEST_CASE("users of the file and of the configuration") {
    Fixture f;
    put_user(f.users_path, "ann", "secret", true);
    put_user(f.users_path, "bob", "other");
    UsersOptions options{.users = {}, .has_file = true, .hides_unknown = true, .new_hashes = quick};
    options.users.emplace("bob", KnownSecret::of("from the configuration"));
    options.users.emplace("eve", KnownSecret::of(*hash_password("hashed", quick)));
    const auto module = make_users_module(f.context, std::move(options));
    const AuthVerdict ann = f.ask(*module, {.username = "ann", .password = "secret"});
    CHECK(ann.kind == Kind::allow);
    CHECK(ann.decision.username == "ann");
    CHECK(ann.decision.is_superuser);
    CHECK_FALSE(ann.decision.is_anonymous);
    CHECK(ann.decision.grants->groups == std::vector<std::string>{"g"});
    CHECK(f.kind_of(*module, {.username = "bob", .password = "from the configuration"}) ==
          Kind::allow);
    CHECK(f.kind_of(*module, {.username = "bob", .password = "other"}) == Kind::deny);
    CHECK(f.kind_of(*module, {.username = "eve", .password = "hashed"}) == Kind::allow);
    CHECK(f.kind_of(*module, {.username = "eve", .password = "wrong"}) == Kind::deny);
    CHECK(f.kind_of(*module, {.username = "ann", .password = "wrong"}) == Kind::deny);
    CHECK(f.kind_of(*module, {.username = "ann"}) == Kind::deny);
    CHECK(f.kind_of(*module, {.username = "ann", .password = ""}) == Kind::deny);
    CHECK(f.kind_of(*module, {.username = "Ann", .password = "secret"}) == Kind::next);
    CHECK(f.kind_of(*module, {.username = "nobody", .password = "secret"}) == Kind::next);
    CHECK(f.kind_of(*module, {.username = ""}) == Kind::next);
    CHECK(f.kind_of(*module, {.password = "secret"}) == Kind::next);
    CHECK(f.kind_of(*module, {}) == Kind::next);
}

TEST_CASE("a file of users that cannot be read lets nobody in") {
    Fixture f;
    f.folder.write("users.db",
                   "not a database, but long enough to be taken for one at first sight");
    const auto module =
        make_users_module(f.context, {.users = {}, .has_file = true, .new_hashes = quick});
    const AuthVerdict verdict = f.ask(*module, {.username = "ann", .password = "x"});
    CHECK(verdict.kind == Kind::deny);
    CHECK(verdict.decision.reason == ReasonCode::server_unavailable);
    CHECK_FALSE(verdict.is_lasting);
}

TEST_CASE("when too many wait the answer is: busy") {
    Fixture f;
    put_user(f.users_path, "ann", "secret");
    std::mutex gate;
    gate.lock();
    CHECK(f.pool.submit([&gate](UserReader&) { const std::lock_guard wait{gate}; }));
    while (f.pool.waiting_count() != 0) {
        std::this_thread::yield();
    }
    const auto module =
        make_users_module(f.context, {.users = {}, .has_file = true, .new_hashes = quick});
    const AuthRequestPtr request = request_of({.username = "ann", .password = "secret"});
    for (int i = 0; i < 10; ++i) {
        CHECK_FALSE(module->check(request, {}).has_value());
    }
    const auto refused = module->check(request, {});
    REQUIRE(refused.has_value());
    CHECK(refused->kind == Kind::deny);
    CHECK(refused->decision.reason == ReasonCode::server_busy);
    CHECK_FALSE(refused->is_lasting);
    request->is_cancelled = true;  // then nothing is hashed, and nobody told
    gate.unlock();
    while (f.pool.waiting_count() != 0) {
        std::this_thread::yield();
    }
    f.pool.stop();
    CHECK_FALSE(f.pool.submit([](UserReader&) {}));
}

TEST_CASE("certificates and pre-shared keys prove a name, and only that one") {
    Fixture f;
    auto identity = std::make_shared<TransportIdentity>();
    identity->common_name = "meter-7";
    identity->subject = "CN=meter-7,O=Works";
    identity->alternative_names = {"DNS:a.example", "DNS:b.example", "URI:urn:x", "email:m@x"};
    identity->fingerprint = "ab12";
    const std::pair<NameInCertificate, const char*> names[] = {
        {NameInCertificate::common_name, "meter-7"},
        {NameInCertificate::subject, "CN=meter-7,O=Works"},
        {NameInCertificate::fingerprint, "ab12"},
        {NameInCertificate::dns, "a.example"},
        {NameInCertificate::uri, "urn:x"},
        {NameInCertificate::email, "m@x"}};
    for (const auto& [where, name] : names) {
        const auto module = make_certificate_module(where);
        const AuthVerdict verdict = f.ask(*module, {.identity = identity});
        CHECK(verdict.kind == Kind::allow);
        CHECK(verdict.decision.username == name);
        CHECK(f.kind_of(*module, {.username = name, .identity = identity}) == Kind::allow);
        CHECK(f.kind_of(*module, {.username = "root", .identity = identity}) == Kind::next);
        CHECK(f.kind_of(*module, {.username = "root", .password = "x"}) == Kind::next);
    }
    const auto certificate = make_certificate_module(NameInCertificate::common_name);
    auto without_name = std::make_shared<TransportIdentity>();
    without_name->fingerprint = "ab12";
    CHECK(f.kind_of(*certificate, {.identity = without_name}) == Kind::next);
    auto told_by_proxy = std::make_shared<TransportIdentity>();
    told_by_proxy->common_name = "meter-8";
    CHECK(f.ask(*certificate, {.identity = told_by_proxy}).decision.username == "meter-8");
    CHECK(f.kind_of(*certificate, {.username = "root", .identity = told_by_proxy}) == Kind::next);
    CHECK(f.kind_of(*make_certificate_module(NameInCertificate::fingerprint),
                    {.identity = told_by_proxy}) == Kind::next);
    CHECK(certificate->concerns(*request_of({.identity = identity})));
    CHECK_FALSE(certificate->concerns(*request_of({.username = "ann"})));

    auto key = std::make_shared<TransportIdentity>();
    key->psk_identity = "sensor-1";
    const auto psk = make_psk_module();
    CHECK(f.kind_of(*certificate, {.identity = key}) == Kind::next);
    CHECK(f.kind_of(*psk, {.identity = identity}) == Kind::next);
    CHECK(f.ask(*psk, {.identity = key}).decision.username == "sensor-1");
    CHECK(f.kind_of(*psk, {.username = "root", .identity = key}) == Kind::next);
    CHECK(f.kind_of(*psk, {}) == Kind::next);
}

TEST_CASE("tokens in the password and in the name") {
    Fixture f;
    const std::string good = jwt(R"({"sub":"ann","exp":4102444800})");
    const std::string forged = jwt(R"({"sub":"ann"})", "guess");
    const std::string expired = jwt(R"({"sub":"ann","exp":1})");
    const auto module = make_jwt_module(f.context, jwt_options());
    const AuthVerdict verdict = f.ask(*module, {.password = good.c_str()});
    CHECK(verdict.kind == Kind::allow);
    CHECK(verdict.decision.username == "ann");
    CHECK(verdict.decision.grants->expires_at == WallTime{4102444800s});
    CHECK(f.kind_of(*module, {.username = "x", .password = forged.c_str()}) == Kind::deny);
    CHECK(f.ask(*module, {.password = forged.c_str()}).is_lasting);
    const AuthVerdict late = f.ask(*module, {.password = expired.c_str()});
    CHECK(late.kind == Kind::deny);
    CHECK_FALSE(late.is_lasting);
    CHECK(late.detail == "expired");
    CHECK(f.kind_of(*module, {.username = "ann", .password = "a.b.c"}) == Kind::next);
    CHECK(f.kind_of(*module, {.username = good.c_str()}) == Kind::next);
    CHECK(f.kind_of(*module, {}) == Kind::next);

    const auto in_name = make_jwt_module(f.context, jwt_options(true));
    CHECK(f.kind_of(*in_name, {.username = good.c_str()}) == Kind::allow);
    CHECK(f.kind_of(*in_name, {.username = "ann", .password = good.c_str()}) == Kind::next);
}

TEST_CASE("cookies, signed and as tokens") {
    Fixture f;
    const std::string secret = "sixteen bytes or more";
    const auto cookie = [&](Seconds left) {
        return "a=b; session=" +
               make_signed_cookie(secret, "session",
                                  {.username = "ann", .expires_at = wall_now() + left});
    };
    const auto module = make_cookie_module(f.context, {.name = "session", .secret = secret});
    const std::string good = cookie(60s);
    const std::string old = cookie(-60s);
    const std::string tampered = good + "x";
    const AuthVerdict verdict = f.ask(*module, {.cookie = good.c_str()});
    CHECK(verdict.kind == Kind::allow);
    CHECK(verdict.decision.username == "ann");
    CHECK(verdict.decision.grants->expires_at > wall_now() + 50s);
    CHECK(f.kind_of(*module, {.username = "ann", .cookie = good.c_str()}) == Kind::allow);
    CHECK(f.kind_of(*module, {.username = "root", .cookie = good.c_str()}) == Kind::next);
    CHECK(f.kind_of(*module, {.username = "ann", .password = "x", .cookie = good.c_str()}) ==
          Kind::next);
    CHECK(f.kind_of(*module, {.cookie = old.c_str()}) == Kind::deny);
    CHECK(f.ask(*module, {.cookie = old.c_str()}).decision.reason ==
          ReasonCode::bad_user_name_or_password);
    CHECK(f.kind_of(*module, {.cookie = tampered.c_str()}) == Kind::deny);
    CHECK(f.kind_of(*module, {.cookie = "session="}) == Kind::deny);
    CHECK(f.kind_of(*module, {.cookie = "other=x"}) == Kind::next);
    CHECK(f.kind_of(*module, {}) == Kind::next);

    const auto token =
        make_cookie_module(f.context, {.name = "token", .secret = {}, .jwt = jwt_options()});
    const std::string right = "token=" + jwt(R"({"sub":"ann"})");
    const std::string wrong = "token=" + jwt(R"({"sub":"ann"})", "guess");
    CHECK(f.ask(*token, {.cookie = right.c_str()}).decision.username == "ann");
    CHECK(f.ask(*token, {.cookie = right.c_str()}).decision.source == AuthSource::cookie);
    CHECK(f.kind_of(*token, {.username = "root", .cookie = right.c_str()}) == Kind::next);
    CHECK(f.kind_of(*token, {.cookie = wrong.c_str()}) == Kind::deny);
    CHECK(f.kind_of(*token, {.cookie = "token=password"}) == Kind::deny);
}
