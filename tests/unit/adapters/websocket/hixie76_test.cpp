#include "adapters/websocket/hixie76.hpp"

#include "tests/support/doctest_strings.hpp"

#include <algorithm>
#include <utility>
#include <vector>

using namespace gw;
using namespace gw::websocket;
using Event = Hixie76Reader::Event;

namespace {

http::Request request_with(std::vector<http::Field> changes = {}) {
    http::Request request;
    request.method = "GET";
    request.target = "/echo/0/0/websocket?x";
    request.fields = {{"Host", "broker.example:8083"},
                      {"Upgrade", "WebSocket"},
                      {"Connection", "Upgrade"},
                      {"Origin", "http://broker.example"},
                      {"Sec-WebSocket-Key1", "4 @1  46546xW%0l 1 5"},
                      {"Sec-WebSocket-Key2", "12998 5 Y3 1  .P00"}};
    for (const http::Field& change : changes) {
        std::erase_if(request.fields,
                      [&](const http::Field& one) { return one.name == change.name; });
        if (!change.value.empty()) {
            request.fields.push_back(change);
        }
    }
    return request;
}

unsigned status_of(const http::Request& request) {
    const auto answer = answer_hixie76(request, {});
    return answer ? answer->response.status : answer.error().status;
}

std::string field_of(const http::Response& response, std::string_view name) {
    const auto found = std::find_if(response.fields.begin(), response.fields.end(),
                                    [&](const http::Field& one) { return one.name == name; });
    return found == response.fields.end() ? "" : found->value;
}

/// What a reader tells of these bytes, given in pieces of `step`.
std::vector<std::pair<Event, std::string>> events_of(std::string_view text, std::size_t step) {
    Hixie76Reader reader{8};
    std::vector<std::pair<Event, std::string>> told;
    ByteBuffer message;
    for (std::size_t at = 0; at < text.size(); at += step) {
        Bytes in = as_bytes(text.substr(at, step));
        for (Event event = reader.next(in, message); event != Event::need_more;
             event = reader.next(in, message)) {
            told.emplace_back(event, std::string{as_text(message.view())});
            message.clear();
        }
    }
    return told;
}

}  // namespace

TEST_CASE("the answers are those of the draft's own examples") {
    // draft-hixie-thewebsocketprotocol-76, 1.2 and 5.2.
    CHECK(hixie76_number("4 @1  46546xW%0l 1 5") == 829'309'203U);
    CHECK(hixie76_number("12998 5 Y3 1  .P00") == 259'970'620U);
    CHECK(hixie76_answer(829'309'203, 259'970'620, as_bytes("^n:ds[4U")) == "8jKS'y:G*Co,Wxa-");
}

TEST_CASE("numbers that no client may send") {
    for (const std::string_view wrong :
         {"", "12", " x ", "1  2 3 4", "42949672960 ", "99999999999999999999999999 "}) {
        CAPTURE(wrong);
        CHECK_FALSE(hixie76_number(wrong));
    }
    CHECK(hixie76_number("4294967295 ") == 4'294'967'295U);
    CHECK(hixie76_number("0 ") == 0U);
}

TEST_CASE("a request of the draft is answered in its words") {
    CHECK(is_hixie76(request_with()));
    CHECK_FALSE(is_hixie76(request_with({{"Sec-WebSocket-Version", "13"}})));
    const auto answer = answer_hixie76(request_with({{"Cookie", "a=b"}}), {});
    REQUIRE(answer);
    CHECK(answer->response.status == 101);
    CHECK(field_of(answer->response, "Upgrade") == "WebSocket");
    CHECK(field_of(answer->response, "Sec-WebSocket-Origin") == "http://broker.example");
    CHECK(field_of(answer->response, "Sec-WebSocket-Location") ==
          "ws://broker.example:8083/echo/0/0/websocket?x");
    CHECK(answer->cookie == "a=b");
    const auto secure = answer_hixie76(request_with({{"Origin", "https://broker.example"}}), {});
    REQUIRE(secure);
    CHECK(field_of(secure->response, "Sec-WebSocket-Location").starts_with("wss://"));
}

TEST_CASE("requests that are refused") {
    CHECK(status_of(request_with({{"Origin", "http://elsewhere.example"}})) == 403);
    CHECK(status_of(request_with({{"Sec-WebSocket-Key2", ""}})) == 400);
    CHECK(status_of(request_with({{"Sec-WebSocket-Key1", "12"}})) == 400);
    CHECK(status_of(request_with({{"Host", ""}})) == 400);
    http::Request old = request_with();
    old.minor_version = 0;
    CHECK(status_of(old) == 400);
}

TEST_CASE("frames, however they are cut") {
    using namespace std::string_literals;
    const std::string stream = "\0hello\xff\0\xff\0[\"a\"]\xff\xff\0\0late\xff"s;
    const std::vector<std::pair<Event, std::string>> wanted{{Event::message_end, "hello"},
                                                            {Event::message_end, ""},
                                                            {Event::message_end, "[\"a\"]"},
                                                            {Event::close, ""}};
    for (std::size_t step = 1; step <= stream.size(); ++step) {
        CAPTURE(step);
        CHECK(events_of(stream, step) == wanted);
    }
}

TEST_CASE("frames that end the connection") {
    using namespace std::string_literals;
    CHECK(events_of("\x81\x01x"s, 10).front().first == Event::malformed);
    CHECK(events_of("\xff\x01"s, 10).front().first == Event::malformed);
    for (std::size_t step = 1; step <= 12; ++step) {
        CHECK(events_of("\0"s + "123456789\xff", step).front().first == Event::too_big);
    }
    CHECK(events_of("\0"s + "12345678\xff", 1).front().first == Event::message_end);
}
