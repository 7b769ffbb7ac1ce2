// Clients, their sessions and rights; connections; what has to be waited for.
#include "tests/support/coap_test.hpp"

namespace gw::test {

namespace {

struct AuthTest : CoapTest {
    explicit AuthTest(const SimOptions& sim = {}, const coap::MachineOptions& options = open_coap())
        : CoapTest(sim, options) {
        world.shared().authenticator = authenticator;
    }
    void decide(bool is_allowed) {
        const FakeAuthenticator::Waiting one = authenticator->waiting.back();
        authenticator->waiting.pop_back();
        world.turn(one.worker, [&](Broker& broker) {
            broker.on_auth_decided(one.token,
                                   FakeAuthenticator::decision_for(is_allowed ? "later" : "wrong"));
        });
        world.settle();
    }
    std::shared_ptr<FakeAuthenticator> authenticator = std::make_shared<FakeAuthenticator>();
};

std::string connect(CoapTest& t, std::string_view query, std::uint16_t id = 1,
                    std::uint16_t port = 1000, std::string_view payload = {}) {
    const std::string answer = t.ask({.code = Code::post,
                                      .message_id = id,
                                      .path = "mqtt/connection",
                                      .query = query,
                                      .payload = payload},
                                     port);
    const std::size_t at = answer.find(" | ");
    return answer.substr(4, 4) == "2.01" && at != std::string::npos ? answer.substr(at + 3)
                                                                    : answer;
}

std::unique_ptr<TestClient> mqtt_client(CoapTest& t, std::string_view id, std::string_view filter) {
    auto client =
        std::make_unique<TestClient>(t.world, mqtt::Version::v5, t.world.broker().worker_of(id));
    client->connect(id);
    client->next();
    client->subscribe(filter, {.qos = Qos::at_least_once});
    client->next();
    return client;
}

}  // namespace

TEST_CASE("a login that is refused, and one that is not") {
    AuthTest t;
    CHECK(t.ask({.code = Code::put,
                 .message_id = 1,
                 .path = "ps/a",
                 .query = "c=x&u=wrong&p=p",
                 .payload = "1"})
              .substr(4, 4) == "4.01");
    CHECK(t.ask({.code = Code::put,
                 .message_id = 2,
                 .path = "ps/a",
                 .query = "c=x&u=joe&p=p",
                 .payload = "1"})
              .substr(4, 4) == "2.04");
    // The client id is joe's while he is here.
    CHECK(t.ask({.code = Code::put,
                 .message_id = 3,
                 .path = "ps/a",
                 .query = "c=x&u=ann&p=p",
                 .payload = "1"})
              .substr(4, 4) == "4.03");
    CHECK(t.world.sum([](const Metrics& m) { return m.sessions.value(); }) == 1);
}

TEST_CASE("an answer that takes long follows by itself") {
    AuthTest t;
    const CoapRequest put{.code = Code::put,
                          .message_id = 1,
                          .token = "t",
                          .path = "ps/a",
                          .query = "u=later",
                          .payload = "1"};
    CHECK(t.ask(put) == "");
    t.world.run_for(499ms);
    CHECK(t.next() == "");
    t.world.run_for(1ms);
    CHECK(t.next() == "ACK 0.00 #1");
    CHECK(t.ask(put) == "ACK 0.00 #1");  // sent again: acknowledged again, done once
    CHECK(t.authenticator->waiting.size() == 1);
    t.decide(true);
    const std::string answer = t.next();
    CHECK(CoapTest::without_id(answer) == "CON 2.04 [t]");
    t.answer(Type::acknowledgement, CoapTest::id_of(answer));
    t.world.run_for(60s);
    CHECK(t.next() == "");
    CHECK(t.ask(put) == "ACK 2.04 #1 [t]");
}

TEST_CASE("an answer that comes soon rides on the acknowledgement") {
    AuthTest t;
    CHECK(t.ask({.code = Code::put,
                 .message_id = 1,
                 .path = "ps/a",
                 .query = "u=later",
                 .payload = "1"}) == "");
    t.world.run_for(100ms);
    t.decide(false);
    CHECK(t.next() == "ACK 4.01 #1 | bad user name or password");
    CHECK(t.ask({.type = Type::non_confirmable,
                 .code = Code::put,
                 .message_id = 2,
                 .path = "ps/a",
                 .query = "u=later",
                 .payload = "1"}) == "");
    t.world.run_for(3s);
    t.decide(true);
    CHECK(CoapTest::without_id(t.next()) == "NON 2.04");
}

TEST_CASE("users without a client id may share an endpoint") {
    AuthTest t;
    CHECK(t.ask({.message_id = 1,
                 .token = "a",
                 .path = "ps/a",
                 .query = "u=ann",
                 .options = {{option::observe, ""}}})
              .starts_with("ACK 2.05"));
    CHECK(t.ask({.code = Code::put,
                 .message_id = 2,
                 .path = "ps/x",
                 .query = "u=bob",
                 .payload = "1"}) == "ACK 2.04 #2");
    CHECK(t.net.client_count() == 2);
    CHECK(t.ask({.code = Code::put,
                 .message_id = 3,
                 .path = "ps/x",
                 .query = "u=wrong",
                 .payload = "1"})
              .starts_with("ACK 4.01"));
    CHECK(t.ask({.code = Code::put,
                 .message_id = 4,
                 .path = "ps/x",
                 .query = "u=eve",
                 .payload = "1"}) == "ACK 2.04 #4");
    CHECK(t.net.client_count() == 2);  // the one before observed nothing
    t.publish("a", "1");
    CHECK(t.take() == "CON 2.05 [a] 6=2 | 1");
    t.ask({.message_id = 5,
           .token = "a",
           .path = "ps/a",
           .query = "u=eve",
           .options = {{option::observe, coap_uint(1)}}});
    t.publish("a", "2");
    CHECK(t.next() == "");
    t.world.run_for(1h);
    CHECK(t.net.client_count() == 0);
    CHECK(t.net.endpoint_count() == 0);
}

TEST_CASE("rights are asked for every path") {
    CoapTest t;
    t.world.shared().access = std::make_shared<FakeAccess>(
        [](const AccessRequest& request) {
            return request.topic.starts_with("no") ? AccessDecision::deny : AccessDecision::allow;
        },
        true);
    t.publish("no/r", "x", Qos::at_most_once, true);
    const auto code = [&t](CoapRequest request) {
        static std::uint16_t id = 100;
        request.message_id = ++id;
        return t.ask(request).substr(4, 4);
    };
    CHECK(code({.code = Code::put, .path = "ps/no/a", .payload = "x"}) == "4.03");
    CHECK(code({.code = Code::delete_, .path = "ps/no/a"}) == "4.03");
    CHECK(code({.path = "ps/no/r"}) == "4.03");
    CHECK(code({.path = "ps/no/r", .options = {{option::observe, ""}}}) == "4.03");
    CHECK(code({.path = "ps/%24SYS/brokers"}) == "4.03");
    CHECK(code({.code = Code::put, .path = "ps/%24SYS/x", .payload = "x"}) == "4.03");
    CHECK(code({.code = Code::post,
                .path = "mqtt/connection",
                .query = "clientid=w&will_topic=no/will"}) == "4.03");
    // The topics of a wildcard are asked for one by one.
    CHECK(code({.token = "t", .path = "ps/#", .options = {{option::observe, ""}}}) == "2.05");
    t.publish("no/b", "x");
    t.publish("yes", "x");
    CHECK(t.take().ends_with(" 8=ps 8=yes | x"));
    CHECK(t.take() == "");
}

TEST_CASE("requests wait for rights in their order") {
    CoapTest t;
    AccessDecision decision = AccessDecision::pending;
    t.world.shared().access = std::make_shared<FakeAccess>([&](const AccessRequest& request) {
        return request.action == AccessAction::publish ? decision : AccessDecision::allow;
    });
    const auto subscriber = mqtt_client(t, "s", "a");
    for (std::uint16_t id = 1; id <= 3; ++id) {
        CHECK(t.ask({.code = Code::put,
                     .message_id = id,
                     .path = "ps/a",
                     .query = "c=me",
                     .payload = std::to_string(id)}) == "");
    }
    decision = AccessDecision::allow;
    t.world.turn(t.world.broker().worker(), [](Broker& broker) {
        broker.on_access_decided(broker.find_session("me")->ref());
    });
    for (int i = 1; i <= 3; ++i) {
        CHECK(t.next() == "ACK 2.04 #" + std::to_string(i));
        CHECK(subscriber->next().find("=" + std::to_string(i)) != std::string::npos);
    }
}

TEST_CASE("2.04 waits for the store when something has to be stored") {
    SimOptions sim;
    sim.storage_delay_max = 200ms;
    CoapTest t{sim};
    CHECK(t.ask({.code = Code::put, .message_id = 1, .path = "ps/a", .payload = "1"}) ==
          "ACK 2.04 #1");  // nobody's, nothing to store
    TestClient subscriber{t.world, mqtt::Version::v5};
    subscriber.connect("s", [](mqtt::ConnectPacket& packet) {
        packet.clean_start = false;
        packet.session_expiry_interval = 3600;
    });
    t.world.run_for(1s);
    subscriber.subscribe("a", {.qos = Qos::at_least_once});
    t.world.run_for(1s);
    CHECK(t.ask({.code = Code::put, .message_id = 2, .path = "ps/a", .payload = "2"}) == "");
    t.world.run_for(1s);
    CHECK(t.next() == "ACK 2.04 #2");
}

TEST_CASE("a client without an id has a session of its own until it is silent for long") {
    CoapTest t;
    t.ask({.code = Code::put, .message_id = 1, .path = "ps/a", .payload = "1"});
    CHECK(t.world.sum([](const Metrics& m) { return m.clients_online.value(); }) == 1);
    t.ask({.code = Code::put, .message_id = 2, .path = "ps/a", .payload = "1"});
    CHECK(t.world.sum([](const Metrics& m) { return m.clients_online.value(); }) == 1);
    t.ask({.message_id = 3, .path = "ps/a"}, 1001);
    CHECK(t.world.sum([](const Metrics& m) { return m.clients_online.value(); }) == 2);
    t.world.run_for(119s);
    CHECK(t.net.client_count() == 2);
    t.world.run_for(2s);
    CHECK(t.net.client_count() == 0);
    CHECK(t.net.endpoint_count() == 0);
    CHECK(t.world.sum([](const Metrics& m) { return m.sessions.value(); }) == 0);
}

TEST_CASE("a request from another port does not end an observation") {
    CoapTest t;
    t.ask({.message_id = 1,
           .token = "t",
           .path = "ps/a",
           .query = "c=me",
           .options = {{option::observe, ""}}});
    CHECK(
        t.ask({.code = Code::put, .message_id = 1, .path = "ps/b", .query = "c=me", .payload = "1"},
              1001) == "ACK 2.04 #1");
    t.world.run_for(600s);  // and silence neither
    t.publish("a", "1");
    CHECK(t.take() == "CON 2.05 [t] 6=2 | 1");
    CHECK(t.world.sum([](const Metrics& m) { return m.sessions.value(); }) == 1);
}

TEST_CASE("one identity: another protocol takes the session over, and back") {
    CoapTest t;
    t.ask({.message_id = 1,
           .token = "t",
           .path = "ps/a",
           .query = "c=me",
           .options = {{option::observe, ""}}});
    TestClient mqtt{t.world, mqtt::Version::v5};
    mqtt.connect("me");
    CHECK(mqtt.next().starts_with("CONNACK"));
    CHECK(CoapTest::without_id(t.next()) == "NON 5.03 [t]");
    t.publish("a", "1");
    CHECK(t.next() == "");
    CHECK(t.ask({.code = Code::put,
                 .message_id = 2,
                 .path = "ps/b",
                 .query = "c=me",
                 .payload = "1"}) == "ACK 2.04 #2");
    CHECK(mqtt.next().starts_with("DISCONNECT"));
    CHECK(t.world.sum([](const Metrics& m) { return m.sessions_taken_over.value(); }) == 2);
}

TEST_CASE("a session that another protocol keeps is used, not spoilt") {
    CoapTest t;
    {
        TestClient mqtt{t.world, mqtt::Version::v5};
        mqtt.connect("me",
                     [](mqtt::ConnectPacket& packet) { packet.session_expiry_interval = 3600; });
        mqtt.next();
        mqtt.subscribe("a", {.qos = Qos::at_least_once});
        mqtt.subscribe("b", {.qos = Qos::at_least_once});
        mqtt.next();
        mqtt.disconnect();
        t.world.settle();
    }
    t.publish("a", "1");
    t.publish("b", "2");
    t.ask({.message_id = 1,
           .token = "t",
           .path = "ps/a",
           .query = "c=me",
           .options = {{option::observe, ""}}});
    CHECK(t.take() == "CON 2.05 [t] 6=2 | 1");  // waited for it
    CHECK(t.take() == "");
    t.ask({.message_id = 2,
           .token = "t",
           .path = "ps/a",
           .query = "c=me",
           .options = {{option::observe, "\x01"}}});
    t.world.run_for(300s);
    CHECK(t.net.client_count() == 0);
    t.publish("a", "3");
    TestClient back{t.world, mqtt::Version::v5};
    back.connect("me", [](mqtt::ConnectPacket& packet) {
        packet.clean_start = false;
        packet.session_expiry_interval = 3600;
    });
    CHECK(back.next().find("session_present") != std::string::npos);
    std::string got = back.next() + back.next();
    CHECK(got.find("2") != std::string::npos);
    CHECK(got.find("3") != std::string::npos);
}

TEST_CASE("a connection: token, keep alive, end") {
    CoapTest t;
    const std::string token = connect(t, "clientid=dev&keepalive=60");
    CHECK(token.size() == 18);
    CHECK(connect(t, "clientid=dev&keepalive=60") == token);  // a copy
    const std::string with_token = "clientid=dev&token=" + token;
    CHECK(
        t.ask(
            {.code = Code::put, .message_id = 2, .path = "mqtt/connection", .query = with_token}) ==
        "ACK 2.04 #2");
    CHECK(t.ask({.code = Code::put,
                 .message_id = 3,
                 .path = "mqtt/connection",
                 .query = "clientid=dev&token=00"})
              .substr(4, 4) == "4.01");
    CHECK(t.ask({.code = Code::put,
                 .message_id = 4,
                 .path = "mqtt/connection",
                 .query = "clientid=dev"})
              .substr(4, 4) == "4.01");
    CHECK(t.ask({.code = Code::put,
                 .message_id = 5,
                 .path = "ps/a",
                 .query = "token=" + token,
                 .payload = "x"}) == "ACK 2.04 #5");  // alone it is enough
    CHECK(t.ask({.code = Code::post, .message_id = 6, .path = "mqtt/connection"}).substr(4, 4) ==
          "4.00");
    t.world.run_for(80s);
    CHECK(t.net.client_count() == 1);
    CHECK(t.ask({.code = Code::delete_,
                 .message_id = 7,
                 .path = "mqtt/connection",
                 .query = with_token}) == "ACK 2.02 #7");
    CHECK(t.net.client_count() == 0);
    CHECK(
        t.ask({.code = Code::put, .message_id = 8, .path = "mqtt/connection", .query = with_token})
            .substr(4, 4) == "4.01");
}

TEST_CASE("a connection that is silent is lost: its will is published, its session stays") {
    CoapTest t;
    const auto watcher = mqtt_client(t, "w", "will/+");
    connect(t, "clientid=dev&keepalive=60&will_topic=will/dev&will_qos=1", 1, 1000, "gone");
    t.world.run_for(89s);
    CHECK(watcher->next() == "");
    t.world.run_for(2s);
    CHECK(watcher->next().find("gone") != std::string::npos);
    CHECK(t.net.client_count() == 0);
    CHECK(t.world.sum([](const Metrics& m) { return m.sessions.value(); }) == 2);
    // An orderly end publishes nothing.
    const std::string token = connect(t, "clientid=dev&will_topic=will/dev", 2, 1000, "gone");
    t.ask({.code = Code::delete_,
           .message_id = 3,
           .path = "mqtt/connection",
           .query = "clientid=dev&token=" + token});
    t.world.run_for(1s);
    CHECK(watcher->next() == "");
}

TEST_CASE("a connection goes on at another address, with all that was under way") {
    SimOptions sim;
    sim.worker_count = 2;
    CoapTest t{sim};
    const std::string token = connect(t, "clientid=dev&keepalive=3600");
    const std::string query = "clientid=dev&token=" + token;
    t.ask({.message_id = 2,
           .token = "t",
           .path = "ps/a",
           .query = query,
           .options = {{option::observe, ""}}});
    for (const char* const payload : {"1", "2", "3"}) {
        t.publish("a", payload);
    }
    CHECK(t.next() != "");  // and is not acknowledged: the address has changed
    CHECK(t.ask({.code = Code::put, .message_id = 3, .path = "mqtt/connection", .query = query},
                1007) == "ACK 2.04 #3");
    for (const char* const payload : {"1", "2", "3"}) {
        CHECK(t.take(1007).ends_with("| " + std::string{payload}));
    }
    t.publish("a", "4");
    CHECK(t.take(1007).ends_with("| 4"));
    CHECK(t.take(1000) == "");
    CHECK(t.world.sum([](const Metrics& m) { return m.coap_connections_moved.value(); }) == 1);
}

TEST_CASE("a session that is taken over leaves nothing to be sent to its observers") {
    CoapTest t;
    const std::string token = connect(t, "clientid=dev&keepalive=3600");
    const std::string query = "clientid=dev&token=" + token;
    for (const char* const path : {"ps/a/+", "ps/b/+", "ps/c/+"}) {
        t.ask({.message_id = static_cast<std::uint16_t>(path[3]),
               .token = path + 3,
               .path = path,
               .query = query,
               .options = {{option::observe, ""}}});
    }
    for (const char* const topic : {"a/1", "b/1", "c/1", "a/2", "b/2", "c/2"}) {
        t.publish(topic, "x");
    }
    CHECK(t.next().starts_with("CON 2.05"));  // not acknowledged: the others wait
    connect(t, "clientid=dev&keepalive=3600", 9, 1001);
    std::vector<std::string> last;
    for (std::string text = t.take(); !text.empty(); text = t.take()) {
        last.push_back(text);
    }
    CHECK(last.size() == 3);
    for (const std::string& text : last) {
        CHECK(text.starts_with("NON 5.03"));
    }
}

TEST_CASE("what a connection does not acknowledge waits until it comes back") {
    CoapTest t;
    const std::string token = connect(t, "clientid=dev&keepalive=3600");
    const std::string query = "clientid=dev&token=" + token;
    t.ask({.message_id = 2,
           .token = "t",
           .path = "ps/a",
           .query = query,
           .options = {{option::observe, ""}}});
    for (int i = 0; i < 100; ++i) {
        t.publish("a", std::to_string(i));
        t.world.run_for(2s);  // long enough for it to be given up meanwhile
    }
    while (!t.next().empty()) {
    }
    CHECK(t.ask({.code = Code::put, .message_id = 3, .path = "mqtt/connection", .query = query},
                1001) == "ACK 2.04 #3");
    for (int i = 0; i < 100; ++i) {
        CHECK(t.take(1001).ends_with("| " + std::to_string(i)));
    }
    CHECK(t.take(1001) == "");
}

TEST_CASE("a session outlives its connection, and the next one gets what has waited") {
    CoapTest t;
    const std::string token = connect(t, "clientid=dev");
    const std::string query = "clientid=dev&token=" + token;
    t.ask({.message_id = 2,
           .token = "t",
           .path = "ps/a",
           .query = query,
           .options = {{option::observe, ""}}});
    t.ask({.code = Code::delete_, .message_id = 3, .path = "mqtt/connection", .query = query});
    for (int i = 0; i < 200; ++i) {
        t.publish("a", std::to_string(i));
    }
    const std::string next = connect(t, "clientid=dev", 4, 1001);
    CHECK(next.size() == 18);
    CHECK(t.ask({.message_id = 5,
                 .token = "u",
                 .path = "ps/a",
                 .query = "clientid=dev&token=" + next,
                 .options = {{option::observe, ""}}},
                1001) == "ACK 2.05 #5 [u] 6=1");
    for (int i = 0; i < 200; ++i) {
        CHECK(t.take(1001).ends_with("| " + std::to_string(i)));
    }
    CHECK(t.take(1001) == "");
    // A clean start forgets.
    connect(t, "clientid=dev&clean_start=1", 6, 1001);
    CHECK(t.world.shared().router.subscription_count() == 0);
}

TEST_CASE("what has waited comes behind the answer to its observer, and before what is new") {
    SimOptions sim;
    sim.storage_delay_max = 200ms;
    CoapTest t{sim};
    const auto connected = [&](std::uint16_t message_id) {
        t.net.send(1000, coap_bytes({.code = Code::post,
                                     .message_id = message_id,
                                     .path = "mqtt/connection",
                                     .query = "clientid=dev&keepalive=3600"}));
        t.world.run_for(1s);
        std::string text = t.next();
        while (!text.empty() && text.find(" 2.01 ") == std::string::npos) {
            text = t.next();  // what the connection before was still told
        }
        return "clientid=dev&token=" + text.substr(text.rfind(' ') + 1);
    };
    const auto observe = [&](std::uint16_t message_id, const char* path, const std::string& who) {
        t.net.send(1000, coap_bytes({.message_id = message_id,
                                     .token = path + 3,
                                     .path = path,
                                     .query = who,
                                     .options = {{option::observe, ""}}}));
    };
    const std::string first = connected(1);
    observe(2, "ps/a", first);
    t.world.run_for(1s);
    const std::string second = connected(3);
    observe(4, "ps/b", second);  // now messages flow, and those of `a` have no observer
    t.world.run_for(1s);
    while (!t.next().empty()) {
    }
    t.publish("a", "1");
    t.publish("a", "2");
    t.world.run_for(1s);
    CHECK(t.next() == "");
    observe(5, "ps/a", second);
    t.world.settle();
    CHECK(t.next() == "");  // the registration is not stored yet
    t.publish("a", "3");
    t.world.run_for(1s);
    CHECK(t.next().starts_with("ACK 2.05 #5 [a]"));
    for (const char* const payload : {"1", "2", "3"}) {
        CHECK(t.take().ends_with("| " + std::string{payload}));
        t.world.run_for(1s);
    }
    CHECK(t.take() == "");
}

TEST_CASE("the listener's bound of clients") {
    coap::MachineOptions options = open_coap();
    options.client_count_max = 1;
    CoapTest t{{}, options};
    CHECK(
        t.ask({.code = Code::put, .message_id = 1, .path = "ps/a", .payload = "1"}).substr(4, 4) ==
        "2.04");
    CHECK(t.ask({.code = Code::put, .message_id = 1, .path = "ps/a", .payload = "1"}, 1001) ==
          "ACK 5.03 #1 14=1 | quota exceeded");
    t.world.run_for(121s);
    CHECK(t.ask({.code = Code::put, .message_id = 2, .path = "ps/a", .payload = "1"}, 1001)
              .substr(4, 4) == "2.04");
}

TEST_CASE("a client's rate") {
    coap::MachineOptions options = open_coap();
    options.publish_rate_max = 2;
    CoapTest t{{}, options};
    std::string codes;
    for (std::uint16_t id = 1; id <= 3; ++id) {
        codes += t.ask({.code = Code::put, .message_id = id, .path = "ps/a", .payload = "1"})
                     .substr(4, 5);
    }
    CHECK(codes == "2.04 2.04 4.29 ");
}

TEST_CASE("a body in blocks counts once for a client's rate") {
    coap::MachineOptions options = open_coap();
    options.publish_rate_max = 1;
    CoapTest t{{}, options};
    std::string codes;
    for (std::uint16_t number = 0; number < 4; ++number) {
        codes += t.ask({.code = Code::put,
                        .message_id = static_cast<std::uint16_t>(number + 1),
                        .path = "ps/a",
                        .options = {{option::block1, coap_block(number, number < 3, 0)}},
                        .payload = std::string(16, 'x')})
                     .substr(4, 5);
    }
    CHECK(codes == "2.31 2.31 2.31 2.04 ");
    CHECK(
        t.ask({.code = Code::put, .message_id = 9, .path = "ps/a", .payload = "1"}).substr(4, 4) ==
        "4.29");
}

TEST_CASE("a mount point is put before topics and taken off") {
    coap::MachineOptions options = open_coap();
    options.origin = open_origin(false, "site/");
    CoapTest t{{}, options};
    const auto watcher = mqtt_client(t, "w", "site/#");
    t.ask({.code = Code::put, .message_id = 1, .path = "ps/a", .payload = "1"});
    CHECK(watcher->next().find("site/a") != std::string::npos);
    t.ask({.message_id = 2, .token = "t", .path = "ps/+", .options = {{option::observe, ""}}});
    t.publish("site/b", "2");
    CHECK(t.take() == "CON 2.05 [t] 6=2 8=ps 8=b | 2");
}

TEST_CASE("a refusal that came late is told of the client that the core knows") {
    struct Refusals final : Observer {
        HookMask points() const override { return {HookPoint::client_connect}; }
        void on_client_connect(const ClientIdentity& client, ReasonCode reason) override {
            if (reason != ReasonCode::success) {
                ids.push_back(client.client_id);
            }
        }
        std::vector<std::string> ids;
    };
    coap::MachineOptions options = open_coap();
    options.origin = open_origin(false, "site/");
    AuthTest t{{}, options};
    const auto refusals = std::make_shared<Refusals>();
    t.world.add_observer(refusals);
    CHECK(
        t.ask(
             {.code = Code::put, .message_id = 1, .path = "ps/a", .query = "c=dev", .payload = "1"})
            .starts_with("ACK 2.04"));
    CHECK(t.ask({.code = Code::put,
                 .message_id = 2,
                 .path = "ps/a",
                 .query = "c=dev&u=later&p=x",
                 .payload = "2"}) == "");
    t.decide(false);
    CHECK(refusals->ids == std::vector<std::string>{"site/dev"});
}

TEST_CASE("a pre-shared key names the user") {
    AuthTest t;
    auto identity = std::make_shared<TransportIdentity>();
    identity->psk_identity = "joe";
    t.net.prove(1000, identity);
    CHECK(
        t.ask({.code = Code::put, .message_id = 1, .path = "ps/a", .query = "c=me", .payload = "1"})
            .substr(4, 4) == "2.04");
    CHECK(t.world.broker().find_session("me")->identity->username == std::string_view{"joe"});
}

TEST_CASE("an observer that loses its right is told, and may observe again when it has it back") {
    CoapTest t;
    bool is_allowed = true;
    t.world.shared().access = std::make_shared<FakeAccess>([&](const AccessRequest& request) {
        return request.topic == "a" && !is_allowed ? AccessDecision::deny : AccessDecision::allow;
    });
    const auto observe = [&t](std::uint16_t id, const char* path, const char* token) {
        return t.ask(
            {.message_id = id, .token = token, .path = path, .options = {{option::observe, ""}}});
    };
    const auto revise = [&t](Broker& broker) {
        broker.revise_access();
    };
    observe(1, "ps/a", "t");
    observe(2, "ps/b", "u");
    t.publish("a", "1");
    t.next();  // not acknowledged: it does not count any more
    is_allowed = false;
    t.world.turn(0, revise);
    t.world.settle();
    CHECK(CoapTest::without_id(t.next()) == "NON 4.03 [t]");
    t.publish("a", "2");
    CHECK(t.next() == "");
    CHECK(observe(3, "ps/a", "t").substr(4, 4) == "4.03");
    t.publish("b", "3");
    CHECK(t.take() == "CON 2.05 [u] 6=2 | 3");
    is_allowed = true;
    t.world.turn(0, revise);
    CHECK(observe(4, "ps/a", "t").find(" 6=") != std::string::npos);
    t.publish("a", "4");
    CHECK(t.take().ends_with(" | 4"));
}

TEST_CASE("a reset of a separate answer to a registration ends the observation") {
    AuthTest t;
    CHECK(t.ask({.message_id = 1,
                 .token = "t",
                 .path = "ps/a",
                 .query = "u=later",
                 .options = {{option::observe, ""}}}) == "");
    t.world.run_for(1s);
    CHECK(t.next() == "ACK 0.00 #1");
    t.decide(true);
    const std::string answer = t.next();
    CHECK(CoapTest::without_id(answer).starts_with("CON 2.05 [t] 6="));
    t.answer(Type::reset, CoapTest::id_of(answer));
    t.publish("a", "1");
    CHECK(t.next() == "");
    CHECK(t.count([](const Metrics& m) { return m.coap_observations.value(); }) == 0);
}

TEST_CASE("the DTLS association of an observer is kept; who gets its port afterwards is another") {
    AuthTest t;
    const auto identity = [](const char* name) {
        auto made = std::make_shared<TransportIdentity>();
        made->psk_identity = name;
        return made;
    };
    t.net.prove(1000, identity("joe"));
    t.ask({.message_id = 1, .token = "t", .path = "ps/a", .options = {{option::observe, ""}}});
    t.world.run_for(600s);
    CHECK(t.net.is_bound(1000));
    t.publish("a", "1");
    CHECK(t.take() == "CON 2.05 [t] 6=2 | 1");
    t.publish("a", "2");  // not acknowledged any more
    t.next();

    t.net.end_association(1000);
    t.publish("a", "3");
    CHECK(t.next() == "");
    CHECK(t.world.sum([](const Metrics& m) { return m.coap_observations.value(); }) == 0);
    CHECK(t.world.sum([](const Metrics& m) { return m.coap_observations_lost.value(); }) == 1);

    t.net.prove(1000, identity("joe"));
    t.ask({.message_id = 2, .token = "u", .path = "ps/a", .options = {{option::observe, ""}}});
    CHECK(t.net.is_bound(1000));
    t.ask({.message_id = 3, .token = "u", .path = "ps/a", .options = {{option::observe, "\x01"}}});
    t.world.run_for(600s);
    CHECK_FALSE(t.net.is_bound(1000));
    CHECK(t.net.endpoint_count() == 0);
}

TEST_CASE("what is for a connection waits when its DTLS association ends") {
    AuthTest t;
    auto identity = std::make_shared<TransportIdentity>();
    identity->psk_identity = "joe";
    t.net.prove(1000, identity);
    const std::string token = connect(t, "clientid=dev&keepalive=60");
    const std::string who = "clientid=dev&token=" + token;
    t.ask({.message_id = 11,
           .token = "t",
           .path = "ps/a",
           .query = who,
           .options = {{option::observe, ""}}});
    t.publish("a", "1");
    t.next();  // lost on its way
    t.net.end_association(1000);
    t.publish("a", "2");
    CHECK(t.next() == "");
    t.net.prove(1001, identity);
    CHECK(t.ask({.code = Code::put, .message_id = 1, .path = "mqtt/connection", .query = who},
                1001) == "ACK 2.04 #1");
    CHECK(t.take(1001).ends_with("| 1"));
    CHECK(t.take(1001).ends_with("| 2"));
}

TEST_CASE("DELETE is answered when a restart brings neither will nor session back") {
    for (const bool ends_session : {false, true}) {
        CAPTURE(ends_session);
        SimOptions sim;
        sim.storage_delay_max = 20ms;
        CoapTest t{sim};
        t.ask({.code = Code::post,
               .message_id = 1,
               .path = "mqtt/connection",
               .query = ends_session ? "clientid=c" : "clientid=c&will_topic=will"});
        t.world.run_for(100ms);
        const std::string created = t.next();
        const std::string query =
            "token=" + created.substr(created.find(" | ") + 3) + (ends_session ? "&clean=1" : "");
        const StoreTicket before = t.world.disk().submitted(0);
        const CoapRequest goodbye{
            .code = Code::delete_, .message_id = 2, .path = "mqtt/connection", .query = query};
        std::string answer = t.ask(goodbye);
        const StoreTicket wanted = t.world.disk().submitted(0);
        CHECK(wanted != before);
        while (t.world.disk().committed(0) < wanted) {
            CHECK(answer == "");
            t.world.run_for(1ms);
            answer = t.next();
        }
        CHECK(answer == "ACK 2.02 #2");
        CHECK(t.ask(goodbye) == "ACK 2.02 #2");  // a copy
        CHECK(t.count([](const Metrics& m) { return m.clients_online.value(); }) == 0);
        const Session* const session = t.world.broker().find_session("c");
        CHECK((session == nullptr) == ends_session);
        CHECK((session == nullptr || session->will == nullptr));
    }
}

}  // namespace gw::test
