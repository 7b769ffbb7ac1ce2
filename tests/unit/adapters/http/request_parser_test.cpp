#include "adapters/http/request_parser.hpp"

#include "tests/support/doctest_strings.hpp"

#include <string>

using namespace gw;
using namespace gw::http;
using Status = RequestParser::Status;

namespace {

constexpr ParserLimits limits{.head_bytes_max = 400, .body_bytes_max = 100};

/// Gives the bytes in pieces, as a driver does: what is not consumed comes again with more.
struct Fed {
    Fed(std::string_view bytes, std::size_t step) {
        std::string kept;
        for (std::size_t at = 0; at < bytes.size(); at += step) {
            kept += bytes.substr(at, step);
            while (!kept.empty() && parser.status() != Status::complete &&
                   parser.status() != Status::error) {
                const std::size_t count = parser.put(as_bytes(kept));
                kept.erase(0, count);
                if (count == 0) {
                    break;
                }
            }
        }
        left = kept;
    }
    RequestParser parser{limits};
    std::string left;
};

std::string outcome(std::string_view bytes, std::size_t step) {
    Fed fed{bytes, step};
    RequestParser& parser = fed.parser;
    switch (parser.status()) {
        case Status::head_incomplete:
            return "head";
        case Status::body_incomplete:
            return "body";
        case Status::error:
            return std::to_string(parser.error_status());
        case Status::complete:
            break;
    }
    const Request& request = parser.request();
    return request.method + " " + request.path + "?" + request.query + " 1." +
           std::to_string(request.minor_version) + (request.keeps_alive ? " keep " : " close ") +
           request.body + "|" + fed.left;
}

/// The same however the bytes are cut.
std::string outcome(std::string_view bytes) {
    const std::string whole = outcome(bytes, bytes.size());
    for (const std::size_t step : {1U, 2U, 7U}) {
        CAPTURE(step);
        CHECK(outcome(bytes, step) == whole);
    }
    return whole;
}

}  // namespace

TEST_CASE("requests are read, whole or cut") {
    CHECK(outcome("GET /mqtt?a=b HTTP/1.1\r\nHost: x\r\n\r\n") == "GET /mqtt?a=b 1.1 keep |");
    CHECK(outcome("GET / HTTP/1.0\r\n\r\n") == "GET /? 1.0 close |");
    CHECK(outcome("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") == "GET /? 1.0 keep |");
    CHECK(outcome("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") ==
          "GET /? 1.1 close |");
    CHECK(outcome("\r\nGET http://x/y HTTP/1.1\r\nHost: x\r\n\r\n") == "GET /y? 1.1 keep |");
    CHECK(outcome("GET http://x?q HTTP/1.1\r\nHost: x\r\n\r\n") == "GET /?q 1.1 keep |");
    CHECK(outcome("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n") == "OPTIONS *? 1.1 keep |");
    CHECK(outcome("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc") ==
          "POST /x? 1.1 keep abc|");
    CHECK(outcome("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n") ==
          "POST /x? 1.1 keep |");
    CHECK(outcome("POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n") == "POST /x? 1.1 keep abc|");
}

TEST_CASE("what follows a request is left alone") {
    CHECK(outcome("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /2", 1000) == "GET /? 1.1 keep |GET /2");
}

TEST_CASE("each prefix of a request is incomplete") {
    const std::string whole = "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    for (std::size_t size = 1; size < whole.size(); ++size) {
        const std::string told = outcome(whole.substr(0, size), 1000);
        CAPTURE(size);
        CHECK(told == (size + 3 < whole.size() ? "head" : "body"));
    }
}

TEST_CASE("empty lines before a request count in its limit, however they arrive") {
    const std::string request =
        "GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(300, 'a') + "\r\n\r\n";
    for (const std::size_t step : {1, 7, 1000}) {
        CAPTURE(step);
        CHECK(outcome(std::string(40, '\r') + request, step).starts_with("GET "));
        CHECK(outcome(std::string(80, '\r') + request, step) == "431");
        CHECK(outcome(std::string(500, '\r') + "x", step) == "431");
    }
}

TEST_CASE("wrong requests have their status") {
    const std::string long_field = "X: " + std::string(500, 'a');
    CHECK(outcome("GET / HTTP/1.1\r\n\r\n") == "400");
    CHECK(outcome("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n") == "400");
    CHECK(outcome("GET x HTTP/1.1\r\nHost: x\r\n\r\n") == "400");
    CHECK(outcome("GET / HTTP/2.0\r\nHost: x\r\n\r\n") == "505");
    CHECK(outcome("GET / HTTP/1.1\r\nHost: x\r\n" + long_field + "\r\n\r\n") == "431");
    CHECK(outcome("GET / HTTP/1.1\r\nHost: x\r\n" + long_field) == "431");
    CHECK(outcome("GET / HTTP/1.1\r\nHost: x\r\nBad Name: y\r\n\r\n") == "400");
    CHECK(outcome("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n") == "413");
    CHECK(outcome("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n") == "413");
    CHECK(outcome("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n") == "400");
    CHECK(outcome("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n") == "400");
    CHECK(outcome("\x10\x0e", 2) == "400");
    CHECK(outcome("\x16\x03\x01", 3) == "400");
}

TEST_CASE("a request whose end is not clear is none") {
    const auto ended = [](std::string_view fields, std::string_view body, unsigned minor = 1) {
        return outcome("POST / HTTP/1." + std::to_string(minor) + "\r\nHost: x\r\n" +
                       std::string{fields} + "\r\n\r\n" + std::string{body});
    };
    for (const char* const fields :
         {"Transfer-Encoding: identity", "Transfer-Encoding: gzip", "Transfer-Encoding: xchunked",
          "Transfer-Encoding: chunked, identity", "Transfer-Encoding: chunked, chunked",
          "Transfer-Encoding: gzip, chunked",
          "Transfer-Encoding: ", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
          "transfer-encoding: chunked\r\nTRANSFER-ENCODING: identity",
          "Content-Length: 3\r\nTransfer-Encoding: chunked",
          "Content-Length: 3\r\nTransfer-Encoding: identity",
          "Content-Length: 3\r\nContent-Length: 3", "Content-Length: 3, 3", "Content-Length: +3",
          "Content-Length: 3 3", "Content-Length: 0x3", "Content-Length: "}) {
        CAPTURE(fields);
        CHECK(ended(fields, "3\r\nabc\r\n0\r\n\r\n") == "400");
    }
    CHECK(ended("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n", 0) == "400");
    CHECK(ended("Transfer-Encoding: \t ChUnKeD ", "3\r\nabc\r\n0\r\n\r\n") ==
          "POST /? 1.1 keep abc|");
    CHECK(ended("Content-Length: 003", "abc") == "POST /? 1.1 keep abc|");
}

TEST_CASE("fields are found in any case, and joined") {
    Fed fed{"GET / HTTP/1.1\r\nhost: x\r\nA: 1 \r\nb: 2\r\na:3\r\nE: a, Upgrade\r\n\r\n", 1000};
    const Request& request = fed.parser.request();
    CHECK(request.find("HOST") == "x");
    CHECK(request.joined("a") == "1, 3");
    CHECK(request.count("A") == 2);
    CHECK(request.has_token("e", "upgrade"));
    CHECK_FALSE(request.has_token("e", "up"));
    CHECK_FALSE(request.find("nothing"));
}

TEST_CASE("a client that waits for it is to be told to go on") {
    Fed fed{"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
            1000};
    CHECK(fed.parser.expects_continue());
}

TEST_CASE("chunks have extensions, trailers and bounds") {
    const auto chunked = [](std::string_view body) {
        return outcome("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" +
                       std::string{body});
    };
    CHECK(chunked("A;x=y\r\n0123456789\r\n0\r\nT: u\r\nV: w\r\n\r\n") ==
          "POST /? 1.1 keep 0123456789|");
    CHECK(chunked("000\r\n\r\n") == "POST /? 1.1 keep |");
    CHECK(chunked("3\r\nabcd\r\n") == "400");
    CHECK(chunked("3\r\nabc\n") == "400");
    CHECK(chunked("\r\n") == "400");
    CHECK(chunked("-1\r\n") == "400");
    CHECK(chunked("x\r\n") == "400");
    CHECK(chunked("65\r\n") == "413");
    CHECK(chunked("64\r\n" + std::string(100, 'x') + "\r\n1\r\n") == "413");
    CHECK(chunked("fffffffffffffffff\r\n") == "400");
    CHECK(chunked(std::string(401, '0')) == "413");
    CHECK(chunked("0\r\n" + std::string(300, 'x') + "\r\n" + std::string(300, 'x') + "\r\n") ==
          "413");
    // Beast 1.81 asserts on this one, which is why it reads heads alone here.
    CHECK(chunked("0\r\nabc\r\n0\rr\n\r\n") == "400");
}
