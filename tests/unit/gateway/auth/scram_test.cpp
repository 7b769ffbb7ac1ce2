// SCRAM-SHA-256: the example of RFC 7677, section 3, and what must not be taken.
#include "gateway/auth/scram.hpp"

#include "gateway/auth/crypto.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace gw::auth;

namespace {

constexpr std::string_view server_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr std::string_view client_first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view client_final =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

ScramKeys example_keys(std::string_view password = "pencil") {
    return derive_scram_keys(password, *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096);
}

/// A client that knows the password, written from the RFC.
std::string proof_for(std::string_view bare, std::string_view server_first,
                      std::string_view without_proof, std::string_view password) {
    const std::string salted =
        pbkdf2(HashKind::sha256, password, *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096, 32);
    std::string key = hmac(HashKind::sha256, salted, "Client Key");
    const std::string signature = hmac(
        HashKind::sha256, digest(HashKind::sha256, key),
        std::string{bare} + "," + std::string{server_first} + "," + std::string{without_proof});
    for (std::size_t i = 0; i < key.size(); ++i) {
        key[i] = static_cast<char>(key[i] ^ signature[i]);
    }
    return std::string{without_proof} + ",p=" + base64_encode(key);
}

}  // namespace

TEST_CASE("the example of RFC 7677") {
    ScramServer server{std::string{server_nonce}};
    CHECK(*server.on_first(client_first) == "user");
    CHECK(server.challenge(example_keys()) ==
          "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    const auto answer = server.on_final(client_final);
    REQUIRE(answer.has_value());
    CHECK(*answer == "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

TEST_CASE("the first message: what is taken, what is refused and why") {
    struct Row {
        std::string_view message;
        std::string_view name;  // empty: refused
        ScramError error = ScramError::malformed;
    };
    constexpr Row rows[] = {
        {"n,,n=user,r=abc", "user"},
        {"y,,n=user,r=abc", "user"},
        {"n,a=user,n=user,r=abc", "user"},
        {"n,,n=a=2Cb=3Dc,r=abc", "a,b=c"},
        {"n,,n=user,r=abc,x=extension", "user"},
        {"p=tls-unique,,n=user,r=abc", "", ScramError::channel_binding},
        {"n,,m=later,n=user,r=abc", "", ScramError::extension},
        {"n,a=root,n=user,r=abc", "", ScramError::other_identity},
        {"", ""},
        {"n", ""},
        {"n,", ""},
        {"n,,", ""},
        {"x,,n=user,r=abc", ""},
        {"n,b=user,n=user,r=abc", ""},
        {"n,,n=,r=abc", ""},
        {"n,,n=user", ""},
        {"n,,n=user,r=", ""},
        {"n,,n=us=er,r=abc", ""},
        {"n,,n=us=2cer,r=abc", ""},
        {"n,,r=abc,n=user", ""},
        {"n,,n=user,r=a b", ""},
        {"n,,n=us\x01er,r=abc", ""},
        {"n,,n=\xff,r=abc", ""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.message);
        ScramServer server{"server"};
        const auto name = server.on_first(row.message);
        CHECK(name.has_value() == !row.name.empty());
        if (name) {
            CHECK(*name == row.name);
        } else {
            CHECK(name.error() == row.error);
        }
    }
    ScramServer server{"server"};
    CHECK_FALSE(server.on_first("n,,n=user,r=" + std::string(5000, 'x')).has_value());
}

TEST_CASE("the final message must fit the exchange and prove the password") {
    const auto answer_to = [](std::string_view message, std::string_view password = "pencil") {
        ScramServer server{std::string{server_nonce}};
        static_cast<void>(server.on_first(client_first));
        server.challenge(example_keys(password));
        return server.on_final(message);
    };
    CHECK(answer_to(client_final).has_value());
    CHECK(answer_to(client_final, "pencils").error() == ScramError::wrong_proof);
    struct Row {
        std::string_view message;
        ScramError error;
    };
    constexpr Row rows[] = {
        {"", ScramError::malformed},
        {"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", ScramError::malformed},
        {"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=AAAA",
         ScramError::malformed},
        {"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
         "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVR=",
         ScramError::malformed},
        {"c=eSws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
         "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
         ScramError::channel_binding},
        {"c=biws,r=rOprNGfwEbeRWgbNEkqO,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
         ScramError::wrong_nonce},
        {"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
         "p=AHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
         ScramError::wrong_proof},
    };
    for (const Row& row : rows) {
        CAPTURE(row.message);
        const auto answer = answer_to(row.message);
        REQUIRE_FALSE(answer.has_value());
        CHECK(answer.error() == row.error);
    }
}

TEST_CASE("a client that thinks the server knows no channel binding, and names its authority") {
    ScramServer server{"server"};
    REQUIRE(server.on_first("y,a=user,n=user,r=abc").has_value());
    const std::string first = server.challenge(example_keys());
    const std::string header = "c=" + base64_encode("y,a=user,") + ",r=abcserver";
    CHECK(server.on_final(proof_for("n=user,r=abc", first, header, "pencil")).has_value());
    const std::string other = "c=" + base64_encode("n,,") + ",r=abcserver";
    CHECK(server.on_final(proof_for("n=user,r=abc", first, other, "pencil")).error() ==
          ScramError::channel_binding);
}

TEST_CASE("a user who does not exist has the same salt each time, and no proof fits") {
    const ScramKeys one = fake_scram_keys("secret", "eve", 4096);
    const ScramKeys again = fake_scram_keys("secret", "eve", 4096);
    CHECK(one.salt == again.salt);
    CHECK(one.salt.size() == 16);
    CHECK(one.iterations == 4096);
    CHECK(fake_scram_keys("secret", "mal", 4096).salt != one.salt);
    CHECK(fake_scram_keys("other", "eve", 4096).salt != one.salt);
    ScramServer server{std::string{server_nonce}};
    static_cast<void>(server.on_first(client_first));
    server.challenge(one);
    CHECK_FALSE(server.on_final(client_final).has_value());
}
