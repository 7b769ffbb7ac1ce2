#include "config/model/config.hpp"
#include "tests/support/doctest_strings.hpp"

using gw::IpAddress;
using gw::IpRange;
using gw::config::access_allows;
using gw::config::AccessRule;

TEST_CASE("the first access rule that matches decides, and no match lets in") {
    const std::vector<AccessRule> rules = {
        {.allow = false, .range = IpRange::parse("10.0.0.13")},
        {.allow = true, .range = IpRange::parse("10.0.0.0/8")},
        {.allow = false, .range = std::nullopt},
    };
    CHECK_FALSE(access_allows(rules, *IpAddress::parse("10.0.0.13")));
    CHECK(access_allows(rules, *IpAddress::parse("10.0.0.14")));
    CHECK_FALSE(access_allows(rules, *IpAddress::parse("192.168.0.1")));
    CHECK(access_allows({}, *IpAddress::parse("192.168.0.1")));
    CHECK(access_allows({rules[0]}, *IpAddress::parse("192.168.0.1")));
}
