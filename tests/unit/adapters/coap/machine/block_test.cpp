// Block-wise transfers: RFC 7959.
#include "tests/support/coap_test.hpp"

namespace gw::test {

namespace {

std::string body_of(std::size_t size) {
    std::string body;
    while (body.size() < size) {
        body += std::to_string(body.size()) + ",";
    }
    body.resize(size);
    return body;
}

/// Sends a body in blocks; the answer to the last one that was sent.
std::string upload(CoapTest& t, std::string_view body, std::uint8_t exponent,
                   std::uint16_t first_id = 1, std::uint16_t port = 1000,
                   std::string_view query = "retain") {
    const std::size_t size = std::size_t{16} << exponent;
    std::string answer;
    for (std::uint32_t i = 0; i * size < body.size(); ++i) {
        const bool more = (i + 1) * size < body.size();
        answer = t.ask({.code = Code::put,
                        .message_id = static_cast<std::uint16_t>(first_id + i),
                        .token = "t",
                        .path = "ps/a",
                        .query = query,
                        .options = {{option::block1, coap_block(i, more, exponent)}},
                        .payload = body.substr(i * size, size)},
                       port);
        if (more && answer.substr(4, 4) != "2.31") {
            return answer;
        }
    }
    return answer;
}

std::string download(CoapTest& t, std::uint8_t exponent, std::uint16_t first_id = 1000) {
    std::string body;
    for (std::uint32_t i = 0;; ++i) {
        t.net.send(1000,
                   coap_bytes({.message_id = static_cast<std::uint16_t>(first_id + i),
                               .path = "ps/a",
                               .options = {{option::block2, coap_block(i, false, exponent)}}}));
        const auto datagram = t.net.take(1000);
        const auto message = coap::decode_message(datagram);
        REQUIRE(message.has_value());
        REQUIRE(message->code == Code::content);
        body += as_text(message->payload);
        coap::OptionReader options{message->options};
        while (const auto one = options.next()) {
            if (one->number == option::block2 && !coap::block_of(one->value)->has_more) {
                return body;
            }
        }
    }
}

}  // namespace

TEST_CASE("bodies of 64 KiB go both ways, in blocks of every size") {
    for (const auto exponent : std::initializer_list<std::uint8_t>{6, 4, 2}) {
        CoapTest t;
        const std::string body = body_of(65536);
        const std::string last = std::to_string(65536 / (16 << exponent) - 1);
        CHECK(upload(t, body, exponent)
                  .ends_with("[t] 27=" + last + "/0/" + std::to_string(16 << exponent)));
        CHECK(download(t, exponent) == body);
    }
}

TEST_CASE("the server chooses the block size when the client does not") {
    coap::MachineOptions options = open_coap();
    options.size_exponent = 2;
    CoapTest t{{}, options};
    t.publish("a", body_of(100), Qos::at_most_once, true);
    const std::string first = t.ask({.message_id = 1, .path = "ps/a"});
    CHECK(first.find(" 23=0/1/64 28=100 ") != std::string::npos);
    CHECK(t.ask({.message_id = 2,
                 .path = "ps/a",
                 .options = {{option::block2, coap_block(1, false, 2)}}})
              .find(" 23=1/0/64 ") != std::string::npos);
    CHECK(t.ask({.message_id = 3,
                 .path = "ps/a",
                 .options = {{option::block2, coap_block(2, false, 2)}}})
              .substr(4, 4) == "4.00");
    CHECK(t.ask({.message_id = 10,
                 .path = "ps/a",
                 .options = {{option::block2, coap_block(1, false, 2)}, {option::size2, ""}}})
              .find(" 23=1/0/64 28=100 ") != std::string::npos);
    // A larger one than the server's is answered with its own.
    CHECK(t.ask({.message_id = 4,
                 .path = "ps/a",
                 .options = {{option::block2, coap_block(0, false, 6)}}})
              .find(" 23=0/1/64 ") != std::string::npos);
    // Also on the way up.
    CHECK(t.ask({.code = Code::put,
                 .message_id = 5,
                 .path = "ps/b",
                 .options = {{option::block1, coap_block(0, true, 3)}},
                 .payload = body_of(128)}) == "ACK 2.31 #5 27=0/1/64");
    CHECK(t.ask({.code = Code::put,
                 .message_id = 6,
                 .path = "ps/b",
                 .query = {},
                 .options = {{option::block1, coap_block(2, false, 2)}},
                 .payload = "end"}) == "ACK 2.04 #6 27=2/0/64");
}

TEST_CASE("a body with a hole, or without a beginning, is incomplete") {
    CoapTest t;
    const auto put = [&t](std::uint16_t id, std::uint32_t number, bool more) {
        return t
            .ask({.code = Code::put,
                  .message_id = id,
                  .path = "ps/a",
                  .query = "retain",
                  .options = {{option::block1, coap_block(number, more, 0)}},
                  .payload = more ? body_of(16) : "end"})
            .substr(4, 4);
    };
    CHECK(put(1, 1, true) == "4.08");
    CHECK(put(2, 0, true) == "2.31");
    CHECK(put(3, 2, true) == "4.08");
    CHECK(put(4, 1, true) == "2.31");
    CHECK(put(5, 1, true) == "2.31");  // again: it is there already
    CHECK(put(6, 3, false) == "4.08");
    CHECK(put(7, 2, false) == "2.04");
    CHECK(put(8, 2, false) == "4.08");  // done with
    CHECK(t.ask({.message_id = 9, .path = "ps/a"}).ends_with(body_of(16) + body_of(16) + "end"));
    CHECK(put(10, 0, true) == "2.31");
    t.world.run_for(94s);
    CHECK(put(11, 1, true) == "4.08");  // it took too long
    CHECK(t.world.sum([](const Metrics& m) { return m.coap_uploads_abandoned.value(); }) == 1);
}

TEST_CASE("a block of another size than it says is a bad request") {
    CoapTest t;
    CHECK(t.ask({.code = Code::put,
                 .message_id = 1,
                 .path = "ps/a",
                 .options = {{option::block1, coap_block(0, true, 1)}},
                 .payload = "short"})
              .substr(4, 4) == "4.00");
    CHECK(t.ask({.code = Code::put,
                 .message_id = 2,
                 .path = "ps/a",
                 .options = {{option::block1, coap_block(1, false, 0)}},
                 .payload = body_of(17)})
              .substr(4, 4) == "4.00");
}

TEST_CASE("what is too large is refused as soon as it is announced") {
    coap::MachineOptions options = open_coap();
    options.body_bytes_max = 100;
    CoapTest t{{}, options};
    CHECK(t.ask({.code = Code::put,
                 .message_id = 1,
                 .path = "ps/a",
                 .options = {{option::block1, coap_block(0, true, 2)},
                             {option::size1, coap_uint(101)}},
                 .payload = body_of(64)}) == "ACK 4.13 #1 60=100");
    CHECK(t.ask({.code = Code::put, .message_id = 2, .path = "ps/a", .payload = body_of(101)}) ==
          "ACK 4.13 #2 60=100");
    CHECK(upload(t, body_of(128), 2, 10) == "ACK 4.13 #11 [t] 60=100");
    CHECK(upload(t, body_of(100), 2, 20).substr(4, 4) == "2.04");
}

TEST_CASE("uploads side by side are told apart by peer, query and Request-Tag") {
    CoapTest t;
    const auto put = [&t](std::uint16_t id, std::string tag, std::uint16_t port, bool more) {
        return t
            .ask({.code = Code::put,
                  .message_id = id,
                  .path = "ps/a",
                  .query = "retain",
                  .options = {{option::block1, coap_block(more ? 0 : 1, more, 0)},
                              {option::request_tag, tag}},
                  .payload = more ? std::string(16, tag[0]) : tag},
                 port)
            .substr(4, 4);
    };
    CHECK(put(1, "x", 1000, true) == "2.31");
    CHECK(put(2, "y", 1000, true) == "2.31");
    CHECK(put(1, "z", 1001, true) == "2.31");
    CHECK(put(3, "x", 1001, false) == "4.08");
    CHECK(put(3, "x", 1000, false) == "2.04");
    CHECK(t.ask({.message_id = 4, .path = "ps/a"}).ends_with(std::string(16, 'x') + "x"));
    CHECK(put(5, "y", 1000, false) == "2.04");
    CHECK(put(4, "z", 1001, false) == "2.04");
    CHECK(t.ask({.message_id = 6, .path = "ps/a"}).ends_with(std::string(16, 'z') + "z"));
}

TEST_CASE("memory for uploads has a bound") {
    coap::MachineOptions options = open_coap();
    options.upload_bytes_max = 400;  // one, with what it takes besides its bytes
    CoapTest t{{}, options};
    const auto put = [&t](std::uint16_t id, std::uint16_t port) {
        return t
            .ask({.code = Code::put,
                  .message_id = id,
                  .path = "ps/a",
                  .options = {{option::block1, coap_block(0, true, 2)}},
                  .payload = body_of(64)},
                 port)
            .substr(4, 4);
    };
    CHECK(put(1, 1000) == "2.31");
    CHECK(put(1, 1001) == "5.03");
    t.world.run_for(100s);
    CHECK(put(2, 1001) == "2.31");
}

TEST_CASE("a large notification is fetched in blocks before the next one comes") {
    CoapTest t;
    t.ask({.message_id = 1, .token = "t", .path = "ps/a", .options = {{option::observe, ""}}});
    const std::string first_body = body_of(2500);
    const std::string second_body = "second " + body_of(2000);
    t.publish("a", first_body);
    t.publish("a", second_body);
    std::uint16_t id = 10;
    for (const std::string& expected : {first_body, second_body}) {
        const std::string notification = t.next();
        CHECK(notification.find(" 23=0/1/1024 28=" + std::to_string(expected.size())) !=
              std::string::npos);
        CHECK(notification.find(" 4=0x") != std::string::npos);
        t.answer(Type::acknowledgement, CoapTest::id_of(notification));
        CHECK(t.next() == "");
        std::string rest;
        for (std::uint32_t i = 1; i * 1024 < expected.size(); ++i) {
            t.net.send(1000, coap_bytes({.message_id = id++,
                                         .token = "b",
                                         .path = "ps/a",
                                         .options = {{option::block2, coap_block(i, false, 6)}}}));
            const auto datagram = t.net.take(1000);
            const auto message = coap::decode_message(datagram);
            REQUIRE(message.has_value());
            rest += as_text(message->payload);
        }
        CHECK(rest == expected.substr(1024));
    }
    CHECK(t.take() == "");
}

TEST_CASE("an observer that asks for the rest with Observe, too, gets it and stays registered") {
    CoapTest t;  // as npm's coap does, by the token of its registration
    t.ask({.message_id = 1, .token = "t", .path = "ps/a", .options = {{option::observe, ""}}});
    const std::string body = body_of(2500);
    t.publish("a", body);
    t.publish("a", "small");
    t.answer(Type::acknowledgement, CoapTest::id_of(t.next()));
    std::string rest;
    for (std::uint16_t i = 1; i <= 2; ++i) {
        t.net.send(1000, coap_bytes({.message_id = static_cast<std::uint16_t>(1 + i),
                                     .token = "t",
                                     .path = "ps/a",
                                     .options = {{option::observe, ""},
                                                 {option::block2, coap_block(i, false, 6)}}}));
        const auto datagram = t.net.take(1000);
        const auto message = coap::decode_message(datagram);
        REQUIRE(message.has_value());
        rest += as_text(message->payload);
    }
    CHECK(rest == body.substr(1024));
    CHECK(t.next().find("| small") != std::string::npos);
}

TEST_CASE("the rest of a registration's large answer is fetched before a notification comes") {
    CoapTest t;
    const std::string body = body_of(2500);
    t.publish("a", body, Qos::at_least_once, true);
    const std::string answer =
        t.ask({.message_id = 1, .token = "t", .path = "ps/a", .options = {{option::observe, ""}}});
    CHECK(answer.find(" 23=0/1/1024 28=2500") != std::string::npos);
    t.publish("a", "newer " + body_of(2000));
    CHECK(t.next() == "");
    std::string rest;
    for (std::uint16_t i = 1; i <= 2; ++i) {
        t.net.send(1000, coap_bytes({.message_id = static_cast<std::uint16_t>(1 + i),
                                     .token = "b",
                                     .path = "ps/a",
                                     .options = {{option::block2, coap_block(i, false, 6)}}}));
        const auto datagram = t.net.take(1000);
        const auto message = coap::decode_message(datagram);
        REQUIRE(message.has_value());
        rest += as_text(message->payload);
    }
    CHECK(rest == body.substr(1024));
    CHECK(t.next().find("23=0/1/1024 28=2006") != std::string::npos);
}

TEST_CASE("who does not want the rest of a registration's answer gets what follows all the same") {
    CoapTest t;
    t.publish("a", body_of(2500), Qos::at_least_once, true);
    t.ask({.message_id = 1, .token = "t", .path = "ps/a", .options = {{option::observe, ""}}});
    t.publish("a", "small");
    CHECK(t.next() == "");
    t.world.run_for(13s);
    CHECK(t.next().find("| small") != std::string::npos);
}

TEST_CASE("an observer that asks again still gets the blocks of what it was told of") {
    CoapTest t;
    const CoapRequest registration{
        .message_id = 1, .token = "t", .path = "ps/+", .options = {{option::observe, ""}}};
    t.ask(registration);
    t.publish("a", body_of(1500));
    const std::string notification = t.next();
    t.answer(Type::acknowledgement, CoapTest::id_of(notification));
    CoapRequest again = registration;
    again.message_id = 2;
    CHECK(t.ask(again).starts_with("ACK 2.05 #2 [t]"));
    t.net.send(1000, coap_bytes({.message_id = 3,
                                 .token = "b",
                                 .path = "ps/+",
                                 .options = {{option::block2, coap_block(1, false, 6)}}}));
    const auto datagram = t.net.take(1000);
    const auto message = coap::decode_message(datagram);
    REQUIRE(message.has_value());
    CHECK(as_text(message->payload) == body_of(1500).substr(1024));
}

TEST_CASE("an observer that does not want the rest gets the next notification all the same") {
    CoapTest t;
    t.ask({.message_id = 1, .token = "t", .path = "ps/a", .options = {{option::observe, ""}}});
    t.publish("a", body_of(2500));
    t.publish("a", "small");
    CHECK(t.take().find("23=0/1/1024") != std::string::npos);
    CHECK(t.next() == "");
    t.world.run_for(13s);
    CHECK(t.take() == "CON 2.05 [t] 6=3 | small");
}

}  // namespace gw::test
