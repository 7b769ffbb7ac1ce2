// SEND, SUBSCRIBE and MESSAGE: destinations, headers, and what MQTT and STOMP make of each other.
// docs/protocols/translation.md is the table that the rows here check.
#include "broker-core/message/properties.hpp"
#include "tests/support/fake_access.hpp"
#include "tests/unit/adapters/stomp/machine/stomp_support.hpp"

#include <algorithm>

using namespace gw;
using namespace gw::test;
using namespace std::string_literals;

TEST_CASE("a destination is a topic, with MQTT's wildcards in SUBSCRIBE") {
    SimWorld world{SimOptions{}};
    const auto client = logged_in(world);
    client->subscribe("w:1", "a/+/c");
    client->publish("a/b/c", "x");
    CHECK(client->next() == "MESSAGE subscription=w:1 destination=a/b/c qos=0 | x");
    client->publish("a/b", "x");
    client->publish("/queue/a", "x");
    CHECK(client->next() == "");
}

TEST_CASE("each subscription that matches gets a MESSAGE with its id") {
    SimWorld world{SimOptions{}};
    const auto client = logged_in(world);
    client->subscribe("1", "a/#");
    client->subscribe("2", "a/b");
    client->subscribe("3", "a/b");
    client->subscribe("4", "other");
    client->publish("a/b", "x");
    Lines got = client->take();
    std::sort(got.begin(), got.end());
    CHECK(got == Lines{"MESSAGE subscription=1 destination=a/b qos=0 | x",
                       "MESSAGE subscription=2 destination=a/b qos=0 | x",
                       "MESSAGE subscription=3 destination=a/b qos=0 | x"});
    client->frame(Command::unsubscribe, {{"id", "3"}});
    client->frame(Command::unsubscribe, {{"id", "1"}});
    client->publish("a/b", "y");
    CHECK(client->take() == Lines{"MESSAGE subscription=2 destination=a/b qos=0 | y"});
    client->frame(Command::unsubscribe, {{"id", "2"}});
    client->publish("a/b", "z");
    CHECK(client->next() == "");
    CHECK(world.shared().router.subscription_count() == 1);
}

TEST_CASE("a retained message goes to the new subscription alone") {
    SimWorld world{SimOptions{}};
    const auto client = logged_in(world);
    client->publish("a", "old", {{"retain", "true"}});
    client->subscribe("1", "a");
    CHECK(client->take() == Lines{"MESSAGE subscription=1 destination=a retain=true qos=0 | old"});
    client->subscribe("2", "a");
    CHECK(client->take() == Lines{"MESSAGE subscription=2 destination=a retain=true qos=0 | old"});
    client->subscribe("3", "#");
    CHECK(client->take() == Lines{"MESSAGE subscription=3 destination=a retain=true qos=0 | old"});
    client->publish("a", "", {{"retain", "1"}});
    CHECK(client->take().size() == 3);
    client->subscribe("4", "a");
    CHECK(client->next() == "");
}

TEST_CASE("shared and local filters are taken in SUBSCRIBE; a group gives each message once") {
    SimWorld world{SimOptions{}};
    const auto one = logged_in(world);
    const auto two = logged_in(world);
    one->subscribe("s", "$share/g/a");
    two->subscribe("s", "$share/g/a");
    two->subscribe("t", "$share/g/a");  // the same member
    two->subscribe("l", "$local/b");
    for (int i = 0; i < 4; ++i) {
        one->publish("a", "x");
    }
    CHECK(one->take().size() == 2);
    const Lines got = two->take();
    REQUIRE(got.size() == 2);
    CHECK(got[0] != got[1]);  // its two ids take turns
    one->publish("b", "y");
    CHECK(two->take() == Lines{"MESSAGE subscription=l destination=b qos=0 | y"});
}

TEST_CASE("the alias of destinations is taken off, and the mount point put before") {
    SimWorld world{SimOptions{}};
    const auto mqtt = mqtt_client(world, "m");
    mqtt->subscribe("#");
    mqtt->next();
    stomp::MachineOptions options = open_stomp_listener();
    options.destination_alias = "/topic/";
    world.set_mountpoint("site/");
    const auto client = logged_in(world, Version::v1_2, {}, options);
    client->subscribe("1", "/topic/a/#");
    client->publish("a/b", "x");
    CHECK(client->next() == "MESSAGE subscription=1 destination=a/b qos=0 | x");
    client->publish("/topic/a/c", "y", {{"reply-to", "/topic/r"}});
    CHECK(client->next() == "MESSAGE subscription=1 destination=a/c qos=0 reply-to=r | y");
    client->publish("/topic/", "z");  // nothing would be left of it
    CHECK(mqtt->take().size() == 3);
}

TEST_CASE("what STOMP sends becomes a message with MQTT 5 properties") {
    SimWorld world{SimOptions{}};
    std::vector<MessagePtr> seen;
    class Spy final : public Observer {
    public:
        explicit Spy(std::vector<MessagePtr>& messages) : messages_(messages) {}
        void on_message_published(const Message& message) override {
            messages_.push_back(message.copy());
        }

    private:
        std::vector<MessagePtr>& messages_;
    };
    world.add_observer(std::make_shared<Spy>(seen));
    const auto client = logged_in(world);
    client->publish("t", "x",
                    {{"content-type", "text/plain"},
                     {"reply-to", "r/1"},
                     {"correlation-id", "c:1"},
                     {"payload-format-indicator", "1"},
                     {"expires", "60"},
                     {"retain", "true"},
                     {"qos", "2"},
                     {"color", "red\n"},
                     {"color", "blue"},
                     {"message-id", "mine"},
                     {"subscription", "mine"},
                     {"receipt", "1"}});
    REQUIRE(seen.size() == 1);
    const Message& message = *seen[0];
    CHECK(message.topic() == "t");
    CHECK(as_text(message.payload()) == "x");
    CHECK(message.qos() == Qos::exactly_once);
    CHECK(message.retain());
    CHECK(message.expires_at() == MonotonicTime{60s});
    Lines properties;
    PropertyReader reader{message.properties()};
    while (const auto property = reader.next()) {
        properties.push_back(std::to_string(static_cast<int>(property->id)) + " " +
                             std::string{property->name} + "=" + std::string{property->value});
    }
    CHECK(properties == Lines{"1 =\1", "3 =text/plain", "8 =r/1", "9 =c:1", "38 color=red\n"});
}

TEST_CASE("the QoS of a SEND: as it says, else 1 when something is promised") {
    SimWorld world{SimOptions{}};
    const auto mqtt = mqtt_client(world, "m", mqtt::Version::v3_1_1);
    mqtt->subscribe("t", {.qos = Qos::exactly_once});
    mqtt->next();
    const auto qos_of = [&](const StompHeaders& headers) {
        const auto client = logged_in(world);
        client->publish("t", "x", headers);
        const std::string packet = mqtt->next();
        return packet.find("qos=2") != std::string::npos   ? 2
               : packet.find("qos=1") != std::string::npos ? 1
                                                           : 0;
    };
    CHECK(qos_of({}) == 0);
    CHECK(qos_of({{"receipt", "1"}}) == 1);
    CHECK(qos_of({{"receipt", "1"}, {"qos", "0"}}) == 0);
    CHECK(qos_of({{"qos", "1"}}) == 1);
    CHECK(qos_of({{"qos", "2"}}) == 2);
}

TEST_CASE("expiry: seconds from now, or milliseconds since 1970; 0 is never") {
    SimWorld world{SimOptions{}};
    world.run_for(1000s);
    const auto client = logged_in(world, Version::v1_2, {{"client-id", "c"}});
    client->subscribe("1", "t", "client", true);
    const auto expires = [&](const std::string& value) {
        client->publish("t", "x", {{"expires", value}});
        return client->next_frame().get("expires");
    };
    CHECK(expires("60") == "60");
    CHECK(expires("0") == "");
    CHECK(expires("5000000000") == "4999000");  // the simulated wall clock began in 1970
    CHECK(expires("4294967295") == "4294967295");
    CHECK(expires("999999999999999999") == "4294967295");
    client->publish("t", "x", {{"expires", "1.5"}});
    check_refused(*client, "expires must be seconds from now, or milliseconds since 1970");
}

TEST_CASE("a message that has expired is not sent") {
    SimWorld world{SimOptions{}};
    auto client = logged_in(world, Version::v1_2, {{"client-id", "c"}});
    client->subscribe("1", "t", "client", true);
    client->close();
    const auto sender = logged_in(world);
    sender->publish("t", "short", {{"expires", "10"}});
    sender->publish("t", "long", {{"expires", "100"}});
    world.run_for(11s);
    client = logged_in(world, Version::v1_2, {{"client-id", "c"}});
    client->subscribe("1", "t", "client", true);
    CHECK(client->take() ==
          Lines{"MESSAGE subscription=1 ack destination=t qos=0 expires=89 | long"});
}

TEST_CASE("what MQTT 5 publishes, STOMP gets") {
    SimWorld world{SimOptions{}};
    const auto client = logged_in(world);
    client->subscribe("1", "t");
    const auto old = logged_in(world, Version::v1_0);
    old->subscribe("1", "t");
    const auto mqtt = mqtt_client(world, "m");
    ByteBuffer block;
    PropertyWriter properties{block};
    properties.payload_format_indicator(1);
    properties.content_type("a:b");
    properties.response_topic("r");
    properties.correlation_data(as_bytes("\xff\0"s));
    properties.user_property("n:1", "line\nend");
    properties.user_property("n:1", "again");
    properties.user_property("", "nameless");
    properties.user_property("subscription", "forged");
    properties.user_property("content-length", "1");
    mqtt->publish(
        "t", "hello",
        {.qos = Qos::at_least_once, .packet_id = 1, .expiry = 7, .properties = block.view()});
    CHECK(client->next() ==
          "MESSAGE subscription=1 destination=t qos=1 expires=7 payload-format-indicator=1 "
          "content-type=a:b reply-to=r correlation-id-base64=/wA= n:1=line\nend n:1=again | hello");
    // 1.0 has no escapes: names with a colon and values with a line end are lost.
    CHECK(old->next() ==
          "MESSAGE subscription=1 destination=t qos=1 expires=7 payload-format-indicator=1 "
          "content-type=a:b reply-to=r correlation-id-base64=/wA= | hello");
}

TEST_CASE("STOMP to STOMP nothing is lost but what is the frame's own") {
    SimWorld world{SimOptions{}};
    const auto client = logged_in(world);
    client->subscribe("1", "t");
    const std::string body = "a\0b\r\n"s;
    client->publish("t", body,
                    {{"content-length", std::to_string(body.size())},
                     {"content-type", "application/octet-stream"},
                     {"reply-to", "r"},
                     {"correlation-id-base64", "/wA="},
                     {"payload-format-indicator", "0"},
                     {"x:y", "1\r2"}});
    CHECK(
        client->next() ==
        "MESSAGE subscription=1 destination=t qos=0 payload-format-indicator=0 "
        "content-type=application/octet-stream reply-to=r correlation-id-base64=/wA= x:y=1\r2 | " +
            body);
}

TEST_CASE("headers that make no message are refused") {
    struct Row {
        std::string name, value, message;
    };
    const Row rows[] = {
        {"reply-to", "a/#", "reply-to must be a destination without wildcards"},
        {"reply-to", "", "reply-to must be a destination without wildcards"},
        {"correlation-id-base64", "!", "correlation-id-base64 is no base64"},
        {"payload-format-indicator", "2", "payload-format-indicator must be 0 or 1"},
        {"qos", "", "qos must be 0, 1 or 2"},
        {"expires", "soon", "expires must be seconds from now, or milliseconds since 1970"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        SimWorld world{SimOptions{}};
        const auto client = logged_in(world);
        client->publish("t", "x", {{row.name, row.value}});
        check_refused(*client, row.message);
    }
    SimWorld world{SimOptions{}};
    stomp::MachineOptions options = open_stomp_listener();
    options.user_properties_max = 1;
    const auto client = logged_in(world, Version::v1_2, {}, options);
    client->publish("t", "x", {{"a", "1"}, {"a", "2"}, {"content-type", "b"}});
    CHECK(client->next() == "");
    client->publish("t", "\xff", {{"payload-format-indicator", "1"}});
    check_refused(*client, "the body is not UTF-8 as payload-format-indicator says");
}

TEST_CASE("rights are asked, answers may take their time, and a denial ends the connection") {
    SimWorld world{SimOptions{}};
    AccessDecision slow = AccessDecision::pending;
    world.shared().access = std::make_shared<FakeAccess>([&](const AccessRequest& request) {
        return request.topic.starts_with("slow") ? slow
               : request.topic.ends_with("no")   ? AccessDecision::deny
                                                 : AccessDecision::allow;
    });
    const auto sender = logged_in(world);
    sender->publish("no", "x");
    check_refused(*sender, "no right to send to this destination");
    const auto reader = logged_in(world);
    reader->subscribe("1", "a/no");
    check_refused(*reader, "no right to subscribe to this destination");

    const auto client = logged_in(world, Version::v1_2, {{"client-id", "c"}});
    client->subscribe("1", "slow/a");
    client->publish("slow/a", "x");
    client->publish("other", "y", {{"receipt", "1"}});
    CHECK(client->next() == "");
    slow = AccessDecision::allow;
    world.turn(0,
               [&](Broker& broker) { broker.on_access_decided(broker.find_session("c")->ref()); });
    CHECK(client->next() == "RECEIPT receipt-id=1");
    CHECK(client->next() == "MESSAGE subscription=1 destination=slow/a qos=0 | x");
}

TEST_CASE("1.0 subscribes without an id, and ends it by the destination") {
    SimWorld world{SimOptions{}};
    const auto client = logged_in(world, Version::v1_0);
    client->frame(Command::subscribe, {{"destination", "a"}});
    client->publish("a", "x");
    CHECK(client->next() == "MESSAGE destination=a qos=0 | x");
    client->frame(Command::unsubscribe, {{"destination", "a"}});
    client->publish("a", "x");
    CHECK(client->next() == "");
    client->frame(Command::unsubscribe, {{"destination", "a"}});
    check_refused(*client, "no such subscription");
}

TEST_CASE("a subscription id is used once at a time") {
    SimWorld world{SimOptions{}};
    const auto client = logged_in(world);
    client->subscribe("1", "a");
    client->frame(Command::unsubscribe, {{"id", "1"}});
    client->subscribe("1", "b");
    client->subscribe("1", "c");
    check_refused(*client, "this subscription id is in use");
}

TEST_CASE("large bodies and slow readers cost what they may") {
    SimWorld world{SimOptions{}};
    stomp::MachineOptions options = open_stomp_listener();
    options.unsent_bytes_max = 100'000;
    const auto reader = logged_in(world, Version::v1_2, {}, options);
    reader->subscribe("1", "t");
    const auto sender = logged_in(world);
    world.set_reading(reader->link(), false);
    for (int i = 0; i < 50; ++i) {
        sender->publish("t", std::string(20'000, 'x'));
    }
    CHECK(reader->connection().unsent_bytes() < 200'000);
    world.set_reading(reader->link(), true);
    world.run_for(1ms);
    CHECK(reader->take().size() == 50);

    // Nor can a client fill the server with receipts that it does not read.
    const auto asker = logged_in(world, Version::v1_2, {}, options);
    world.set_reading(asker->link(), false);
    for (int i = 0; i < 1000; ++i) {
        asker->publish("u", "", {{"receipt", std::string(1000, 'r')}});
    }
    CHECK(asker->connection().unsent_bytes() < 300'000);
    CHECK(asker->connection().is_paused);
    world.set_reading(asker->link(), true);
    world.run_for(1ms);
    CHECK(asker->take().size() == 1000);
}

TEST_CASE("what comes too fast, or while memory is scarce, is read later") {
    SimWorld world{SimOptions{}};
    stomp::MachineOptions options = open_stomp_listener();
    options.publish_rate_max = 10;
    const auto client = logged_in(world, Version::v1_2, {}, options);
    for (int i = 0; i < 30; ++i) {
        client->publish("t", "x");
    }
    const auto received = [&] {
        return world.sum([](const Metrics& m) { return m.messages_received.value(); });
    };
    CHECK(received() == 10);
    world.run_for(1s);
    CHECK(received() >= 19);
    CHECK(received() <= 21);
    world.run_for(2s);
    CHECK(received() == 30);

    const auto other = logged_in(world);
    world.shared().memory_grade = MemoryGrade::pause_reading;
    other->publish("t", "x", {{"receipt", "1"}});
    world.run_for(1s);
    CHECK(other->next() == "");
    world.shared().memory_grade = MemoryGrade::normal;
    world.run_for(100ms);
    CHECK(other->next() == "RECEIPT receipt-id=1");
}
