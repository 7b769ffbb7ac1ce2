#include "adapters/websocket/handshake.hpp"

#include "tests/support/doctest_strings.hpp"

#include <algorithm>

using namespace gw;
using namespace gw::websocket;

namespace {

http::Request request_with(std::vector<http::Field> changes = {}) {
    http::Request request;
    request.method = "GET";
    request.path = "/mqtt";
    request.fields = {
        {"Host", "broker.example:8083"},       {"Upgrade", "websocket"},
        {"Connection", "keep-alive, Upgrade"}, {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
        {"Sec-WebSocket-Version", "13"},       {"Sec-WebSocket-Protocol", "mqtt"}};
    for (const http::Field& change : changes) {
        std::erase_if(request.fields,
                      [&](const http::Field& one) { return one.name == change.name; });
        if (!change.value.empty()) {
            request.fields.push_back(change);
        }
    }
    return request;
}

const HandshakeRules rules{
    .protocols = {"mqtt", "mqttv3.1"}, .requires_protocol = true, .origins = {}};

unsigned status_of(const http::Request& request, const HandshakeRules& with = rules) {
    const auto answer = answer_handshake(request, with);
    return answer ? answer->response.status : answer.error().status;
}

std::string field_of(const http::Response& response, std::string_view name) {
    for (const http::Field& field : response.fields) {
        if (field.name == name) {
            return field.value;
        }
    }
    return "";
}

}  // namespace

TEST_CASE("the accept value is that of RFC 6455, 1.3") {
    CHECK(accept_value("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST_CASE("a good request is upgraded, with the protocol it prefers among ours") {
    const auto answer = answer_handshake(
        request_with({{"Sec-WebSocket-Protocol", "soap, mqttv3.1, mqtt"}, {"Cookie", "a=b"}}),
        rules);
    REQUIRE(answer);
    CHECK(answer->response.status == 101);
    CHECK(answer->protocol == "mqttv3.1");
    CHECK(answer->cookie == "a=b");
    CHECK(field_of(answer->response, "Sec-WebSocket-Protocol") == "mqttv3.1");
    CHECK(field_of(answer->response, "Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    CHECK(field_of(answer->response, "Sec-WebSocket-Extensions").empty());
}

TEST_CASE("each wrong request has its status") {
    struct Row {
        std::vector<http::Field> changes;
        unsigned status;
    };
    const Row rows[] = {
        {{{"Upgrade", ""}}, 426},
        {{{"Upgrade", "h2c"}}, 426},
        {{{"Upgrade", "WebSocket"}}, 101},
        {{{"Connection", ""}}, 400},
        {{{"Connection", "keep-alive"}}, 400},
        {{{"Connection", "UPGRADE"}}, 101},
        {{{"Sec-WebSocket-Version", ""}}, 426},
        {{{"Sec-WebSocket-Version", "8"}}, 426},
        {{{"Sec-WebSocket-Version", "13, 8"}}, 426},
        {{{"Sec-WebSocket-Key", ""}}, 400},
        {{{"Sec-WebSocket-Key", "dGhlIHNhbXBsZQ=="}}, 400},
        {{{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQAA"}}, 400},
        {{{"Sec-WebSocket-Key", "dGhlIHNhbXBs!SBub25jZQ=="}}, 400},
        {{{"Sec-WebSocket-Protocol", ""}}, 400},
        {{{"Sec-WebSocket-Protocol", "soap"}}, 400},
        {{{"Sec-WebSocket-Protocol", "MQTT"}}, 400},
        {{{"Sec-WebSocket-Protocol", "mqtt, \"x\""}}, 400},
        {{{"Origin", "https://broker.example"}}, 101},
        {{{"Origin", "https://evil.example"}}, 403},
        {{{"Origin", "null"}}, 403},
    };
    for (const Row& row : rows) {
        CAPTURE(row.changes.front().name);
        CAPTURE(row.changes.front().value);
        CHECK(status_of(request_with(row.changes)) == row.status);
    }
    http::Request old = request_with();
    old.minor_version = 0;
    CHECK(status_of(old) == 400);
    http::Request twice = request_with();
    twice.fields.push_back({"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="});
    CHECK(status_of(twice) == 400);
    const auto refused = answer_handshake(request_with({{"Sec-WebSocket-Version", "8"}}), rules);
    CHECK(field_of(refused.error(), "Sec-WebSocket-Version") == "13");
    CHECK(field_of(refused.error(), "Upgrade") == "websocket");
}

TEST_CASE("whoever needs no protocol is told none") {
    HandshakeRules lax = rules;
    lax.requires_protocol = false;
    const auto answer = answer_handshake(request_with({{"Sec-WebSocket-Protocol", ""}}), lax);
    REQUIRE(answer);
    CHECK(answer->protocol.empty());
    CHECK(field_of(answer->response, "Sec-WebSocket-Protocol").empty());
}

TEST_CASE("the cookie of a page that anybody may have written does not count") {
    HandshakeRules open = rules;
    open.origins.allowed = {"*"};
    const auto answer = answer_handshake(
        request_with({{"Origin", "https://evil.example"}, {"Cookie", "session=1"}}), open);
    REQUIRE(answer);
    CHECK(answer->cookie.empty());
}
