#include "adapters/http/origin.hpp"

#include "tests/support/doctest_strings.hpp"

using namespace gw::http;

namespace {

std::string_view verdict(std::string_view origin, std::string_view host,
                         std::vector<std::string> allowed = {}) {
    Request request;
    request.fields.push_back({"Host", std::string{host}});
    request.fields.push_back({"Origin", std::string{origin}});
    switch (check_origin(request, {std::move(allowed)})) {
        case OriginVerdict::trusted:
            return "trusted";
        case OriginVerdict::by_name:
            return "by name";
        case OriginVerdict::stranger:
            return "stranger";
        case OriginVerdict::refused:
            return "refused";
    }
    return "";
}

}  // namespace

TEST_CASE("programs, which send no Origin, come in") {
    CHECK(check_origin(Request{}, {}) == OriginVerdict::trusted);
}

TEST_CASE("a page of the same host comes in, whatever its port and scheme") {
    CHECK(verdict("http://10.0.0.1", "10.0.0.1:8083") == "trusted");
    CHECK(verdict("https://10.0.0.1:444", "10.0.0.1") == "trusted");
    CHECK(verdict("http://localhost:3000", "127.0.0.1:8083") == "trusted");
    CHECK(verdict("http://[::1]:3000", "localhost") == "trusted");
    CHECK(verdict("http://[fd00::1]", "[fd00::1]:80") == "trusted");
    CHECK(verdict("http://b.example", "a.example") == "refused");
    CHECK(verdict("http://a.example.evil", "a.example") == "refused");
    CHECK(verdict("http://127.0.0.1", "a.example") == "refused");
    CHECK(verdict("null", "a.example") == "refused");
    CHECK(verdict("", "a.example") == "refused");
    CHECK(verdict("a.example", "a.example") == "refused");
}

TEST_CASE("a page of the same name comes in, and is told from one of the same address") {
    CHECK(verdict("http://a.example", "a.example:8083") == "by name");
    CHECK(verdict("https://A.example:444", "a.example") == "by name");
    CHECK(verdict("http://a.example", "a.example", {"*"}) == "by name");
    CHECK(verdict("http://localhost.evil.example", "localhost.evil.example") == "by name");
    CHECK(verdict("https://a.example", "a.example", {"https://a.example"}) == "trusted");
    Request request;
    CHECK_FALSE(is_for_named_host(request));
    request.fields.push_back({"Host", ""});
    for (const char* const host : {"127.0.0.1:80", "[::1]:80", "localhost", "LocalHost:1"}) {
        request.fields.front().value = host;
        CHECK_FALSE(is_for_named_host(request));
    }
    request.fields.front().value = "a.example:80";
    CHECK(is_for_named_host(request));
}

TEST_CASE("others come in when they are listed") {
    CHECK(verdict("https://b.example", "a", {"https://b.example"}) == "trusted");
    CHECK(verdict("http://b.example", "a", {"https://b.example"}) == "refused");
    CHECK(verdict("https://b.example:1", "a", {"https://b.example"}) == "refused");
    CHECK(verdict("https://b.example:1", "a", {"b.example"}) == "trusted");
    CHECK(verdict("https://x.b.example", "a", {"https://*.b.example"}) == "trusted");
    CHECK(verdict("https://b.example", "a", {"https://*.b.example"}) == "refused");
    CHECK(verdict("https://evilb.example", "a", {"https://*.b.example"}) == "refused");
    CHECK(verdict("http://x.b.example", "a", {"https://*.b.example"}) == "refused");
    CHECK(verdict("null", "a", {"null"}) == "trusted");
    CHECK(verdict("https://evil", "a", {"*"}) == "stranger");
    CHECK(verdict("https://b.example", "a", {"*", "b.example"}) == "trusted");
}

TEST_CASE("two Origins are none") {
    Request request;
    request.fields = {{"Host", "a"}, {"Origin", "http://a"}, {"Origin", "http://a"}};
    CHECK(check_origin(request, {}) == OriginVerdict::refused);
}
