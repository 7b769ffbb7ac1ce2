#include "adapters/http/forwarded.hpp"

#include "tests/support/doctest_strings.hpp"

using namespace gw;
using namespace gw::http;

namespace {

struct Outcome {
    std::string address;
    bool is_relayed;
};

Outcome apply(std::string_view from, std::vector<Field> fields) {
    ProxyTrust trust;
    trust.proxies = {*IpRange::parse("10.0.0.0/8"), *IpRange::parse("fd00::/8")};
    Request request;
    request.fields = std::move(fields);
    PeerInfo peer;
    peer.ip = *IpAddress::parse(from);
    peer.address = std::string{from} + ":1";
    apply_forwarded(request, trust, peer);
    return {peer.address, peer.is_relayed};
}

}  // namespace

TEST_CASE("addresses are read as proxies write them") {
    CHECK(parse_forwarded(" 1.2.3.4 ")->ip.text() == "1.2.3.4");
    CHECK(*parse_forwarded("1.2.3.4:80")->port == 80);
    CHECK(parse_forwarded("fd00::1")->ip.text() == "fd00::1");
    CHECK(parse_forwarded("\"[fd00::1]:80\"")->ip.text() == "fd00::1");
    CHECK_FALSE(parse_forwarded("[fd00::1]")->port);
    for (const std::string_view bad :
         {"", "unknown", "1.2.3.4:x", "1.2.3.4:70000", "[::1", "_x", "1.2.3", "[::1]x"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_forwarded(bad));
    }
}

TEST_CASE("only trusted proxies are believed, and only as far as they saw") {
    struct Row {
        std::string_view from, list, address, because;
        bool is_relayed;
    };
    const Row rows[] = {
        {"192.0.2.1", "6.6.6.6", "192.0.2.1:1", "not a trusted proxy", true},
        {"10.0.0.1", "203.0.113.9", "203.0.113.9", "one hop", true},
        {"10.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9", "the client's own claim", true},
        {"10.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9", "two proxies", true},
        {"10.0.0.1", "10.0.0.7, 10.0.0.2", "10.0.0.7", "client in the proxies' net", true},
        {"10.0.0.1", "203.0.113.9, unknown, 10.0.0.2", "10.0.0.2", "it saw no address", true},
        {"10.0.0.1", "203.0.113.9, ", "203.0.113.9", "empty elements mean nothing", true},
        {"10.0.0.1", "rubbish", "10.0.0.1:1", "nobody to believe", true},
        {"10.0.0.1", "203.0.113.9:77", "203.0.113.9:77", "with port", true},
        {"fd00::1", "2001:db8::5", "2001:db8::5", "IPv6", true},
    };
    for (const Row& row : rows) {
        CAPTURE(row.because);
        const Outcome outcome = apply(row.from, {{"x-forwarded-for", std::string{row.list}}});
        CHECK(outcome.address == row.address);
        CHECK(outcome.is_relayed == row.is_relayed);
    }
}

TEST_CASE("several fields are one list, and other fields help out") {
    CHECK(apply("10.0.0.1", {{"X-Forwarded-For", "6.6.6.6"}, {"X-Forwarded-For", "203.0.113.9"}})
              .address == "203.0.113.9");
    CHECK(apply("10.0.0.1", {{"X-Forwarded-For", "203.0.113.9"}, {"X-Forwarded-Port", "5"}})
              .address == "203.0.113.9:5");
    CHECK(apply("10.0.0.1", {{"X-Real-IP", "203.0.113.9"}}).address == "203.0.113.9");
    CHECK(
        apply("10.0.0.1", {{"X-Real-IP", "1.1.1.1"}, {"X-Forwarded-For", "203.0.113.9"}}).address ==
        "203.0.113.9");
    CHECK(apply("192.0.2.1", {{"X-Real-IP", "203.0.113.9"}}).address == "192.0.2.1:1");
    const Outcome none = apply("10.0.0.1", {});
    CHECK(none.address == "10.0.0.1:1");
    CHECK(none.is_relayed);
}

TEST_CASE("whoever left a trace of a proxy is not near, whether or not it is trusted") {
    struct Row {
        const char* name;
        bool is_relayed;
    };
    constexpr Row rows[] = {
        {"Forwarded", true},         {"via", true},       {"X-Forwarded-For", true},
        {"x-forwarded-proto", true}, {"X-Real-IP", true}, {"X-Forwarded", false},
        {"Accept", false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        const Outcome outcome = apply("127.0.0.1", {{"Host", "127.0.0.1"}, {row.name, "x"}});
        CHECK(outcome.is_relayed == row.is_relayed);
        CHECK(outcome.address == "127.0.0.1:1");
    }
    CHECK_FALSE(apply("127.0.0.1", {{"Host", "localhost:8083"}}).is_relayed);
    CHECK(apply("127.0.0.1", {{"Host", "broker.example"}}).is_relayed);
}
