// The message layer and plain requests.
#include "tests/support/coap_test.hpp"

namespace gw::test {

TEST_CASE("CoAP ping is answered with RST (RFC 7252, 4.3)") {
    CoapTest t;
    CHECK(t.ask({.code = Code::empty, .message_id = 9}) == "RST 0.00 #9");
    CHECK(t.ask({.type = Type::non_confirmable, .code = Code::empty, .message_id = 9}) == "");
    CHECK(t.ask({.type = Type::acknowledgement, .code = Code::empty, .message_id = 9}) == "");
    CHECK(t.ask({.type = Type::reset, .code = Code::empty, .message_id = 9}) == "");
}

TEST_CASE("what is no message is reset when it is confirmable, and counted") {
    CoapTest t;
    const auto send = [&t](std::vector<std::uint8_t> bytes) {
        t.net.send(1000, bytes);
        return t.next();
    };
    CHECK(send({0x40, 0x01, 0, 9, 0xff}) == "RST 0.00 #9");
    CHECK(send({0x4f, 0x01, 0, 9}) == "RST 0.00 #9");
    CHECK(send({0x40, 0x21, 0, 9}) == "RST 0.00 #9");
    CHECK(send({0x50, 0x01, 0, 9, 0xff}) == "");  // non-confirmable: ignored
    CHECK(send({0x80, 0x01, 0, 9}) == "");        // another version
    CHECK(send({0x40, 0x01, 0}) == "");
    CHECK(t.world.sum([](const Metrics& m) { return m.datagrams_dropped.value(); }) == 6);
}

TEST_CASE("responses are no business of a server") {
    CoapTest t;
    CHECK(t.ask({.code = Code::content, .message_id = 9}) == "RST 0.00 #9");
    CHECK(t.ask({.type = Type::non_confirmable, .code = Code::content, .message_id = 9}) == "");
    CHECK(t.ask({.type = Type::acknowledgement, .code = Code::get, .message_id = 9}) == "");
}

TEST_CASE("publish and read") {
    CoapTest t;
    CHECK(t.ask({.message_id = 1, .token = "t", .path = "ps/a/b"}) ==
          "ACK 4.04 #1 [t] | no retained message");
    CHECK(t.ask({.code = Code::put,
                 .message_id = 2,
                 .token = "u",
                 .path = "ps/a/b",
                 .query = "retain=1",
                 .options = {{option::content_format, coap_uint(50)}},
                 .payload = "21.5"}) == "ACK 2.04 #2 [u]");
    const std::string read = t.ask({.message_id = 3, .token = "t", .path = "mqtt/a/b"});
    CHECK(read.starts_with("ACK 2.05 #3 [t] 4=0x"));
    CHECK(read.ends_with(" 12=50 14=60 | 21.5"));
    CHECK(t.ask({.code = Code::delete_, .message_id = 4, .path = "ps/a/b"}) == "ACK 2.02 #4");
    CHECK(t.ask({.message_id = 5, .path = "ps/a/b"}) == "ACK 4.04 #5 | no retained message");
}

TEST_CASE("requests that make no sense") {
    CoapTest t;
    const auto code = [&t](CoapRequest request) {
        static std::uint16_t id = 0;
        request.message_id = ++id;
        return t.ask(request).substr(4, 4);
    };
    CHECK(code({.path = "other"}) == "4.04");
    CHECK(code({}) == "4.04");
    CHECK(code({.code = Code::put, .path = "ps", .payload = "x"}) == "4.05");
    CHECK(code({.code = Code::put, .path = ".well-known/core", .payload = "x"}) == "4.05");
    CHECK(code({.code = static_cast<Code>(5), .path = "ps/a"}) == "4.05");  // FETCH
    CHECK(code({.code = static_cast<Code>(31), .path = "ps/a"}) == "4.05");
    CHECK(code({.code = Code::put, .path = "ps/+", .payload = "x"}) == "4.00");
    CHECK(code({.code = Code::put, .path = "ps/a/#", .payload = "x"}) == "4.00");
    CHECK(code({.path = "ps/+"}) == "4.00");  // wildcards need Observe
    CHECK(code({.path = "ps/a", .query = "qos=7"}) == "4.00");
    CHECK(code({.path = "ps/a", .query = "c="}) == "4.00");
    CHECK(code({.path = "ps/a", .options = {{9, ""}}}) == "4.02");
    CHECK(code({.path = "ps/a", .options = {{option::proxy_uri, "coap://x"}}}) == "5.05");
    CHECK(code({.path = "mqtt/connection"}) == "4.05");
}

TEST_CASE("a non-confirmable request with a critical option that nobody knows is rejected") {
    CoapTest t;
    CHECK(t.ask({.type = Type::non_confirmable,
                 .message_id = 7,
                 .path = "ps/a",
                 .options = {{9, ""}}}) == "RST 0.00 #7");
}

TEST_CASE("a non-confirmable request gets a non-confirmable response with its token") {
    CoapTest t;
    const std::string answer = t.ask({.type = Type::non_confirmable,
                                      .code = Code::put,
                                      .message_id = 7,
                                      .token = "xyz",
                                      .path = "ps/a",
                                      .payload = "1"});
    CHECK(CoapTest::without_id(answer) == "NON 2.04 [xyz]");
}

TEST_CASE("No-Response holds answers back (RFC 7967)") {
    CoapTest t;
    const CoapRequest request{.type = Type::non_confirmable,
                              .code = Code::put,
                              .message_id = 7,
                              .path = "ps/a",
                              .options = {{option::no_response, "\x02"}},
                              .payload = "1"};
    CHECK(t.ask(request) == "");
    CoapRequest confirmable = request;
    confirmable.type = Type::confirmable;
    confirmable.message_id = 8;
    CHECK(t.ask(confirmable) == "ACK 0.00 #8");
    CoapRequest wrong = request;
    wrong.message_id = 9;
    wrong.path = "ps/+";
    CHECK(t.ask(wrong).substr(4, 4) == "4.00");
}

TEST_CASE("a request that comes again is done once and answered again") {
    CoapTest t;
    TestClient subscriber{t.world, mqtt::Version::v5};
    subscriber.connect("s");
    subscriber.next();
    subscriber.subscribe("a", {.qos = Qos::at_most_once});
    subscriber.next();
    const CoapRequest put{.code = Code::put,
                          .message_id = 2,
                          .token = "u",
                          .path = "ps/a",
                          .query = "qos=0",
                          .payload = "once"};
    CHECK(t.ask(put) == "ACK 2.04 #2 [u]");
    CHECK(t.ask(put) == "ACK 2.04 #2 [u]");
    CHECK(t.ask(put, 1001) == "ACK 2.04 #2 [u]");  // another endpoint's
    CHECK(subscriber.next().find("once") != std::string::npos);
    CHECK(subscriber.next().find("once") != std::string::npos);
    CHECK(subscriber.next() == "");
    CoapRequest non = put;
    non.type = Type::non_confirmable;
    non.message_id = 3;
    CHECK(t.ask(non) != "");
    CHECK(t.ask(non) == "");  // RFC 7252, 4.5: silently ignored
    t.world.run_for(600s);    // long after EXCHANGE_LIFETIME it is a new one
    CHECK(t.ask(put) == "ACK 2.04 #2 [u]");
    CHECK(t.world.sum([](const Metrics& m) { return m.coap_duplicates.value(); }) == 2);
    CHECK(t.world.sum([](const Metrics& m) { return m.messages_received.value(); }) >= 4);
}

TEST_CASE("a copy of a request that was refused is refused as well") {
    CoapTest t;
    const CoapRequest put{
        .code = Code::put, .message_id = 2, .token = "u", .path = "ps/+", .payload = "x"};
    CHECK(t.ask(put) == "ACK 4.00 #2 [u] | invalid topic");
    CHECK(t.ask(put) == "ACK 4.00 #2 [u]");
}

TEST_CASE("ETag: valid, and the conditions of a publish") {
    CoapTest t;
    const auto put = [&t](std::uint16_t id, std::vector<std::pair<std::uint16_t, std::string>> o) {
        return t
            .ask({.code = Code::put,
                  .message_id = id,
                  .path = "ps/a",
                  .query = "retain",
                  .options = std::move(o),
                  .payload = "v" + std::to_string(id)})
            .substr(4, 4);
    };
    CHECK(put(1, {{option::if_match, ""}}) == "4.12");
    CHECK(put(2, {{option::if_none_match, ""}}) == "2.04");
    CHECK(put(3, {{option::if_none_match, ""}}) == "4.12");
    CHECK(put(4, {{option::if_match, ""}}) == "2.04");
    t.net.send(1000, coap_bytes({.message_id = 5, .path = "ps/a"}));
    const auto datagram = t.net.take(1000);
    const auto read = coap::decode_message(datagram);
    coap::OptionReader options{read->options};
    const std::string etag{as_text(options.next()->value)};
    CHECK(etag.size() == 8);
    CHECK(t.ask({.message_id = 6, .path = "ps/a", .options = {{option::etag, etag}}})
              .starts_with("ACK 2.03 #6 4="));
    CHECK(t.ask({.message_id = 7, .path = "ps/a", .options = {{option::etag, "12345678"}}})
              .starts_with("ACK 2.05 #7 4="));
    CHECK(put(8, {{option::if_match, etag}}) == "2.04");
    CHECK(put(9, {{option::if_match, etag}}) == "4.12");  // it is another one now
}

TEST_CASE("Accept: another format is not acceptable") {
    CoapTest t;
    t.ask({.code = Code::put,
           .message_id = 1,
           .path = "ps/a",
           .query = "retain",
           .options = {{option::content_format, coap_uint(50)}},
           .payload = "{}"});
    CHECK(t.ask({.message_id = 2, .path = "ps/a", .options = {{option::accept, coap_uint(50)}}})
              .substr(4, 4) == "2.05");
    CHECK(t.ask({.message_id = 3, .path = "ps/a", .options = {{option::accept, coap_uint(60)}}})
              .substr(4, 4) == "4.06");
}

TEST_CASE("expiry becomes Max-Age, and the value goes with it") {
    CoapTest t;
    t.ask({.code = Code::put,
           .message_id = 1,
           .path = "ps/a",
           .query = "retain&expiry=100",
           .payload = "x"});
    t.world.run_for(30s);
    CHECK(t.ask({.message_id = 2, .path = "ps/a"}).find(" 14=70 ") != std::string::npos);
    t.world.run_for(71s);
    CHECK(t.ask({.message_id = 3, .path = "ps/a"}).substr(4, 4) == "4.04");
}

TEST_CASE("2.01 for the first retained value, where that is wanted") {
    coap::MachineOptions options = open_coap();
    options.tells_created = true;
    CoapTest t{{}, options};
    const CoapRequest put{
        .code = Code::post, .message_id = 1, .path = "ps/a", .query = "retain", .payload = "x"};
    CHECK(t.ask(put) == "ACK 2.01 #1");
    CHECK(t.ask(put) == "ACK 2.01 #1");  // a copy
    CoapRequest again = put;
    again.message_id = 2;
    CHECK(t.ask(again) == "ACK 2.04 #2");
    again.message_id = 3;
    again.query = "";
    again.path = "ps/b";
    CHECK(t.ask(again) == "ACK 2.04 #3");
}

TEST_CASE("well-known resources, with filters") {
    coap::MachineOptions options = open_coap();
    options.lists_topics = true;
    CoapTest t{{}, options};
    const auto core = [&t](std::uint16_t id, std::string_view query) {
        std::string text = t.ask({.message_id = id, .path = ".well-known/core", .query = query});
        const std::size_t at = text.find(" | ");
        return at == std::string::npos ? text.substr(0, 8) : text.substr(at + 3);
    };
    CHECK(core(1, "rt=core.ps") == "</ps>;rt=\"core.ps\";ct=40,</mqtt>;rt=\"core.ps\";ct=40");
    CHECK(core(2, "href=/ps") == "</ps>;rt=\"core.ps\";ct=40");
    CHECK(core(3, "rt=other") == "ACK 2.05");
    t.publish("t/1", "x", Qos::at_most_once, true);
    t.publish("t/2", "x", Qos::at_most_once, true);
    CHECK(core(4, "href=/ps/*") == "</ps/t/1>;obs,</ps/t/2>;obs");
    CHECK(core(5, "href=/ps/*&count=1") == "</ps/t/1>;obs");
    CHECK(core(6, "href=/ps/*&count=1&page=1") == "</ps/t/2>;obs");
    CHECK(core(7, "ct=40") == "</ps>;rt=\"core.ps\";ct=40,</mqtt>;rt=\"core.ps\";ct=40");
    CHECK(core(8, "if=sensor") == "ACK 2.05");
    CHECK(core(9, "obs") == "</ps/t/1>;obs,</ps/t/2>;obs");
    t.ask({.code = Code::put,
           .message_id = 10,
           .path = "ps/t/3 \"",
           .query = "retain",
           .options = {{option::content_format, "\x32"}},
           .payload = "{}"});
    CHECK(core(11, "ct=50&c=me") == "</ps/t/3%20%22>;obs;ct=50");
    CHECK(core(12, "href=/ps/t/3 \"") == "</ps/t/3%20%22>;obs;ct=50");
    CHECK(core(13, "href=/ps/t/3%20*") == "</ps/t/3%20%22>;obs;ct=50");
}

TEST_CASE("a peer must show that it receives, before it gets more than it sends") {
    coap::MachineOptions options = open_coap();
    options.echo = coap::EchoRule::large;
    CoapTest t{{}, options};
    t.publish("big", std::string(500, 'x'), Qos::at_most_once, true);
    t.publish("small", "x", Qos::at_most_once, true);
    CHECK(t.ask({.message_id = 1, .path = "ps/small"}).substr(4, 4) == "2.05");
    t.net.send(1000, coap_bytes({.message_id = 2, .path = "ps/big"}));
    const auto datagram = t.net.take(1000);
    const auto challenge = coap::decode_message(datagram);
    CHECK(challenge->code == Code::unauthorized);
    coap::OptionReader reader{challenge->options};
    const auto echo = reader.next();
    REQUIRE(echo.has_value());
    CHECK(echo->number == option::echo);
    const std::string value{as_text(echo->value)};
    CHECK(t.ask({.message_id = 3, .path = "ps/big", .options = {{option::echo, value}}}, 1001)
              .substr(4, 4) == "4.01");  // another peer's
    CHECK(t.ask({.message_id = 3, .path = "ps/big", .options = {{option::echo, value}}})
              .substr(4, 4) == "2.05");
    CHECK(t.ask({.message_id = 4, .path = "ps/big"}).substr(4, 4) == "2.05");  // it is known now
    CHECK(t.ask({.message_id = 5, .path = "ps/x", .options = {{option::observe, ""}}}, 1002)
              .substr(4, 4) == "4.01");
}

TEST_CASE("a method that is not known is refused wherever it is sent to") {
    CoapTest t;
    std::uint16_t id = 1;
    for (const char* const path : {"", "ps", "ps/a", "mqtt/connection", ".well-known/core", "x"}) {
        CHECK(t.ask({.code = Code{5}, .message_id = ++id, .path = path}).find(" 4.05 ") !=
              std::string::npos);
    }
}

}  // namespace gw::test
