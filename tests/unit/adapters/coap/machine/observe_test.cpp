// Observations: RFC 7641.
#include "tests/support/coap_test.hpp"

namespace gw::test {

namespace {

/// Registers an observation and gives the answer.
std::string observe(CoapTest& t, std::string_view path, std::string_view token,
                    std::uint16_t message_id = 1, std::uint16_t port = 1000,
                    std::string_view query = {}) {
    return t.ask({.message_id = message_id,
                  .token = token,
                  .path = path,
                  .query = query,
                  .options = {{option::observe, ""}}},
                 port);
}

}  // namespace

TEST_CASE("an observer gets the present state, then each change, confirmable at QoS 1") {
    CoapTest t;
    t.publish("a", "0", Qos::at_most_once, true);
    CHECK(observe(t, "ps/a", "t").find(" 6=1 14=60 | 0") != std::string::npos);
    t.publish("a", "1");
    CHECK(t.take() == "CON 2.05 [t] 6=2 | 1");
    t.publish("a", "2", Qos::at_most_once);
    CHECK(t.take() == "NON 2.05 [t] 6=3 | 2");
    t.publish("b", "no");
    CHECK(t.take() == "");
    CHECK(t.world.sum([](const Metrics& m) { return m.coap_observations.value(); }) == 1);
}

TEST_CASE("a topic without a retained message can be observed") {
    CoapTest t;
    CHECK(observe(t, "ps/a", "t") == "ACK 2.05 #1 [t] 6=1");
}

TEST_CASE("a wildcard observer learns the topic by Location-Path, retained ones first") {
    CoapTest t;
    t.publish("r/x", "kept", Qos::at_least_once, true);
    CHECK(observe(t, "mqtt/r/+", "t") == "ACK 2.05 #1 [t] 6=1");
    CHECK(t.take() == "CON 2.05 [t] 6=2 8=mqtt 8=r 8=x | kept");
    t.publish("r/y", "new");
    CHECK(t.take() == "CON 2.05 [t] 6=3 8=mqtt 8=r 8=y | new");
}

TEST_CASE("a reset of the answer to a registration ends the observation") {
    CoapTest t;
    const std::string answer = t.ask({.type = Type::non_confirmable,
                                      .message_id = 1,
                                      .token = "t",
                                      .path = "ps/a",
                                      .options = {{option::observe, ""}}});
    CHECK(CoapTest::without_id(answer) == "NON 2.05 [t] 6=1");
    t.answer(Type::reset, CoapTest::id_of(answer));
    t.publish("a", "1");
    CHECK(t.next() == "");
    CHECK(t.count([](const Metrics& m) { return m.coap_observations_reset.value(); }) == 1);
}

TEST_CASE("a dot alone in a topic is not what a client resolves") {
    CoapTest t;
    observe(t, "ps/d/#", "t");
    t.publish("d/./../.x", "1");
    CHECK(t.take() == "CON 2.05 [t] 6=2 8=ps 8=d 8=%2E 8=%2E%2E 8=.x | 1");
    t.ask({.code = Code::put, .message_id = 2, .path = "ps/d/%2E", .payload = "2"}, 1001);
    CHECK(t.take() == "CON 2.05 [t] 6=3 8=ps 8=d 8=%2E | 2");
}

TEST_CASE("a long topic leaves less room for the body, and a longer one is not named") {
    CoapTest t;
    observe(t, "ps/#", "t");
    std::string topic = std::string(99, 'a') + "/" + std::string(99, 'b') + "/";
    topic += std::string(200, 'c');
    t.publish(topic, std::string(1000, 'x'));
    const std::string first = t.take();
    CHECK(first.find(" 23=0/1/512 28=1000 | 512 bytes") != std::string::npos);
    CHECK(first.find(" 8=ps 8=aaa") != std::string::npos);
    const std::string rest = t.ask({.message_id = 2,
                                    .token = "u",
                                    .path = "ps/#",
                                    .options = {{option::block2, coap_block(1, false, 5)}}});
    CHECK(rest.ends_with(" 23=1/0/512 | 488 bytes"));
    for (int i = 0; i < 4; ++i) {
        topic += "/" + std::string(200, 'd');
    }
    t.publish(topic, std::string(1000, 'x'));
    CHECK(t.take() == "CON 2.05 [t] 6=3 | 1000 bytes");
}

TEST_CASE("queued notifications are not merged, and one is under way at a time") {
    CoapTest t;
    observe(t, "ps/a", "t");
    for (const char* const payload : {"1", "2", "3"}) {
        t.publish("a", payload);
    }
    const std::string first = t.next();
    CHECK(CoapTest::without_etag(CoapTest::without_id(first)) == "CON 2.05 [t] 6=2 | 1");
    CHECK(t.next() == "");  // NSTART is 1 (RFC 7252, 4.7)
    t.answer(Type::acknowledgement, CoapTest::id_of(first));
    CHECK(t.take() == "CON 2.05 [t] 6=3 | 2");
    CHECK(t.take() == "CON 2.05 [t] 6=4 | 3");
    CHECK(t.take() == "");
}

TEST_CASE("more than the in-flight window waits in the session's queue, and nothing is lost") {
    CoapTest t;
    observe(t, "ps/a", "t");
    for (int i = 0; i < 300; ++i) {
        t.publish("a", std::to_string(i));
    }
    for (int i = 0; i < 300; ++i) {
        CHECK(t.take().ends_with("| " + std::to_string(i)));
    }
    CHECK(t.take() == "");
}

TEST_CASE("an observer that resets a notification is no observer any more (4.5)") {
    CoapTest t;
    for (const Qos qos : {Qos::at_least_once, Qos::at_most_once}) {
        CAPTURE(qos);
        observe(t, "ps/a", "t");
        t.publish("a", "1", qos);
        const std::string notification = t.next();
        t.answer(Type::reset, CoapTest::id_of(notification));
        t.publish("a", "2", qos);
        CHECK(t.next() == "");
        CHECK(t.world.shared().router.subscription_count() == 0);
        t.world.run_for(600s);
        observe(t, "ps/a", "t", 77);
        t.ask({.message_id = 78,
               .token = "t",
               .path = "ps/a",
               .options = {{option::observe, "\x01"}}});
    }
    CHECK(t.world.sum([](const Metrics& m) { return m.coap_observations_reset.value(); }) == 2);
}

TEST_CASE("an observer that does not answer is given up after the retransmissions (4.5)") {
    CoapTest t;
    observe(t, "ps/a", "t");
    observe(t, "ps/b", "u", 2);
    t.publish("a", "1");
    std::string first = t.next();
    std::vector<Milliseconds> times;
    Milliseconds last = t.world.now();
    for (int i = 0; i < 4; ++i) {
        std::string again;
        while (again.empty() && t.world.now() < last + 100s) {
            t.world.run_for(10ms);
            again = t.next();
        }
        CHECK(again == first);  // the same message, with the same id
        times.push_back(t.world.now() - last);
        last = t.world.now();
    }
    CHECK(times[0] >= 2000ms);
    CHECK(times[0] <= 3010ms);
    for (std::size_t i = 1; i < times.size(); ++i) {
        CHECK(times[i] >= 2 * times[i - 1] - 20ms);
        CHECK(times[i] <= 2 * times[i - 1] + 20ms);
    }
    t.world.run_for(50s);
    CHECK(t.next() == "");
    t.publish("b", "1");
    CHECK(t.next() == "");
    CHECK(t.world.sum([](const Metrics& m) { return m.coap_observations_lost.value(); }) == 2);
    CHECK(t.world.shared().router.subscription_count() == 0);
    t.world.run_for(300s);
    CHECK(t.net.client_count() == 0);
    CHECK(t.net.endpoint_count() == 0);
}

TEST_CASE("observing ends on request, by token") {
    CoapTest t;
    observe(t, "ps/a", "t");
    CHECK(t.ask({.message_id = 2,
                 .token = "t",
                 .path = "ps/a",
                 .options = {{option::observe, "\x01"}}}) == "ACK 2.05 #2 [t]");
    t.publish("a", "1");
    CHECK(t.next() == "");
    CHECK(t.ask({.message_id = 3,
                 .token = "t",
                 .path = "ps/a",
                 .options = {{option::observe, "\x01"}}}) ==
          "ACK 4.04 #3 [t] | no retained message");
}

TEST_CASE("a client that names itself ends what it observes from anywhere") {
    CoapTest t;
    observe(t, "ps/a", "t", 1, 1000, "c=me");
    CHECK(t.ask({.message_id = 2,
                 .token = "other",
                 .path = "ps/a",
                 .query = "c=me",
                 .options = {{option::observe, "\x01"}}},
                1001) == "ACK 2.05 #2 [other]");
    t.publish("a", "1");
    CHECK(t.next() == "");
}

TEST_CASE("asking again with the same token keeps one observation and its numbers") {
    CoapTest t;
    observe(t, "ps/a", "t");
    t.publish("a", "1");
    CHECK(t.take() == "CON 2.05 [t] 6=2 | 1");
    CHECK(observe(t, "ps/a", "t", 2) == "ACK 2.05 #2 [t] 6=3");
    t.publish("a", "2");
    CHECK(t.take() == "CON 2.05 [t] 6=4 | 2");
    CHECK(t.take() == "");
    // The same token for another topic takes its place.
    CHECK(observe(t, "ps/b", "t", 3) == "ACK 2.05 #3 [t] 6=1");
    t.publish("a", "3");
    CHECK(t.take() == "");
}

TEST_CASE("two observations of one topic get a notification each") {
    CoapTest t;
    observe(t, "ps/a", "t");
    observe(t, "ps/a", "u", 2);
    observe(t, "ps/+", "v", 3);
    t.publish("a", "1");
    std::vector<std::string> got{t.take(), t.take(), t.take()};
    std::sort(got.begin(), got.end());
    CHECK(got[0].starts_with("CON 2.05 [t]"));
    CHECK(got[1].starts_with("CON 2.05 [u]"));
    CHECK(got[2].starts_with("CON 2.05 [v]"));
    CHECK(t.take() == "");
    t.publish("a", "2");  // the delivery before is completed only once
    for (int i = 0; i < 3; ++i) {
        CHECK(t.take().ends_with("| 2"));
    }
}

TEST_CASE("what an observation leaves unacknowledged goes to another of its client") {
    const auto leave = [](CoapTest& t, int how, std::uint16_t notified) {
        if (how == 0) {
            t.ask({.message_id = 8,
                   .token = "t",
                   .path = "ps/a",
                   .query = "c=me",
                   .options = {{option::observe, "\x01"}}});
        } else if (how == 1) {
            t.answer(Type::reset, notified);
        } else if (how == 2) {
            observe(t, "ps/b", "t", 8, 1000, "c=me");  // the token is another observation's now
        }                                              // else not a word
    };
    const auto wait = [](CoapTest& t) {
        std::string got;
        for (int i = 0; i < 120 && got.empty(); ++i) {
            got = t.take(1001);
            t.world.run_for(1s);
        }
        return got;
    };
    for (const char* const other : {"ps/a", "ps/+"}) {
        for (int how = 0; how < 4; ++how) {
            CAPTURE(other);
            CAPTURE(how);
            CoapTest t;
            observe(t, "ps/a", "t", 1, 1000, "c=me");
            t.publish("a", "1");
            t.publish("a", "2");
            const std::string first = t.next();
            CHECK(first.ends_with("| 1"));
            observe(t, other, "u", 2, 1001, "c=me");
            leave(t, how, CoapTest::id_of(first));
            CHECK(wait(t).ends_with("| 1"));
            CHECK(t.take(1001).ends_with("| 2"));
            t.publish("a", "3");
            CHECK(t.take(1001).ends_with("| 3"));
            CHECK(t.take(1001) == "");
        }
    }
}

TEST_CASE("a late copy of a registration does not bring the observation back") {
    CoapTest t;
    const CoapRequest request{
        .message_id = 5, .token = "t", .path = "ps/a", .options = {{option::observe, ""}}};
    CHECK(t.ask(request) == "ACK 2.05 #5 [t] 6=1");
    CHECK(t.ask(request) == "ACK 2.05 #5 [t] 6=2");  // the answer was lost
    t.ask({.message_id = 6, .token = "t", .path = "ps/a", .options = {{option::observe, "\x01"}}});
    CHECK(t.ask(request) == "ACK 2.05 #5 [t]");
    t.publish("a", "1");
    CHECK(t.next() == "");
}

TEST_CASE("the QoS of an observation is that of its request, or what it says") {
    CoapTest t;
    t.ask({.type = Type::non_confirmable,
           .message_id = 1,
           .token = "n",
           .path = "ps/a",
           .options = {{option::observe, ""}}});
    t.ask({.type = Type::non_confirmable,
           .message_id = 2,
           .token = "q",
           .path = "ps/b",
           .query = "qos=1",
           .options = {{option::observe, ""}}});
    t.publish("a", "1");
    CHECK(t.take() == "NON 2.05 [n] 6=2 | 1");
    t.publish("b", "1", Qos::exactly_once);
    CHECK(t.take() == "CON 2.05 [q] 6=2 | 1");
}

TEST_CASE("a silent observer is asked whether it still is there") {
    coap::MachineOptions options = open_coap();
    options.confirm_interval = 60s;
    CoapTest t{{}, options};
    observe(t, "ps/a", "t");
    t.world.run_for(59s);
    CHECK(t.next() == "");
    t.world.run_for(62s);
    const std::string ping = t.next();
    CHECK(CoapTest::without_id(ping) == "CON 0.00");
    t.answer(Type::reset, CoapTest::id_of(ping));
    t.publish("a", "1", Qos::at_most_once);
    CHECK(t.take() == "CON 2.05 [t] 6=2 | 1");  // the first for so long is confirmable (4.5)
    t.publish("a", "2", Qos::at_most_once);
    CHECK(t.take() == "NON 2.05 [t] 6=3 | 2");
    t.world.run_for(600s);
    CHECK(t.net.endpoint_count() == 0);
    CHECK(t.world.sum([](const Metrics& m) { return m.coap_observations_lost.value(); }) == 1);
}

TEST_CASE("an observation too many is answered as a plain read") {
    coap::MachineOptions options = open_coap();
    options.observation_count_max = 1;
    CoapTest t{{}, options};
    observe(t, "ps/a", "t");
    CHECK(observe(t, "ps/b", "u", 2) == "ACK 2.05 #2 [u]");
    CHECK(observe(t, "ps/#", "u", 3).substr(4, 4) == "5.03");
}

TEST_CASE("what was on its way to a subscription that has ended does not keep back what follows") {
    CoapTest t;
    observe(t, "ps/t/#", "a", 1, 1000, "c=me");
    observe(t, "ps/u", "b", 2, 1000, "c=me");
    for (int i = 0; i < 300; ++i) {
        t.publish("t/" + std::to_string(i), "x");
    }
    t.publish("u", "wanted");
    t.net.send(1000, coap_bytes({.message_id = 3,
                                 .token = "a",
                                 .path = "ps/t/#",
                                 .query = "c=me",
                                 .options = {{option::observe, coap_uint(1)}}}));
    bool has_come = false;
    for (std::string text = t.take(); !text.empty(); text = t.take()) {
        has_come = has_come || text.ends_with("| wanted");
    }
    CHECK(has_come);
    CHECK(t.world.broker().find_session("me")->inflight.count() == 0);
    CHECK(t.world.broker().find_session("me")->queue.count() == 0);
}

TEST_CASE("what waits for a shared subscription that is not named yet is not let go") {
    CoapTest t;
    TestClient mqtt{t.world, mqtt::Version::v5};
    mqtt.connect("me", [](mqtt::ConnectPacket& packet) {
        packet.clean_start = false;
        packet.session_expiry_interval = 3600;
    });
    mqtt.subscribe("$share/g/t/#", {.qos = Qos::at_least_once});
    mqtt.subscribe("u", {.qos = Qos::at_least_once});
    mqtt.close();
    for (const char* const payload : {"1", "2", "3"}) {
        t.publish("t/x", payload);
    }
    observe(t, "ps/u", "a", 1, 1000, "c=me");
    CHECK(t.take() == "");
    observe(t, "ps/$share/g/t/#", "b", 2, 1000, "c=me");
    for (const char* const payload : {"1", "2", "3"}) {
        CHECK(t.take().ends_with(std::string{"| "} + payload));
    }
}

TEST_CASE("clients that share an endpoint share its observations; one that ends makes room") {
    coap::MachineOptions options = open_coap();
    options.observation_count_max = 3;
    CoapTest t{{}, options};
    const auto ask = [&](std::string_view token, std::string_view query, std::uint16_t id,
                         std::uint32_t value = 0) {
        return t.ask({.message_id = id,
                      .token = token,
                      .path = "ps/a",
                      .query = query,
                      .options = {{option::observe, coap_uint(value)}}});
    };
    const auto is_taken = [](const std::string& answer) {
        return answer.find(" 6=") != std::string::npos;
    };
    CHECK(is_taken(ask("1", "c=x", 1)));
    CHECK(is_taken(ask("2", "c=y", 2)));
    CHECK(is_taken(ask("3", "c=z", 3)));
    CHECK_FALSE(is_taken(ask("4", "c=z", 4)));
    ask("2", "c=y", 5, 1);
    CHECK(is_taken(ask("4", "c=z", 6)));
    CHECK_FALSE(is_taken(ask("5", "c=x", 7)));
    // The end of all of one client's leaves the others'.
    t.publish("a", "1", Qos::at_most_once);
    std::vector<std::string> told;
    for (std::string text = t.take(); !text.empty(); text = t.take()) {
        told.push_back(text);
    }
    CHECK(told.size() == 3);
}

TEST_CASE("a reset ends the observation whose notification it rejects, and no other") {
    CoapTest t;
    for (int i = 0; i < 50; ++i) {
        observe(t, "ps/a", "t" + std::to_string(i), static_cast<std::uint16_t>(i + 1));
    }
    t.publish("a", "1", Qos::at_most_once);
    std::vector<std::uint16_t> ids;
    for (std::string text = t.next(); !text.empty(); text = t.next()) {
        ids.push_back(CoapTest::id_of(text));
    }
    REQUIRE(ids.size() == 50);
    for (std::size_t i = 0; i < 50; i += 2) {
        t.answer(Type::reset, ids[i]);
        t.answer(Type::reset, ids[i]);
    }
    t.publish("a", "2", Qos::at_most_once);
    std::size_t told = 0;
    while (!t.next().empty()) {
        ++told;
    }
    CHECK(told == 25);
}

TEST_CASE("an expired message is not told, and does not stop the others") {
    CoapTest t;
    observe(t, "ps/a", "t");
    t.ask({.code = Code::put, .message_id = 1, .path = "ps/a", .payload = "1"}, 1001);
    t.ask({.code = Code::put, .message_id = 2, .path = "ps/a", .query = "expiry=5", .payload = "2"},
          1001);
    t.ask(
        {.code = Code::put, .message_id = 3, .path = "ps/a", .query = "expiry=500", .payload = "3"},
        1001);
    const std::string first = t.next();
    t.world.run_for(20s);
    while (!t.next().empty()) {
    }
    t.answer(Type::acknowledgement, CoapTest::id_of(first));
    CHECK(t.take() == "CON 2.05 [t] 6=3 14=480 | 3");
}

TEST_CASE("acknowledgements find the worker that waits for them") {
    SimOptions sim;
    sim.worker_count = 3;
    CoapTest t{sim};
    for (std::uint16_t port = 1000; port < 1012; ++port) {
        const std::string id = "client-" + std::to_string(port);
        CHECK(observe(t, "ps/a", "t", 1, port, "c=" + id) == "ACK 2.05 #1 [t] 6=1");
        CHECK(observe(t, "ps/a", "u", 2, port) == "ACK 2.05 #2 [u] 6=1");
    }
    for (int i = 0; i < 3; ++i) {
        t.publish("a", std::to_string(i));
        for (std::uint16_t port = 1000; port < 1012; ++port) {
            CHECK(t.take(port).ends_with("| " + std::to_string(i)));
            CHECK(t.take(port).ends_with("| " + std::to_string(i)));
            CHECK(t.take(port) == "");
        }
    }
    t.world.run_for(60s);
    CHECK(t.next() == "");  // nothing was sent again
}

TEST_CASE("a message at QoS 0 of before the observations comes once, whoever would be for it") {
    SimOptions sim;
    sim.storage_delay_max = 20ms;
    CoapTest t{sim};
    {
        TestClient mqtt{t.world, mqtt::Version::v5};
        mqtt.connect("c",
                     [](mqtt::ConnectPacket& packet) { packet.session_expiry_interval = 3600; });
        t.world.run_for(100ms);
        mqtt.subscribe("a/#");
        mqtt.disconnect();
        t.world.run_for(100ms);
    }
    t.publish("a/b", "x", Qos::at_most_once);
    t.ask({.code = Code::post, .message_id = 1, .path = "mqtt/connection", .query = "clientid=c"});
    t.world.run_for(100ms);
    const std::string created = t.next();
    const std::string token = "qos=0&token=" + created.substr(created.find(" | ") + 3);
    observe(t, "ps/a/b", "u", 2, 1000, token);
    observe(t, "ps/a/%23", "t", 3, 1000, token);
    t.world.run_for(100ms);
    int count = 0;
    for (std::string text = t.next(); !text.empty(); text = t.next()) {
        count += text.ends_with("| x") ? 1 : 0;
    }
    CHECK(count == 1);
}

TEST_CASE("shared subscriptions are observed like others") {
    CoapTest t;
    observe(t, "ps/%24share/g/a", "t");
    observe(t, "ps/%24share/g/a", "t", 1, 1001);
    for (int i = 0; i < 10; ++i) {
        t.publish("a", "x");
    }
    int count = 0;
    for (const std::uint16_t port : {std::uint16_t{1000}, std::uint16_t{1001}}) {
        while (!t.take(port).empty()) {
            ++count;
        }
    }
    CHECK(count == 10);
}

TEST_CASE("when the program stops, observers are told") {
    CoapTest t;
    observe(t, "ps/a", "t");
    t.world.turn(0,
                 [&](Broker&) { t.net.machine().on_shutdown(ReasonCode::server_shutting_down); });
    CHECK(CoapTest::without_id(t.next()) == "NON 5.03 [t]");
    CHECK(t.world.shared().router.subscription_count() == 0);
}

}  // namespace gw::test
