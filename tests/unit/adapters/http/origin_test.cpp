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

TEST_CASE("a page that Origin does not name is told by Referer and Sec-Fetch-Site") {
    struct Row {
        std::vector<Field> fields;
        OriginVerdict verdict;
        OriginVerdict with_all;  // `*` is allowed
        const char* because;
    };
    constexpr auto trusted = OriginVerdict::trusted;
    constexpr auto stranger = OriginVerdict::stranger;
    constexpr auto refused = OriginVerdict::refused;
    const Field far{"Referer", "https://b.example/page?q"};
    const Field near{"Referer", "https://a.example:444/page"};
    const Field listed{"Referer", "https://c.example/page"};
    const Row rows[] = {
        {{{"Sec-Fetch-Site", "cross-site"}}, refused, stranger, "some page"},
        {{{"Sec-Fetch-Site", "same-site"}}, refused, stranger, "some page of a neighbour"},
        {{{"Sec-Fetch-Site", "what comes"}}, refused, stranger, "not known to be harmless"},
        {{{"Sec-Fetch-Site", "none"}}, trusted, trusted, "the user has typed it"},
        {{{"Sec-Fetch-Site", "same-origin"}}, trusted, trusted, "our own page"},
        {{{"Sec-Fetch-Site", "same-origin"}, far}, trusted, trusted, "the browser knows better"},
        {{far}, refused, stranger, "a browser that does not know Sec-Fetch-Site"},
        {{far, far}, refused, stranger, "which one?"},
        {{{"Referer", "garbage"}}, refused, stranger, "says nothing good"},
        {{{"Referer", ""}}, trusted, trusted, "says nothing"},
        {{near}, trusted, trusted, "the same host"},
        {{{"Sec-Fetch-Site", "same-site"}, near}, trusted, trusted, "the same host"},
        {{{"Sec-Fetch-Site", "cross-site"}, listed}, trusted, trusted, "it is listed"},
        {{{"Origin", "https://b.example"}, near}, refused, stranger, "Origin counts"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.because);
        Request request;
        request.fields = row.fields;
        request.fields.push_back({"Host", "a.example"});
        CHECK(check_origin(request, {{"https://c.example"}}) == row.verdict);
        CHECK(check_origin(request, {{"https://c.example", "*"}}) == row.with_all);
    }
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
        {{{"Host", "localhost"}, {"Referer", "http://a.example/"}}, false, "a page's script"},
        {{{"Host", "localhost"}, {"Referer", "http://localhost:1/"}}, true, "our own page"},
        {{{"Host", "localhost"}, {"Sec-Fetch-Site", "cross-site"}}, false, "some page"},
        {{{"Host", "localhost"}, {"Sec-Fetch-Site", "none"}}, true, "no page"},
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
