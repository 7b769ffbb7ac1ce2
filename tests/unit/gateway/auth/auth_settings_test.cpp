// From the configuration to the modules: which take part, and which files are refused.
#include "gateway/auth/auth_settings.hpp"

#include "config/parse/loader.hpp"
#include "config/parse/report.hpp"
#include "tests/support/temp_folder.hpp"
#include "tests/unit/gateway/auth/jwt_vectors.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace gw;
using namespace gw::auth;
using gw::test::TempFolder;

namespace {

struct NoAnswers final : AuthAnswers {
    void post(const AuthTicket&, AuthVerdict) override {}
};

struct Fixture {
    Result<AuthModuleSetPtr> build(const std::vector<std::string>& settings,
                                   bool users_exist = false) {
        config::Sources sources;
        sources.settings = settings;
        const auto loaded = config::load(sources);
        REQUIRE(loaded.has_value());
        return build_modules(loaded->config.auth,
                             {.hashing = pool, .tokens = pool, .answers = answers}, users_exist);
    }
    /// "users jwt"; "! why" when it is refused.
    std::string names(const std::vector<std::string>& settings, bool users_exist = false) {
        const auto set = build(settings, users_exist);
        if (!set) {
            return "! " + set.error().text();
        }
        std::string text;
        for (const auto& module : (*set)->modules) {
            text += (text.empty() ? "" : " ") + std::string{auth_source_name(module->source())};
        }
        return text;
    }

    TempFolder folder;
    NoAnswers answers;
    AuthPool pool{{.name = "test", .thread_count = 1, .waiting_count_max = 1, .users_path = {}}};
};

}  // namespace

TEST_CASE("modules without anything to decide by take no part") {
    Fixture f;
    CHECK(f.names({}) == "certificate psk");
    CHECK(f.names({"auth.order="}).empty());
    CHECK(f.names({"auth.order= users , jwt "}, true) == "users");
    CHECK(f.names({}, true) == "users certificate psk");
    CHECK(f.names({"auth.user.1.username=ann", "auth.user.1.password=x"}) ==
          "users certificate psk");
    CHECK(f.names({"auth.client.1.clientid=c"}) == "client_id certificate psk");
    CHECK(f.names({"auth.jwt.secret=x", "auth.order=jwt,users"}, true) == "jwt users");
    CHECK(f.names({"auth.cookie.name=s", "auth.cookie.secret=sixteen bytes or more"}) ==
          "certificate psk cookie");
    const std::string pem = f.folder.write("keys.pem", testing::rsa_pem);
    CHECK(f.names({"auth.jwt.pubkey=" + pem, "auth.order=jwt"}) == "jwt");
    CHECK(f.names({"auth.jwt.pubkey=" + pem, "auth.cookie.name=s", "auth.cookie.format=jwt",
                   "auth.order=cookie"}) == "cookie");
    const std::string ids = f.folder.write("ids",
                                           "# ids\nc1\nc2:$2b$06$abcdefghijklmnopqrstuuxLa0AkD"
                                           "DSrQ9VwNnETzOsObiucpMYgC\nurn:dev:$1\r\n");
    CHECK(f.names({"auth.client_id.file=" + ids}).find("auth.client_id.file: ") == 2);
    f.folder.write("ids", "# ids\nc1\nurn:dev:1\r\n");
    CHECK(f.names({"auth.client_id.file=" + ids, "auth.order=client_id"}) == "client_id");
}

TEST_CASE("what a reload must refuse, and never with a secret in the text") {
    Fixture f;
    const std::string nothing = f.folder.write("empty", "");
    const std::string pem = f.folder.write("keys.pem", testing::rsa_pem);
    const std::string text = f.folder.write("text", "hidden");
    const std::string short_key = f.folder.write("short.pem", testing::small_rsa_pem);
    struct Row {
        std::vector<std::string> settings;
        std::string why;
    };
    const Row rows[] = {
        {{"auth.user.1.username=a", "auth.user.1.password=hidden", "auth.user.2.username=a",
          "auth.user.2.password=hidden"},
         "auth.user.2.username: stands twice"},
        {{"auth.jwt.secret_file=" + f.folder.path().string() + "/none"},
         "auth.jwt.secret_file: cannot read "},
        {{"auth.jwt.secret_file=" + nothing}, "auth.jwt.secret_file: "},
        {{"auth.jwt.secret_file=" + pem}, "auth.jwt.secret_file: "},
        {{"auth.jwt.secret=hidden", "auth.jwt.secret_file=" + text}, "auth.jwt.secret: is set"},
        {{"auth.jwt.secret=hidden!", "auth.jwt.secret_base64=true"},
         "auth.jwt.secret: is not base64"},
        {{"auth.jwt.pubkey=" + text}, "auth.jwt.pubkey: " + text + ": no public key in PEM"},
        {{"auth.jwt.pubkey=" + short_key}, "auth.jwt.pubkey: "},
        {{"auth.jwt.jwks=" + text}, "auth.jwt.jwks: " + text + ": no JSON object"},
        {{"auth.jwt.algorithms=RS256,none"}, "auth.jwt.algorithms: `none` is not known"},
        {{"auth.jwt.user_claim= , "}, "auth.jwt.user_claim: names no claim"},
        {{"auth.cookie.name=s"}, "auth.cookie.secret: must have 16 bytes at least"},
        {{"auth.cookie.name=s", "auth.cookie.secret=hidden"}, "auth.cookie.secret: must have"},
        {{"auth.cookie.name=s", "auth.cookie.format=jwt"}, "auth.cookie.format: is jwt, but"},
    };
    for (const Row& row : rows) {
        const std::string outcome = f.names(row.settings);
        CAPTURE(outcome);
        CHECK(outcome.starts_with("! " + row.why));
        CHECK(outcome.find("hidden") == std::string::npos);
    }
    // Keys that are wrong are told even when no module uses them.
    CHECK(f.names({"auth.order=users", "auth.jwt.jwks=" + text}).starts_with("! auth.jwt.jwks"));
}

TEST_CASE("secrets from files and in base64") {
    Fixture f;
    const std::string file = f.folder.write("secret", "c2VjcmV0\r\n");
    CHECK(f.names({"auth.jwt.secret_file=" + file, "auth.order=jwt"}) == "jwt");
    CHECK(f.names({"auth.jwt.secret_file=" + file, "auth.jwt.secret_base64=true",
                   "auth.order=jwt"}) == "jwt");
    CHECK(f.names({"auth.jwt.secret=-_8", "auth.jwt.secret_base64=true", "auth.order=jwt"}) ==
          "jwt");
}

TEST_CASE("secrets are neither shown nor named in a change") {
    config::Sources sources;
    sources.settings = {"auth.jwt.secret=hidden", "auth.user.1.username=ann",
                        "auth.user.1.password=hidden"};
    const auto with = config::load(sources);
    const auto without = config::load(config::Sources{});
    REQUIRE(with.has_value());
    const std::string shown = config::show_text(*with);
    CHECK(shown.find("hidden") == std::string::npos);
    CHECK(shown.find("# auth.jwt.secret is set, and not shown") != std::string::npos);
    for (const auto& changes : {config::diff(*without, *with), config::diff(*with, *without)}) {
        CHECK(changes.size() == 3);
        for (const config::Change& change : changes) {
            CHECK(change.value_old.find("hidden") == std::string::npos);
            CHECK(change.value_new.find("hidden") == std::string::npos);
        }
    }
}
