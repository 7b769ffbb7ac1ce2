// Hashes made by other programs are told, hashes of ours come back, and what costs too much or is
// no hash is refused.
#include "gateway/auth/password_hash.hpp"

#include "gateway/auth/password_file.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace gw::auth;

TEST_CASE("hashes of other programs") {
    struct Row {
        std::string_view by;
        std::string_view hash;
        std::string_view password;
    };
    constexpr Row rows[] = {
        {"reference implementation of Argon2",
         "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
         "password"},
        {"OpenBSD's bcrypt", "$2b$06$abcdefghijklmnopqrstuuxLa0AkDDSrQ9VwNnETzOsObiucpMYgC",
         "secret"},
        {"crypt_blowfish's own test",
         "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"},
        {"mosquitto_passwd -H sha512",
         "$6$mBt7kuYT+fvRXjuC$CpyVp+RVajeq92sidzjOSr6K3eymIkXbRv8JnYVyy4N1R8fWcM8mzKIXZzCRqxFUms0V"
         "4wOBYlEuTX6eKsVpgg==",
         "secret"},
        {"mosquitto_passwd -H sha512-pbkdf2",
         "$7$101$PMqIQRcbuXLQBCS5$fJvxv4vcqSAXuxiwe9McVboPcmHzXntvILDVR7fGt8rgSigT8ErRplBbOlXRaho4"
         "NDp/NvM1/3Qj4CHbbT6vDw==",
         "hunter2"},
        {"crypt(3)",
         "$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7eZTITs"
         "uk0Ry5qulYz.",
         "secret"},
        {"Python, as passlib writes it",
         "$pbkdf2-sha256$6400$0ZrzXitFSGltTQnBWOsdew$/hzjypjXGy76eQJ.wq7Ru0Kv4648Yyn016wkJ6SXBIs",
         "password"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.by);
        CHECK(check_password_hash(row.hash).has_value());
        CHECK(verify_password(row.hash, row.password));
        CHECK_FALSE(verify_password(row.hash, std::string{row.password} + "x"));
        CHECK_FALSE(verify_password(row.hash, std::string{row.password} + std::string(1, '\0')));
        CHECK_FALSE(verify_password(row.hash, ""));
        // One letter of the hash is another one.
        std::string other{row.hash};
        const std::size_t at = other.rfind('$') + 30;
        other[at] = other[at] == 'a' ? 'b' : 'a';
        CHECK_FALSE(verify_password(other, row.password));
    }
}

TEST_CASE("our own hashes, each with a salt of its own") {
    for (const HashScheme scheme : {HashScheme::argon2id, HashScheme::bcrypt,
                                    HashScheme::pbkdf2_sha256, HashScheme::pbkdf2_sha512}) {
        const HashParameters parameters{.scheme = scheme,
                                        .argon2_memory_kib = 64,
                                        .argon2_passes = 1,
                                        .bcrypt_cost = 4,
                                        .pbkdf2_iterations = 10};
        const auto one = hash_password("p\xc3\xa4ss", parameters);
        const auto other = hash_password("p\xc3\xa4ss", parameters);
        REQUIRE(one.has_value());
        REQUIRE(other.has_value());
        CAPTURE(*one);
        CHECK(*one != *other);
        CHECK(check_password_hash(*one).has_value());
        CHECK(verify_password(*one, "p\xc3\xa4ss"));
        CHECK_FALSE(verify_password(*one, "pass"));
        if (scheme != HashScheme::bcrypt) {
            const std::string odd = std::string("a\0b", 3) + std::string(1000, 'x');
            const auto hash = hash_password(odd, parameters);
            REQUIRE(hash.has_value());
            CHECK(verify_password(*hash, odd));
            CHECK_FALSE(verify_password(*hash, "a"));
        }
    }
}

TEST_CASE("bcrypt takes no more than it looks at") {
    const HashParameters parameters{.scheme = HashScheme::bcrypt, .bcrypt_cost = 4};
    CHECK(hash_password(std::string(72, 'x'), parameters).has_value());
    CHECK_FALSE(hash_password(std::string(73, 'x'), parameters).has_value());
    CHECK_FALSE(hash_password(std::string("a\0b", 3), parameters).has_value());
}

TEST_CASE("what is no hash, or costs more than is bearable") {
    for (const std::string_view hash : {
             "",
             "secret",
             "$",
             "$$$$",
             "$1$salt$hash",
             "$5$salt$hash",
             "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ",
             "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$"
             "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
             "$argon2id$v=19$m=65536,t=1000000,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZW"
             "b2GRPPc",
             "$argon2id$v=19$t=2,m=65536,p=1$c29tZXNhbHQ$"
             "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
             "$argon2id$v=19$m=65536$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
             "$2b$15$abcdefghijklmnopqrstuuxLa0AkDDSrQ9VwNnETzOsObiucpMYgC",
             "$2b$06$abcdefghijklmnopqrstuuxLa0AkDDSrQ9VwNnETzOsObiucpMYg",
             "$7$0$PMqIQRcbuXLQBCS5$AAAAAAAAAAAAAAAAAAAAAA==",
             "$7$2000001$PMqIQRcbuXLQBCS5$AAAAAAAAAAAAAAAAAAAAAA==",
             "$7$101$PMqIQRcbuXLQBCS5$",
             "$7$101$$AAAAAAAAAAAAAAAAAAAAAA==",
             "$pbkdf2-sha1$1000$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
         }) {
        CAPTURE(hash);
        CHECK_FALSE(check_password_hash(hash).has_value());
        CHECK_FALSE(verify_password(hash, "secret"));
        CHECK_FALSE(verify_password(hash, ""));
    }
    CHECK_FALSE(check_password_hash("$7$1$AAAA$" + std::string(1000, 'A')).has_value());
}

TEST_CASE("password files of mosquitto, with every wrong line told at once") {
    const std::string six =
        "$6$mBt7kuYT+fvRXjuC$CpyVp+"
        "RVajeq92sidzjOSr6K3eymIkXbRv8JnYVyy4N1R8fWcM8mzKIXZzCRqxFUms0V4wOB"
        "YlEuTX6eKsVpgg==";
    const std::string seven =
        "$7$101$PMqIQRcbuXLQBCS5$"
        "fJvxv4vcqSAXuxiwe9McVboPcmHzXntvILDVR7fGt8rgSigT8ErRplBbOlXRaho4NDp/"
        "NvM1/3Qj4CHbbT6vDw==";
    const auto good = parse_password_file("# users\nalice:" + six + "\r\n\nbob:" + seven);
    CHECK(good.problems.empty());
    REQUIRE(good.entries.size() == 2);
    CHECK(good.entries[0].username == "alice");
    CHECK(good.entries[0].password_hash == six);
    CHECK(good.entries[1].username == "bob");
    CHECK(verify_password(good.entries[1].password_hash, "hunter2"));

    const auto bad = parse_password_file("alice\n:" + six + "\nbob:plain\nb\x01b:" + six);
    CHECK(bad.entries.empty());
    REQUIRE(bad.problems.size() == 4);
    CHECK(bad.problems[0] == "line 1: no \"user:hash\"");
    CHECK(bad.problems[1] == "line 2: not a user name");
    CHECK(bad.problems[2].starts_with("line 3: not a password hash"));
    CHECK(bad.problems[2].find("plain") == std::string::npos);  // it may be a password
    CHECK(bad.problems[3] == "line 4: not a user name");
    CHECK(parse_password_file("").entries.empty());
}
