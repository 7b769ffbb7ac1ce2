#include "gateway/auth/signed_cookie.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace gw;
using namespace gw::auth;
using namespace std::chrono_literals;

TEST_CASE("a cookie is found by its whole name; of several, the first") {
    struct Row {
        std::string_view header;
        std::string_view value;  // "-": none
    };
    constexpr Row rows[] = {
        {"session=abc", "abc"},
        {"a=1; session=abc; b=2", "abc"},
        {"session=first; session=second", "first"},
        {" session = \"quoted\" ;x=y", "quoted"},
        {"session=a=b", "a=b"},
        {"session=", ""},
        {"my_session=abc", "-"},
        {"session2=abc", "-"},
        {"Session=abc", "-"},
        {"session", "-"},
        {"", "-"},
        {";;;=;", "-"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.header);
        CHECK(find_cookie(row.header, "session").value_or("-") == row.value);
    }
}

TEST_CASE("a signed cookie is good for its name and its time, and nobody can change it") {
    const WallTime now{1'700'000'000s};
    const std::string value = make_signed_cookie("sixteen bytes or more", "session",
                                                 {.username = "ann", .expires_at = now + 60s});
    // Made by three lines of Python with hmac and base64.
    CHECK(value == "YW5u.1700000060.CPXR6B3LdHAk8Wx5eS_VeQf4YUiTYzk9Zo8u1Pf0jHY");
    const auto cookie = read_signed_cookie("sixteen bytes or more", "session", value, now);
    REQUIRE(cookie.has_value());
    CHECK(cookie->username == "ann");
    CHECK(cookie->expires_at == now + 60s);
    const auto is_good = [&](std::string_view text, WallTime when) {
        return read_signed_cookie("sixteen bytes or more", "session", text, when).has_value();
    };
    CHECK(is_good(value, now + 59s));
    CHECK_FALSE(is_good(value, now + 60s));
    CHECK_FALSE(read_signed_cookie("sixteen bytes or mere", "session", value, now).has_value());
    CHECK_FALSE(read_signed_cookie("sixteen bytes or more", "other", value, now).has_value());
    for (std::size_t i = 0; i < value.size(); ++i) {
        CAPTURE(i);
        std::string changed = value;
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        CHECK_FALSE(is_good(changed, now));
        CHECK_FALSE(is_good(std::string_view{value}.substr(0, i), now));
    }
    CHECK_FALSE(is_good(value + "=", now));
    CHECK_FALSE(is_good(value + "." + value, now));
}
