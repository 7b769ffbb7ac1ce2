#include "gateway/auth/crypto.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace gw::auth;

namespace {

std::string hex(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const char c : bytes) {
        text += digits[static_cast<unsigned char>(c) >> 4];
        text += digits[static_cast<unsigned char>(c) & 15];
    }
    return text;
}

}  // namespace

TEST_CASE("base64 of RFC 4648, section 10, and nothing but its one spelling") {
    constexpr std::pair<std::string_view, std::string_view> rows[] = {{"", ""},
                                                                      {"f", "Zg=="},
                                                                      {"fo", "Zm8="},
                                                                      {"foo", "Zm9v"},
                                                                      {"foob", "Zm9vYg=="},
                                                                      {"fooba", "Zm9vYmE="},
                                                                      {"foobar", "Zm9vYmFy"}};
    for (const auto& [plain, encoded] : rows) {
        CHECK(base64_encode(plain) == encoded);
        CHECK(base64_decode(encoded) == plain);
        std::string bare{encoded};
        while (bare.ends_with('=')) {
            bare.pop_back();
        }
        CHECK(base64_encode(plain, Base64::url) == bare);
        CHECK(base64_decode(bare, Base64::url) == plain);
    }
    CHECK(base64_encode("\xfb\xff", Base64::url) == "-_8");
    CHECK(base64_encode("\xfb\xff") == "+/8=");
    for (const std::string_view wrong : {"Zg", "Zg=", "Zg===", "Zh==", "Zm9", "Z", "Zm9v\n", "Zm 9",
                                         "====", "=", "Zm9v====", "-_8="}) {
        CAPTURE(wrong);
        CHECK_FALSE(base64_decode(wrong).has_value());
    }
    for (const std::string_view wrong : {"Zg==", "Zh", "Z", "+/8", "Zm9v="}) {
        CAPTURE(wrong);
        CHECK_FALSE(base64_decode(wrong, Base64::url).has_value());
    }
}

TEST_CASE("HMAC of RFC 4231 and PBKDF2 of RFC 7914") {
    CHECK(hex(hmac(HashKind::sha256, "Jefe", "what do ya want for nothing?")) ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK(hex(hmac(HashKind::sha512, "Jefe", "what do ya want for nothing?")) ==
          "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
          "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
    CHECK(hmac(HashKind::sha256, "", "x") != hmac(HashKind::sha256, "a", "x"));
    CHECK(hex(pbkdf2(HashKind::sha256, "passwd", "salt", 1, 64)) ==
          "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
          "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
}

TEST_CASE("comparing takes all bytes into account") {
    CHECK(equal_in_constant_time("", ""));
    CHECK(equal_in_constant_time("abc", "abc"));
    CHECK_FALSE(equal_in_constant_time("abc", "abd"));
    CHECK_FALSE(equal_in_constant_time("abc", "ab"));
    CHECK_FALSE(equal_in_constant_time("abc", "xbc"));
}

TEST_CASE("random bytes differ") {
    std::set<std::string> seen;
    for (int i = 0; i < 100; ++i) {
        seen.insert(random_bytes(16));
    }
    CHECK(seen.size() == 100);
}
