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

TEST_CASE("a page of the same name comes in, and is told from one of this host") {
    CHECK(verdict("http://a.example", "a.example:8083") == "trusted");
    CHECK(verdict("https://A.example:444", "a.example") == "trusted");
    CHECK(verdict("http://a.example", "a.example", {"*"}) == "trusted");
    CHECK(verdict("http://localhost.evil.example", "localhost.evil.example") == "trusted");
    CHECK(verdict("https://a.example", "a.example", {"https://a.example"}) == "trusted");
    struct Row {
        std::vector<Field> fields;
        bool is_of_this_host;
        const char* because;
    };
    const Row rows[] = {
        {{}, true, "HTTP/1.0 names no host"},
        {{{"Host", "127.0.0.1:80"}}, true, "an address"},
        {{{"Host", "[::1]:80"}}, true, "an address"},
        {{{"Host", "192.0.2.1"}}, true, "an address that no name stands for"},
        {{{"Host", "LocalHost:1"}}, true, "browsers ask nobody for this name"},
        {{{"Host", "a.example:80"}}, false, "anybody's name"},
        {{{"Host", "localhost.evil.example"}}, false, "anybody's name"},
        {{{"Host", "localhost"}, {"Host", "a.example"}}, false, "which one?"},
        {{{"Host", "localhost"}, {"Origin", "http://127.0.0.1:3000"}}, true, "a page of this host"},
        {{{"Host", "localhost"}, {"Origin", "https://a.example"}}, false, "however allowed"},
        {{{"Host", "127.0.0.1"}, {"Origin", "null"}}, false, "a file, or a frame"},
        {{{"Host", "127.0.0.1"}, {"Origin", ""}}, false, "says nothing"},
        {{{"Host", "a.example"}, {"Origin", "http://a.example"}}, false, "DNS rebinding"},
        {{{"Host", "localhost"}, {"Sec-WebSocket-Origin", "http://a.example"}}, false, "drafts"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.because);
        Request request;
        request.fields = row.fields;
        CHECK(is_of_this_host(request) == row.is_of_this_host);
    }
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
