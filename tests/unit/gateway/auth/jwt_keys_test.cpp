// Keys and signatures: the examples of RFC 7515, 7517 and 8037, and tokens of another library.
#include "gateway/auth/jwt_keys.hpp"

#include "gateway/auth/crypto.hpp"
#include "tests/unit/gateway/auth/jwt_vectors.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace gw::auth;
using namespace gw::auth::testing;

namespace {

struct Split {
    std::string_view text;
    std::string signature;
};

Split split(std::string_view token) {
    const std::size_t dot = token.rfind('.');
    return {token.substr(0, dot), base64_decode(token.substr(dot + 1), Base64::url).value_or("")};
}

JwtKeys keys_of(gw::Result<std::vector<JwtKey>> parsed) {
    REQUIRE(parsed.has_value());
    JwtKeys keys;
    for (JwtKey& key : *parsed) {
        keys.add(std::move(key));
    }
    return keys;
}

bool verifies(const JwtKeys& keys, std::string_view algorithm, std::string_view token,
              std::string_view key_id = {}) {
    const Split parts = split(token);
    return keys.verify(*jwt_algorithm(algorithm), key_id, parts.text, parts.signature);
}

constexpr std::string_view hs256_jwk =
    R"({"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"})";
constexpr std::string_view hs256_token =
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    "."
    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
constexpr std::string_view rs256_jwk =
    R"({"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"})";
constexpr std::string_view rs256_token =
    "eyJhbGciOiJSUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    "."
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5ju"
    "jGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07"
    "Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipU"
    "TI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
constexpr std::string_view es256_jwk =
    R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})";
constexpr std::string_view es256_token =
    "eyJhbGciOiJFUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    "."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
constexpr std::string_view eddsa_jwk =
    R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";
constexpr std::string_view eddsa_token =
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

struct Example {
    std::string_view algorithm, jwk, token;
};
constexpr Example examples[] = {{"HS256", hs256_jwk, hs256_token},
                                {"RS256", rs256_jwk, rs256_token},
                                {"ES256", es256_jwk, es256_token},
                                {"EdDSA", eddsa_jwk, eddsa_token}};

}  // namespace

TEST_CASE("the examples of RFC 7515, A.1 to A.3, and RFC 8037, A.4") {
    for (const Example& example : examples) {
        CAPTURE(example.algorithm);
        const JwtKeys keys = keys_of(parse_jwks(example.jwk));
        CHECK(verifies(keys, example.algorithm, example.token));
        std::string changed{example.token};
        changed[30] = changed[30] == 'a' ? 'b' : 'a';
        CHECK_FALSE(verifies(keys, example.algorithm, changed));
        CHECK_FALSE(
            verifies(keys, example.algorithm,
                     std::string_view{example.token}.substr(0, example.token.rfind('.') + 1)));
    }
}

TEST_CASE("every algorithm with keys in PEM, and no other algorithm with the same key") {
    constexpr std::string_view all[] = {"HS256", "HS384", "HS512", "RS256", "RS384",
                                        "RS512", "PS256", "PS384", "PS512", "ES256",
                                        "ES384", "ES512", "EdDSA"};
    for (const SignedToken& one : signed_tokens) {
        CAPTURE(one.algorithm);
        const JwtKeys keys = keys_of(parse_pem_keys(one.key));
        for (const std::string_view algorithm : all) {
            CAPTURE(algorithm);
            CHECK(verifies(keys, algorithm, one.token) == (algorithm == one.algorithm));
        }
    }
}

TEST_CASE("a public key is no secret: a token signed with its text is worth nothing") {
    for (const std::string_view pem : {rsa_pem, es256_pem}) {
        const JwtKeys keys = keys_of(parse_pem_keys(pem));
        const std::string text = "eyJhbGciOiJIUzI1NiJ9.e30";
        for (const std::string_view secret : {pem, pem.substr(0, pem.size() - 1)}) {
            CHECK_FALSE(
                keys.verify(JwtAlgorithm::hs256, {}, text, hmac(HashKind::sha256, secret, text)));
        }
    }
}

TEST_CASE("the key id chooses among the keys") {
    const auto set = [](std::string_view first, std::string_view second) {
        return keys_of(
            parse_jwks(R"({"keys":[)" + std::string{first} + "," + std::string{second} + "]}"));
    };
    const std::string named = R"({"kty":"oct","kid":"new","k":"AAAA"})";
    const JwtKeys keys = set(named, hs256_jwk);
    CHECK(keys.size() == 2);
    CHECK(verifies(keys, "HS256", hs256_token));
    CHECK(verifies(keys, "HS256", hs256_token, "unknown"));  // the key without a name
    CHECK_FALSE(verifies(keys, "HS256", hs256_token, "new"));
    const JwtKeys all_named = keys_of(parse_jwks(named));
    CHECK_FALSE(verifies(all_named, "HS256", hs256_token, "unknown"));
}

TEST_CASE("JSON Web Key Sets: what is passed over and what is refused") {
    struct Row {
        std::string text;
        std::size_t count;  // 0: refused
    };
    const std::string hs{hs256_jwk};
    const auto with = [&](const std::string& more) {
        return hs.substr(0, hs.size() - 1) + "," + more + "}";
    };
    const auto set = [](const std::string& keys) {
        return R"({"keys":[)" + keys + "]}";
    };
    const Row rows[] = {
        {set(hs + "," + std::string{rs256_jwk}), 2},
        {set(hs + R"(,{"kty":"unknown"})"), 1},
        {set(hs + R"(,{"kty":"EC","crv":"P-192"})"), 1},
        {set(hs + "," + with(R"("use":"enc")")), 1},
        {set(hs + "," + with(R"("key_ops":["sign"])")), 1},
        {set(hs + "," + with(R"("key_ops":["sign","verify"])")), 2},
        {set(hs + "," + with(R"("alg":"HS999")")), 1},
        {with(R"("alg":"HS256")"), 1},
        {with(R"("alg":"RS256")"), 0},
        {"", 0},
        {"[]", 0},
        {"{}", 0},
        {R"({"keys":{}})", 0},
        {R"({"keys":[]})", 0},
        {R"({"keys":[1]})", 0},
        {set(R"({"kty":"oct"})"), 0},
        {set(R"({"kty":"oct","k":""})"), 0},
        {set(R"({"kty":"oct","k":"not base64!"})"), 0},
        {set(R"({"kty":"RSA","n":"AQAB","e":"AQAB"})"), 0},
        {set(R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a1"})"),
         0},
        {set(R"({"kty":"OKP","crv":"Ed25519","x":"AAAA"})"), 0},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        const auto keys = parse_jwks(row.text);
        CHECK(keys.has_value() == (row.count != 0));
        if (keys) {
            CHECK(keys->size() == row.count);
        }
    }
    std::string many = hs;
    for (int i = 0; i < 100; ++i) {
        many += "," + hs;
    }
    CHECK_FALSE(parse_jwks(set(many)).has_value());
    const auto restricted = keys_of(parse_jwks(with(R"("alg":"HS384")")));
    CHECK_FALSE(verifies(restricted, "HS256", hs256_token));
}

TEST_CASE("PEM: several keys, none, private ones, too short ones") {
    CHECK(
        parse_pem_keys(std::string{rsa_pem} + "text between\n" + std::string{es256_pem})->size() ==
        2);
    CHECK_FALSE(parse_pem_keys("").has_value());
    CHECK_FALSE(parse_pem_keys("a secret").has_value());
    CHECK_FALSE(parse_pem_keys(small_rsa_pem).has_value());
    CHECK_FALSE(
        parse_pem_keys("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n").has_value());
    const auto refused =
        parse_pem_keys("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().text().find("private key") != std::string::npos);
}

TEST_CASE("names of algorithms are exact, and none is none") {
    for (const std::string_view name :
         {"none", "None", "NONE", "", "hs256", "HS256 ", "HS1", "ES256K"}) {
        CAPTURE(name);
        CHECK_FALSE(jwt_algorithm(name).has_value());
    }
}
