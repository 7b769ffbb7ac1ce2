#include "broker-core/base/ip_address.hpp"

#include "tests/support/doctest_strings.hpp"

using gw::IpAddress;
using gw::IpRange;

TEST_CASE("an address is read and written, an IPv4 one in either form") {
    CHECK(IpAddress::parse("10.1.2.3")->text() == "10.1.2.3");
    CHECK(IpAddress::parse("::ffff:10.1.2.3")->text() == "10.1.2.3");
    CHECK(IpAddress::parse("fd00::1")->text() == "fd00::1");
    CHECK(*IpAddress::parse("::ffff:10.1.2.3") == *IpAddress::parse("10.1.2.3"));
    CHECK(IpAddress::parse("10.1.2.3")->is_v4());
    CHECK_FALSE(IpAddress::parse("fd00::1")->is_v4());
    for (const std::string_view bad :
         {"", "10.1.2", "10.1.2.256", "localhost", "fd00::1%eth0", "1.2.3.4 ", ":::", "12345::"}) {
        CAPTURE(bad);
        CHECK_FALSE(IpAddress::parse(bad));
    }
    CHECK_FALSE(IpAddress::parse(std::string_view{"1.2.3.4\0x", 9}));
}

TEST_CASE("loopback is 127.0.0.0/8 and ::1, also through an IPv6 socket") {
    CHECK(IpAddress::parse("127.0.0.1")->is_loopback());
    CHECK(IpAddress::parse("127.255.0.9")->is_loopback());
    CHECK(IpAddress::parse("::1")->is_loopback());
    CHECK(IpAddress::parse("::ffff:127.0.0.1")->is_loopback());
    CHECK_FALSE(IpAddress::parse("128.0.0.1")->is_loopback());
    CHECK_FALSE(IpAddress::parse("::2")->is_loopback());
    CHECK_FALSE(IpAddress::parse("0.0.0.0")->is_loopback());
}

TEST_CASE("a range holds what its prefix says") {
    struct Row {
        std::string_view range, address;
        bool inside;
        std::string_view because;
    };
    static constexpr Row rows[] = {
        {"10.0.0.0/8", "10.255.0.1", true, "eight bits are equal"},
        {"10.0.0.0/8", "11.0.0.1", false, "the eighth bit differs"},
        {"10.0.0.0/8", "::ffff:10.9.9.9", true, "the same client through an IPv6 socket"},
        {"10.128.0.0/9", "10.127.0.1", false, "a prefix that ends inside a byte"},
        {"10.128.0.0/9", "10.200.0.1", true, "a prefix that ends inside a byte"},
        {"192.168.1.7", "192.168.1.7", true, "a bare address is a range of one"},
        {"192.168.1.7", "192.168.1.8", false, "a bare address is a range of one"},
        {"0.0.0.0/0", "8.8.8.8", true, "every IPv4 address"},
        {"0.0.0.0/0", "fd00::1", false, "but no IPv6 one"},
        {"::/0", "8.8.8.8", true, "IPv4 is part of the 16-byte form"},
        {"fd00::/8", "fdff::1", true, "IPv6"},
        {"fd00::/8", "fe00::1", false, "IPv6"},
        {"::1", "::1", true, "IPv6 of one"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.range);
        CAPTURE(row.address);
        CAPTURE(row.because);
        CHECK(IpRange::parse(row.range)->contains(*IpAddress::parse(row.address)) == row.inside);
    }
}

TEST_CASE("what is no range is refused") {
    for (const std::string_view bad : {"", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x",
                                       "10.0.0.1/8", "/8", "fd00::/129", "fd00::1/64", "all"}) {
        CAPTURE(bad);
        CHECK_FALSE(IpRange::parse(bad));
    }
    CHECK(IpRange::parse("10.0.0.0/8")->text() == "10.0.0.0/8");
    CHECK(IpRange::parse("fd00::/8")->text() == "fd00::/8");
}
