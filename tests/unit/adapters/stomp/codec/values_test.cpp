#include "adapters/stomp/codec/values.hpp"

#include <doctest/doctest.h>

using namespace gw;
using namespace gw::stomp;

TEST_CASE("the newest common version is chosen") {
    CHECK(choose_version(std::nullopt) == Version::v1_0);
    CHECK(choose_version("1.0") == Version::v1_0);
    CHECK(choose_version("1.0,1.1") == Version::v1_1);
    CHECK(choose_version("1.2,1.0") == Version::v1_2);
    CHECK(choose_version("1.1, 1.2 ,2.0") == Version::v1_2);
    CHECK(choose_version("2.0,1.3") == std::nullopt);
    CHECK(choose_version("") == std::nullopt);
    CHECK(choose_version("1.20") == std::nullopt);
}

TEST_CASE("heart-beats are two numbers") {
    const auto both = parse_heart_beat("100,200");
    REQUIRE(both.has_value());
    CHECK(both->sends == Milliseconds{100});
    CHECK(both->wants == Milliseconds{200});
    CHECK(parse_heart_beat("0,0").has_value());
    CHECK(parse_heart_beat("0, 5000").has_value());
    // Too long an interval is none that could be missed.
    CHECK(parse_heart_beat("999999999999999999,0")->sends == Milliseconds{1'000'000'000});
    for (const std::string_view wrong :
         {"", ",", "1", "1,", ",1", "a,b", "-1,0", "1,2,3", "1.5,0", "9999999999999999999,0"}) {
        CAPTURE(wrong);
        CHECK_FALSE(parse_heart_beat(wrong).has_value());
    }
}

TEST_CASE("numbers have digits only, and a bound") {
    CHECK(parse_number("0") == 0U);
    CHECK(parse_number("000000000000000000000000000007") == 7U);
    CHECK(parse_number("999999999999999999") == 999999999999999999U);
    for (const std::string_view wrong :
         {"", " 1", "1 ", "+1", "-1", "0x1", "1000000000000000000"}) {
        CAPTURE(wrong);
        CHECK_FALSE(parse_number(wrong).has_value());
    }
}
