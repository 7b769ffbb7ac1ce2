// Tokens: what is read of them, what is refused and why.
#include "gateway/auth/jwt.hpp"

#include "gateway/auth/crypto.hpp"
#include "tests/unit/gateway/auth/jwt_vectors.hpp"

#include <doctest/doctest.h>

#include <string>
#include <tuple>

using namespace gw;
using namespace gw::auth;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view secret = "a secret of thirty-two bytes, or so";
const WallTime now{1'700'000'000s};

std::string encode(std::string_view text) {
    return base64_encode(text, Base64::url);
}

std::string token_of(const std::string& claims,
                     const std::string& header = R"({"alg":"HS256","typ":"JWT"})") {
    const std::string text = encode(header) + "." + encode(claims);
    return text + "." + encode(hmac(HashKind::sha256, secret, text));
}

JwtKeys keys() {
    JwtKeys keys;
    keys.add(JwtKey::from_secret(std::string{secret}));
    return keys;
}

JwtRules rules() {
    JwtRules rules;
    rules.name_claims = {"sub", "username"};
    rules.acl_claim = "acl";
    rules.superuser_claim = "is_superuser";
    rules.groups_claim = "groups";
    rules.attributes_claim = "client_attrs";
    return rules;
}

Result<JwtIdentity, JwtError> read(const std::string& token, const JwtRules& with = rules(),
                                   const JwtBearer& bearer = {.client_id = "c1",
                                                              .shown_name = {}}) {
    return read_jwt(token, keys(), with, bearer, now);
}

Result<JwtIdentity, JwtError> read_claims_of(const std::string& claims,
                                             const JwtRules& with = rules()) {
    return read(token_of(claims), with);
}

using Rule = std::tuple<bool, bool, bool, std::string>;  // allow, publish, subscribe, filter

std::vector<Rule> rules_of(const AuthGrants& grants) {
    std::vector<Rule> list;
    for (const GrantedRule& rule : grants.rules) {
        list.emplace_back(rule.is_allow, rule.for_publish, rule.for_subscribe, rule.filter);
    }
    return list;
}

}  // namespace

TEST_CASE("a token with everything") {
    const auto identity = read_claims_of(R"({"sub":"ann","exp":1700000060,"nbf":1699999999,
        "iat":1699999999.5,"is_superuser":true,"groups":["ops","meters"],
        "client_attrs":{"site":"north","floor":3,"indoor":true},
        "acl":{"pub":["a/${clientid}/b"],"sub":["eq a/#","%u/+"],"all":["c/#"]}})");
    REQUIRE(identity.has_value());
    CHECK(identity->username == "ann");
    CHECK(identity->is_superuser);
    const AuthGrants& grants = *identity->grants;
    CHECK(grants.expires_at == now + 60s);
    CHECK(grants.groups == std::vector<std::string>{"ops", "meters"});
    CHECK(grants.attributes == std::vector<std::pair<std::string, std::string>>{
                                   {"site", "north"}, {"floor", "3"}, {"indoor", "true"}});
    CHECK(grants.has_rules);
    CHECK(rules_of(grants) == std::vector<Rule>{{true, true, false, "a/c1/b"},
                                                {true, false, true, "eq a/#"},
                                                {true, false, true, "ann/+"},
                                                {true, true, true, "c/#"}});
}

TEST_CASE("tokens of another library, with all algorithms") {
    for (const auto& one : testing::signed_tokens) {
        CAPTURE(one.algorithm);
        JwtKeys public_keys;
        auto parsed = parse_pem_keys(one.key);
        REQUIRE(parsed.has_value());
        public_keys.add(std::move(parsed->front()));
        JwtRules restricted = rules();
        const JwtBearer bearer{.client_id = "c", .shown_name = {}};
        const auto identity = read_jwt(one.token, public_keys, restricted, bearer, now);
        REQUIRE(identity.has_value());
        CHECK(identity->username == "ann");
        restricted.algorithms = {JwtAlgorithm::hs256};
        CHECK(read_jwt(one.token, public_keys, restricted, bearer, now).error() ==
              JwtError::algorithm);
    }
}

TEST_CASE("no claim about rights means none, an empty one means no rights") {
    const auto free = read_claims_of(R"({"sub":"ann"})");
    REQUIRE(free.has_value());
    CHECK_FALSE(free->grants->has_rules);
    CHECK(free->grants->expires_at == WallTime::max());
    CHECK_FALSE(free->is_superuser);
    for (const char* claims : {R"({"sub":"ann","acl":{}})", R"({"sub":"ann","acl":[]})"}) {
        const auto bound = read_claims_of(claims);
        REQUIRE(bound.has_value());
        CHECK(bound->grants->has_rules);
        CHECK(bound->grants->rules.empty());
    }
}

TEST_CASE("rights as a list of rules") {
    const auto identity = read_claims_of(R"({"sub":"ann","acl":[
        {"permission":"deny","action":"publish","topic":"a/b"},
        {"permission":"allow","action":"all","topics":["a/#","${username}/x"]},
        {"permission":"allow","action":"subscribe","topic":"eq #"}]})");
    REQUIRE(identity.has_value());
    CHECK(rules_of(*identity->grants) == std::vector<Rule>{{false, true, false, "a/b"},
                                                           {true, true, true, "a/#"},
                                                           {true, true, true, "ann/x"},
                                                           {true, false, true, "eq #"}});
}

TEST_CASE("a name with a wildcard never widens a right") {
    const std::string token =
        token_of(R"({"sub":"#","acl":{"all":["home/%u","x/%c/y","eq %u","plain"]}})");
    const auto identity = read(token, rules(), {.client_id = "+", .shown_name = {}});
    REQUIRE(identity.has_value());
    CHECK(rules_of(*identity->grants) == std::vector<Rule>{{true, true, true, "plain"}});
    const auto slash = read(token, rules(), {.client_id = "a/b", .shown_name = {}});
    CHECK(rules_of(*slash->grants) == std::vector<Rule>{{true, true, true, "plain"}});
}

TEST_CASE("a name that is a placeholder, or begins with a dollar sign, never widens a right") {
    const auto rules_for = [](const char* name, std::string_view client_id) {
        const std::string token =
            token_of(std::string{R"({"sub":")"} + name +
                     R"(","acl":{"all":["x/%u","${username}/#","eq x/%u","%c","plain"]}})");
        const auto identity = read(token, rules(), {.client_id = client_id, .shown_name = {}});
        REQUIRE(identity.has_value());
        return rules_of(*identity->grants);
    };
    // What is left is read as a rule of the file, where "%%" is a percent sign.
    CHECK(rules_for("%c", "%u") == std::vector<Rule>{{true, true, true, "x/%%c"},
                                                     {true, true, true, "%%c/#"},
                                                     {true, true, true, "eq x/%c"},
                                                     {true, true, true, "%%u"},
                                                     {true, true, true, "plain"}});
    CHECK(rules_for("50%", "$SYS") == std::vector<Rule>{{true, true, true, "x/50%%"},
                                                        {true, true, true, "50%%/#"},
                                                        {true, true, true, "eq x/50%"},
                                                        {true, true, true, "plain"}});
    CHECK(rules_for("$SYS", "") == std::vector<Rule>{{true, true, true, "x/$SYS"},
                                                     {true, true, true, "eq x/$SYS"},
                                                     {true, true, true, "plain"}});
}

TEST_CASE("claims of a wrong type refuse the token") {
    for (const char* claims : {
             R"({"sub":"ann","exp":"soon"})",
             R"({"sub":"ann","exp":-1})",
             R"({"sub":"ann","exp":null})",
             R"({"sub":"ann","nbf":{}})",
             R"({"sub":"ann","acl":"all"})",
             R"({"sub":"ann","acl":{"pub":"a"}})",
             R"({"sub":"ann","acl":{"publishing":["a"]}})",
             R"({"sub":"ann","acl":{"pub":["a#"]}})",
             R"({"sub":"ann","acl":{"pub":[""]}})",
             R"({"sub":"ann","acl":{"pub":[1]}})",
             R"({"sub":"ann","acl":[{"action":"all","topic":"a"}]})",
             R"({"sub":"ann","acl":[{"permission":"allow","topic":"a"}]})",
             R"({"sub":"ann","acl":[{"permission":"allow","action":"all"}]})",
             R"({"sub":"ann","acl":["a"]})",
             R"({"sub":"ann","is_superuser":"true"})",
             R"({"sub":"ann","groups":{}})",
             R"({"sub":"ann","groups":["a b"]})",
             R"({"sub":"ann","client_attrs":[]})",
             R"({"sub":"ann","client_attrs":{"a":[]}})",
         }) {
        CAPTURE(claims);
        const auto identity = read_claims_of(claims);
        REQUIRE_FALSE(identity.has_value());
        CHECK(identity.error() == JwtError::wrong_claim);
    }
    CHECK(read_claims_of(R"({"sub":"ann","groups":"a, b c"})")->grants->groups.size() == 3);
}

TEST_CASE("times, with leeway and without") {
    struct Row {
        const char* claims;
        std::int64_t leeway;  // s
        bool is_good;
        std::int64_t ends;  // s from now; 0: never
    };
    constexpr Row rows[] = {
        {R"({"sub":"a","exp":1700000001})", 0, true, 1},
        {R"({"sub":"a","exp":1700000000})", 0, false, 0},
        {R"({"sub":"a","exp":1699999999})", 0, false, 0},
        {R"({"sub":"a","exp":1699999999})", 1, false, 0},
        {R"({"sub":"a","exp":1699999999})", 2, true, 1},
        {R"({"sub":"a","exp":1700000005})", 2, true, 5},
        {R"({"sub":"a","exp":1e300})", 0, true, 0},
        {R"({"sub":"a","exp":18446744073709551615})", 0, true, 0},
        {R"({"sub":"a","nbf":1700000000})", 0, true, 0},
        {R"({"sub":"a","nbf":1700000001})", 0, false, 0},
        {R"({"sub":"a","nbf":1700000001})", 1, true, 0},
        {R"({"sub":"a","iat":1700000002})", 1, false, 0},
        {R"({"sub":"a","iat":1})", 0, true, 0},
    };
    for (const Row& row : rows) {
        CAPTURE(row.claims);
        JwtRules with = rules();
        with.leeway = Seconds{row.leeway};
        const auto identity = read_claims_of(row.claims, with);
        CHECK(identity.has_value() == row.is_good);
        if (identity) {
            CHECK(identity->grants->expires_at ==
                  (row.ends == 0 ? WallTime::max() : now + Seconds{row.ends}));
        }
    }
    JwtRules strict = rules();
    strict.requires_expiry = true;
    CHECK(read_claims_of(R"({"sub":"a"})", strict).error() == JwtError::expired);
}

TEST_CASE("audience, issuer, client id") {
    JwtRules with = rules();
    with.audience = "gateway";
    CHECK(read_claims_of(R"({"sub":"a","aud":"gateway"})", with).has_value());
    CHECK(read_claims_of(R"({"sub":"a","aud":["x","gateway"]})", with).has_value());
    CHECK(read_claims_of(R"({"sub":"a","aud":["x"]})", with).error() == JwtError::audience);
    CHECK(read_claims_of(R"({"sub":"a"})", with).error() == JwtError::audience);
    with = rules();
    with.issuer = "https://id.example";
    CHECK(read_claims_of(R"({"sub":"a","iss":"https://id.example"})", with).has_value());
    CHECK(read_claims_of(R"({"sub":"a","iss":"https://id.example/"})", with).error() ==
          JwtError::issuer);
    with = rules();
    with.client_id_claim = "device";
    CHECK(read_claims_of(R"({"sub":"a","device":"c1"})", with).has_value());
    CHECK(read_claims_of(R"({"sub":"a","device":"c2"})", with).error() == JwtError::client_id);
    CHECK(read_claims_of(R"({"sub":"a"})", with).error() == JwtError::client_id);
}

TEST_CASE("whose token it is") {
    const std::string token = token_of(R"({"sub":"42","username":"ann"})");
    CHECK(read(token)->username == "42");
    CHECK(read(token, rules(), {.client_id = "c", .shown_name = "ann"})->username == "ann");
    CHECK(read(token, rules(), {.client_id = "c", .shown_name = "root"})->username == "42");
    CHECK(read_claims_of(R"({"username":"ann"})")->username == "ann");
    CHECK(read_claims_of(R"({})").error() == JwtError::no_name);
    CHECK(read_claims_of(R"({"sub":42})").error() == JwtError::no_name);
    CHECK(read_claims_of(R"({"sub":""})").error() == JwtError::no_name);
    CHECK(read_claims_of(R"({"sub":"a\u0000b"})").error() == JwtError::no_name);
}

TEST_CASE("what is no token, and tokens that are not right") {
    const std::string good = token_of(R"({"sub":"ann"})");
    REQUIRE(read(good).has_value());
    const std::string unsigned_text =
        encode(R"({"alg":"none"})") + "." + encode(R"({"sub":"ann"})");
    struct Row {
        std::string token;
        JwtError error;
    };
    const Row rows[] = {
        {"", JwtError::not_a_token},
        {"password", JwtError::not_a_token},
        {"a.b.c", JwtError::not_a_token},
        {good + ".x", JwtError::not_a_token},
        {encode("[]") + ".e30.", JwtError::not_a_token},
        {encode("{}") + ".e30.", JwtError::not_a_token},
        {unsigned_text + ".", JwtError::algorithm},
        {unsigned_text + ".AAAA", JwtError::algorithm},
        {token_of(R"({"sub":"ann"})", R"({"alg":"nOnE"})"), JwtError::algorithm},
        {token_of(R"({"sub":"ann"})", R"({"alg":["HS256"]})"), JwtError::algorithm},
        {token_of(R"({"sub":"ann"})", R"({"alg":"HS512"})"), JwtError::signature},
        {token_of(R"({"sub":"ann"})", R"({"alg":"RS256"})"), JwtError::signature},
        {token_of(R"({"sub":"ann"})", R"({"alg":"HS256","crit":["b64"],"b64":false})"),
         JwtError::critical},
        {good.substr(0, good.size() - 1), JwtError::malformed},
        {good + "=", JwtError::malformed},
        {good.substr(0, good.rfind('.') + 1), JwtError::signature},
        {token_of("no JSON"), JwtError::malformed},
        {token_of("[]"), JwtError::malformed},
        {std::string(100'000, 'x') + ".x.x", JwtError::not_a_token},
    };
    for (const Row& row : rows) {
        CAPTURE(row.token.substr(0, 200));
        const auto identity = read(row.token);
        REQUIRE_FALSE(identity.has_value());
        CHECK(jwt_error_text(identity.error()) == jwt_error_text(row.error));
        CHECK(looks_like_jwt(row.token) == (row.error != JwtError::not_a_token));
    }
    // Every letter counts.
    for (std::size_t i = 0; i < good.size(); ++i) {
        std::string changed = good;
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        CHECK_FALSE(read(changed).has_value());
    }
    // JSON that nests deeply is refused, not followed.
    CHECK_FALSE(read(token_of(std::string(50'000, '['))).has_value());
}
