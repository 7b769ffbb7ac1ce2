// PUBLISH and its acknowledgements, both ways.
#include "tests/unit/adapters/mqtt/machine/machine_support.hpp"

using namespace gw;
using namespace gw::test;

namespace {

std::shared_ptr<const mqtt::MachineOptions> listener(
    const std::function<void(mqtt::MachineOptions&)>& change) {
    mqtt::MachineOptions options = open_listener();
    change(options);
    return std::make_shared<mqtt::MachineOptions>(options);
}

}  // namespace

TEST_CASE("QoS 1 and 2 from publisher to subscriber, each step") {
    for (const Version version : {Version::v3_1, Version::v3_1_1, Version::v5}) {
        CAPTURE(static_cast<int>(version));
        SimWorld world{SimOptions{}};
        const auto publisher = connected(world, "p", version);
        const auto subscriber = subscribed(world, "s", "t", Qos::exactly_once, version);
        publisher->publish("t", "one", {.qos = Qos::at_least_once, .packet_id = 7});
        CHECK(publisher->next() == "PUBACK id=7");
        CHECK(subscriber->next() == "PUBLISH topic='t' payload='one' qos=1 id=1");
        subscriber->ack(PacketType::puback, 1);

        publisher->publish("t", "two", {.qos = Qos::exactly_once, .packet_id = 7});
        CHECK(publisher->next() == "PUBREC id=7");
        CHECK(subscriber->next() == "PUBLISH topic='t' payload='two' qos=2 id=2");
        publisher->publish("t", "two", {.qos = Qos::exactly_once, .packet_id = 7, .dup = true});
        CHECK(publisher->next() == "PUBREC id=7");
        CHECK(subscriber->next() == "");
        publisher->ack(PacketType::pubrel, 7);
        CHECK(publisher->next() == "PUBCOMP id=7");
        subscriber->ack(PacketType::pubrec, 2);
        CHECK(subscriber->next() == "PUBREL id=2");
        subscriber->ack(PacketType::pubrec, 2);  // again: PUBREL was lost
        CHECK(subscriber->next() == "PUBREL id=2");
        subscriber->ack(PacketType::pubcomp, 2);
        CHECK(world.broker().find_session("s")->inflight.empty());
        CHECK(world.broker().inbound_qos2_count(*world.broker().find_session("p")) == 0);
    }
}

TEST_CASE("what was in flight goes out again on the next connection, in order, with DUP") {
    SimWorld world{SimOptions{}};
    auto subscriber = connected(world, "s", Version::v3_1_1, keep_session);
    subscriber->subscribe("t", {.qos = Qos::exactly_once});
    const auto publisher = connected(world, "p");
    publisher->publish("t", "a", {.qos = Qos::exactly_once, .packet_id = 1});
    publisher->publish("t", "b", {.qos = Qos::at_least_once, .packet_id = 2});
    publisher->publish("t", "c", {.qos = Qos::exactly_once, .packet_id = 3});
    subscriber->ack(PacketType::pubrec, 1);
    subscriber->close();
    publisher->publish("t", "d", {.qos = Qos::at_least_once, .packet_id = 4});
    subscriber = std::make_unique<TestClient>(world, Version::v3_1_1);
    subscriber->connect("s", keep_session);
    CHECK(subscriber->take() == Lines{"CONNACK session_present", "PUBREL id=1",
                                      "PUBLISH topic='t' payload='b' qos=1 dup id=2",
                                      "PUBLISH topic='t' payload='c' qos=2 dup id=3",
                                      "PUBLISH topic='t' payload='d' qos=1 id=4"});
}

TEST_CASE(
    "the client's receive maximum is kept; what is behind it waits, and after a reconnection") {
    SimWorld world{SimOptions{}};
    const auto with_maximum = [](std::uint16_t maximum) {
        return [maximum](mqtt::ConnectPacket& packet) {
            keep_session(packet);
            packet.receive_maximum = maximum;
        };
    };
    auto subscriber = connected(world, "s", Version::v5, with_maximum(2));
    subscriber->subscribe("t", {.qos = Qos::at_least_once});
    subscriber->next();
    const auto publisher = connected(world, "p");
    for (std::uint16_t id = 1; id <= 5; ++id) {
        publisher->publish("t", std::to_string(id), {.qos = Qos::at_least_once, .packet_id = id});
    }
    publisher->publish("t", "6");  // not even QoS 0 may overtake
    CHECK(subscriber->take() == Lines{"PUBLISH topic='t' payload='1' qos=1 id=1",
                                      "PUBLISH topic='t' payload='2' qos=1 id=2"});
    subscriber->ack(PacketType::puback, 2);
    CHECK(subscriber->take() == Lines{"PUBLISH topic='t' payload='3' qos=1 id=3"});
    subscriber->close();
    subscriber = connected(world, "s", Version::v5, with_maximum(1));
    CHECK(subscriber->take() == Lines{"PUBLISH topic='t' payload='1' qos=1 dup id=1"});
    subscriber->ack(PacketType::puback, 3);  // not sent on this connection: means nothing
    CHECK(subscriber->next() == "");
    subscriber->ack(PacketType::puback, 1);
    CHECK(subscriber->take() == Lines{"PUBLISH topic='t' payload='3' qos=1 dup id=3"});
    subscriber->ack(PacketType::puback, 3);
    subscriber->ack(PacketType::puback, 4);
    subscriber->ack(PacketType::puback, 5);
    CHECK(subscriber->take() == Lines{"PUBLISH topic='t' payload='4' qos=1 id=4",
                                      "PUBLISH topic='t' payload='5' qos=1 id=5",
                                      "PUBLISH topic='t' payload='6'"});
}

TEST_CASE("our receive maximum: told, and its overrun ends the connection with 0x93") {
    SimWorld world{SimOptions{}};
    const auto options = listener([](mqtt::MachineOptions& o) { o.receive_maximum = 2; });
    const auto client = connected(world, "c", Version::v5, nullptr, options);
    client->publish("t", "x", {.qos = Qos::exactly_once, .packet_id = 1});
    client->publish("t", "x", {.qos = Qos::exactly_once, .packet_id = 2});
    client->publish("t", "x", {.qos = Qos::exactly_once, .packet_id = 2, .dup = true});
    CHECK(client->take() == Lines{"PUBREC id=1 reason=10", "PUBREC id=2 reason=10", "PUBREC id=2"});
    client->publish("t", "x", {.qos = Qos::at_most_once});
    CHECK_FALSE(client->is_closed());
    client->publish("t", "x", {.qos = Qos::exactly_once, .packet_id = 3});
    CHECK(client->next() == "DISCONNECT reason=93");
    CHECK(client->is_closed());
    CHECK(client->connection().closed == CloseMode::drain);
    CHECK(closed_by(world, ReasonCode::receive_maximum_exceeded) == 1);
}

TEST_CASE("aliases of the client") {
    SimWorld world{SimOptions{}};
    const auto watcher = subscribed(world, "w", "#", Qos::at_most_once);
    const auto client = connected(world, "c");
    client->publish("a", "1", {.topic_alias = 64});
    client->publish("", "2", {.topic_alias = 64});
    client->publish("b", "3", {.topic_alias = 64});
    client->publish("", "4", {.topic_alias = 64});
    CHECK(watcher->take() == Lines{"PUBLISH topic='a' payload='1'", "PUBLISH topic='a' payload='2'",
                                   "PUBLISH topic='b' payload='3'",
                                   "PUBLISH topic='b' payload='4'"});
    SUBCASE("never set") {
        client->publish("", "5", {.topic_alias = 3});
        CHECK(client->next() == "DISCONNECT reason=82 reason_string='topic alias was never set'");
    }
    SUBCASE("above the maximum") {
        client->publish("a", "5", {.topic_alias = 65});
        CHECK(client->next().starts_with("DISCONNECT reason=94"));
    }
    CHECK(client->is_closed());
    CHECK(watcher->next() == "");
}

TEST_CASE("aliases towards the client, from the first message on, within its maximum") {
    SimWorld world{SimOptions{}};
    const auto client = connected(world, "c", Version::v5, [](mqtt::ConnectPacket& packet) {
        packet.topic_alias_maximum = 1;
    });
    client->subscribe("#");
    client->next();
    const auto publisher = connected(world, "p");
    publisher->publish("long/one", "1");
    publisher->publish("long/two", "2");
    publisher->publish("long/one", "3");
    CHECK(client->take() == Lines{"PUBLISH topic='long/one' payload='1' alias=1",
                                  "PUBLISH topic='long/two' payload='2'",
                                  "PUBLISH topic='' payload='3' alias=1"});
}

TEST_CASE("a message above the client's maximum packet size is given up and counted") {
    SimWorld world{SimOptions{}};
    const auto client = connected(world, "c", Version::v5, [](mqtt::ConnectPacket& packet) {
        packet.maximum_packet_size = 20;
        packet.receive_maximum = 1;
    });
    client->subscribe("t", {.qos = Qos::at_least_once});
    client->next();
    const auto publisher = connected(world, "p");
    publisher->publish("t", std::string(30, 'x'), {.qos = Qos::at_least_once, .packet_id = 1});
    publisher->publish("t", "small", {.qos = Qos::at_least_once, .packet_id = 2});
    CHECK(client->next() == "PUBLISH topic='t' payload='small' qos=1 id=2");
    CHECK(dropped(world, DropReason::packet_too_large) == 1);
    // A DISCONNECT has to fit as well: without its reason string.
    client->send_wire("20 03 00 00 00");
    CHECK(client->next() == "DISCONNECT reason=82");
}

TEST_CASE("our maximum packet size ends a client that exceeds it") {
    SimWorld world{SimOptions{}};
    const auto options = listener([](mqtt::MachineOptions& o) { o.packet_bytes_max = 100; });
    const auto client = connected(world, "c", Version::v5, nullptr, options);
    client->publish("t", std::string(93, 'x'));  // 98 bytes
    CHECK_FALSE(client->is_closed());
    client->send_wire("30 63");  // 101 bytes announced
    CHECK(client->next().starts_with("DISCONNECT reason=95"));
    CHECK(closed_by(world, ReasonCode::packet_too_large) == 1);
}

TEST_CASE("message expiry: what remains is told; what has expired is not sent") {
    SimWorld world{SimOptions{}};
    auto client = connected(world, "c", Version::v5, keep_session);
    client->subscribe("t", {.qos = Qos::at_least_once});
    client->close();
    const auto publisher = connected(world, "p");
    publisher->publish("t", "short", {.qos = Qos::at_least_once, .packet_id = 1, .expiry = 5});
    publisher->publish("t", "long", {.qos = Qos::at_least_once, .packet_id = 2, .expiry = 10});
    world.run_for(5s);
    client = connected(world, "c", Version::v5, keep_session);
    CHECK(client->take() == Lines{"PUBLISH topic='t' payload='long' qos=1 id=2 expiry=5"});
    CHECK(dropped(world, DropReason::expired) == 1);
}

TEST_CASE("properties travel unchanged and in order; too many of them end the connection") {
    SimWorld world{SimOptions{}};
    const auto options = listener([](mqtt::MachineOptions& o) { o.user_properties_max = 2; });
    const auto watcher = subscribed(world, "w", "#", Qos::at_most_once);
    const auto old = subscribed(world, "old", "#", Qos::at_most_once, Version::v3_1_1);
    const auto client = connected(world, "c", Version::v5, nullptr, options);
    ByteBuffer block;
    PropertyWriter writer{block};
    writer.user_property("b", "1");
    writer.response_topic("reply");
    writer.user_property("a", "2");
    client->publish("t", "x", {.properties = block.view()});
    CHECK(watcher->next() ==
          "PUBLISH topic='t' payload='x' property26('b','1') "
          "property08('','reply') property26('a','2') users=2");
    CHECK(old->next() == "PUBLISH topic='t' payload='x'");
    writer.user_property("a", "3");
    client->publish("t", "x", {.properties = block.view()});
    CHECK(client->next() == "DISCONNECT reason=97");
    CHECK(watcher->next() == "");
}

TEST_CASE("payload format: what says it is UTF-8 has to be") {
    SimWorld world{SimOptions{}};
    const auto client = connected(world, "c");
    ByteBuffer block;
    PropertyWriter{block}.payload_format_indicator(1);
    client->publish("t", "\xff",
                    {.qos = Qos::at_least_once, .packet_id = 1, .properties = block.view()});
    CHECK(client->next() == "PUBACK id=1 reason=99 reason_string='payload format invalid'");
    CHECK(dropped(world, DropReason::invalid) == 1);
}

TEST_CASE("what the server does not offer ends the connection: QoS, retain") {
    SimWorld world{SimOptions{}};
    const auto options = listener([](mqtt::MachineOptions& o) {
        o.qos_max = Qos::at_least_once;
        o.retain_available = false;
    });
    auto client = connected(world, "c", Version::v5, nullptr, options);
    client->publish("t", "x", {.qos = Qos::exactly_once, .packet_id = 1});
    CHECK(client->next() == "DISCONNECT reason=9b");
    client = connected(world, "c", Version::v5, nullptr, options);
    client->publish("t", "x", {.retain = true});
    CHECK(client->next() == "DISCONNECT reason=9a");
    client = connected(world, "c", Version::v5, nullptr, options);
    client->subscribe("t", {.qos = Qos::exactly_once});
    CHECK(client->next() == "SUBACK id=1 reasons=01");  // granted what there is
}

TEST_CASE("access denied at publish: 5.0 is told, 3.1.1 acknowledged, nothing is routed") {
    SimWorld world{SimOptions{}};
    const auto watcher = subscribed(world, "w", "#", Qos::at_most_once);
    world.shared().access = std::make_shared<FakeAccess>([](const AccessRequest& request) {
        return request.action == AccessAction::publish && request.topic == "no"
                   ? AccessDecision::deny
                   : AccessDecision::allow;
    });
    const auto five = connected(world, "five");
    five->publish("no", "x");
    five->publish("no", "x", {.qos = Qos::at_least_once, .packet_id = 1});
    five->publish("no", "x", {.qos = Qos::exactly_once, .packet_id = 2});
    CHECK(five->take() == Lines{"PUBACK id=1 reason=87 reason_string='not authorized'",
                                "PUBREC id=2 reason=87 reason_string='not authorized'"});
    const auto three = connected(world, "three", Version::v3_1_1);
    three->publish("no", "x", {.qos = Qos::at_least_once, .packet_id = 1});
    three->publish("no", "x", {.qos = Qos::exactly_once, .packet_id = 2});
    CHECK(three->take() == Lines{"PUBACK id=1", "PUBREC id=2"});
    three->ack(PacketType::pubrel, 2);
    CHECK(three->next() == "PUBCOMP id=2");
    CHECK(watcher->next() == "");
    CHECK(dropped(world, DropReason::not_authorized_publish) == 5);
}

TEST_CASE("a right that is lost after the message was taken does not disturb its QoS 2") {
    SimWorld world{SimOptions{}};
    const auto client = connected(world, "c");
    client->publish("t", "x", {.qos = Qos::exactly_once, .packet_id = 1});
    world.shared().access = std::make_shared<NoMatchPolicy>(AccessDecision::deny);
    client->publish("t", "x", {.qos = Qos::exactly_once, .packet_id = 1, .dup = true});
    CHECK(client->take() == Lines{"PUBREC id=1 reason=10", "PUBREC id=1"});
    client->ack(PacketType::pubrel, 1);
    CHECK(client->next() == "PUBCOMP id=1");
}

TEST_CASE("access denied at delivery: live, retained and of a will, both versions") {
    SimWorld world{SimOptions{}};
    world.shared().access = std::make_shared<FakeAccess>(
        [](const AccessRequest& request) {
            return request.action == AccessAction::deliver && request.topic == "t/no"
                       ? AccessDecision::deny
                       : AccessDecision::allow;
        },
        true);
    const auto publisher = connected(world, "p", Version::v5, [](mqtt::ConnectPacket& packet) {
        packet.will.emplace();
        packet.will->topic = "t/no";
        packet.will->payload = as_bytes("will");
    });
    publisher->publish("t/no", "kept", {.retain = true});
    publisher->publish("t/yes", "kept", {.retain = true});
    for (const Version version : {Version::v3_1_1, Version::v5}) {
        const std::string id = version == Version::v5 ? "five" : "three";
        const auto client = subscribed(world, id, "t/+", Qos::at_least_once, version);
        CHECK(client->take() == Lines{"PUBLISH topic='t/yes' payload='kept' retain"});
        publisher->publish("t/no", "live");
        publisher->publish("t/yes", "live");
        CHECK(client->take() == Lines{"PUBLISH topic='t/yes' payload='live'"});
        client->disconnect();
    }
    const auto last = subscribed(world, "last", "t/no", Qos::at_most_once);
    publisher->close();
    CHECK(last->next() == "");
    CHECK(dropped(world, DropReason::not_authorized_delivery) == 6);
}

TEST_CASE("a decision that takes its time holds up what follows, and nobody else") {
    SimWorld world{SimOptions{}};
    const auto watcher = subscribed(world, "w", "#", Qos::at_least_once);
    auto answer = AccessDecision::pending;
    world.shared().access = std::make_shared<FakeAccess>([&answer](const AccessRequest& request) {
        return request.topic == "slow" ? answer : AccessDecision::allow;
    });
    const auto client = connected(world, "c", Version::v5,
                                  [](mqtt::ConnectPacket& packet) { packet.keep_alive = 2; });
    client->publish("slow", "1", {.qos = Qos::at_least_once, .packet_id = 1});
    client->publish("fast", "2", {.qos = Qos::at_least_once, .packet_id = 2});
    CHECK(client->next() == "");
    CHECK(watcher->next() == "");
    const auto other = connected(world, "other");
    other->publish("fast", "3");
    CHECK(watcher->next() == "PUBLISH topic='fast' payload='3'");
    world.run_for(10s);  // the silence is ours: keep-alive does not count it
    CHECK_FALSE(client->is_closed());
    const auto decide = [&](AccessDecision decision) {
        answer = decision;
        const SessionRef ref = world.broker().find_session("c")->ref();
        world.turn(0, [ref](Broker& broker) { broker.on_access_decided(ref); });
    };
    SUBCASE("allowed") {
        decide(AccessDecision::allow);
        CHECK(client->take() == Lines{"PUBACK id=1", "PUBACK id=2"});
        CHECK(watcher->take() == Lines{"PUBLISH topic='slow' payload='1' qos=1 id=1",
                                       "PUBLISH topic='fast' payload='2' qos=1 id=2"});
    }
    SUBCASE("denied") {
        decide(AccessDecision::deny);
        CHECK(client->take() ==
              Lines{"PUBACK id=1 reason=87 reason_string='not authorized'", "PUBACK id=2"});
    }
    SUBCASE("no answer yet: still pending") {
        decide(AccessDecision::pending);
        CHECK(client->next() == "");
    }
    SUBCASE("the client has gone") {
        client->close();
        CHECK(client->is_closed());
    }
}

TEST_CASE("no problem information: no reason strings, save with DISCONNECT") {
    SimWorld world{SimOptions{}};
    const auto client = connected(world, "c", Version::v5, [](mqtt::ConnectPacket& packet) {
        packet.request_problem_information = false;
    });
    client->ack(PacketType::pubrel, 4);
    CHECK(client->next() == "PUBCOMP id=4 reason=92");
    client->ack(PacketType::pubrec, 4);
    CHECK(client->next() == "PUBREL id=4 reason=92");
}

TEST_CASE("the subscriber refuses a message") {
    SimWorld world{SimOptions{}};
    const auto client = connected(world, "c");
    client->subscribe("t", {.qos = Qos::exactly_once});
    client->next();
    client->publish("t", "x", {.qos = Qos::exactly_once, .packet_id = 1});
    CHECK(client->take() == Lines{"PUBLISH topic='t' payload='x' qos=2 id=1", "PUBREC id=1"});
    client->ack(PacketType::pubrec, 1, ReasonCode::quota_exceeded);
    CHECK(client->next() == "");
    CHECK(world.broker().find_session("c")->inflight.empty());
    CHECK(dropped(world, DropReason::refused_by_client) == 1);
}

TEST_CASE("an acknowledgement of the wrong kind acknowledges nothing") {
    SimWorld world{SimOptions{}};
    const auto client = connected(world, "c");
    client->subscribe("t", {.qos = Qos::exactly_once});
    client->publish("t", "1", {.qos = Qos::at_least_once, .packet_id = 1});
    client->publish("t", "2", {.qos = Qos::exactly_once, .packet_id = 2});
    client->take();
    client->ack(PacketType::pubrec, 1);
    CHECK(client->next().starts_with("PUBREL id=1 reason=92"));
    client->ack(PacketType::pubcomp, 1);
    client->ack(PacketType::puback, 2);
    client->ack(PacketType::pubcomp, 2);
    CHECK(world.broker().find_session("c")->inflight.count() == 2);
}

TEST_CASE("acknowledgements wait for the store, and keep their order") {
    SimOptions options;
    options.storage_delay_max = 50ms;
    SimWorld world{options};
    // CONNACK promises a session that is kept.
    TestClient client_to_keep{world, Version::v5};
    TestClient* const keeper = &client_to_keep;
    keeper->connect("keeper", keep_session);
    CHECK(keeper->next() == "");
    world.run_for(50ms);
    CHECK(keeper->next() == welcome_v5);
    keeper->subscribe("t", {.qos = Qos::exactly_once});
    CHECK(keeper->next() == "");
    world.run_for(50ms);
    CHECK(keeper->next() == "SUBACK id=1 reasons=02");
    const auto client = connected(world, "c");
    client->publish("t", "1", {.qos = Qos::at_least_once, .packet_id = 1});
    client->publish("t", "2", {.qos = Qos::exactly_once, .packet_id = 2});
    client->publish("nobody", "3", {.qos = Qos::at_least_once, .packet_id = 3});
    const StoreTicket ticket = world.disk().submitted(0);
    REQUIRE(world.disk().committed(0) < ticket);
    Lines heard;
    while (world.disk().committed(0) < ticket) {
        REQUIRE(heard.size() < 3);
        world.run_for(1ms);
        for (const std::string& line : client->take()) {
            heard.push_back(line);
        }
    }
    CHECK(heard == Lines{"PUBACK id=1", "PUBREC id=2", "PUBACK id=3 reason=10"});
    // Nothing is to be stored now, so nothing has to wait.
    client->publish("nobody", "4", {.qos = Qos::at_least_once, .packet_id = 4});
    CHECK(client->next() == "PUBACK id=4 reason=10");
}

TEST_CASE("bad topics end the connection") {
    struct Case {
        const char* bytes;
        const char* reason;
    };
    constexpr Case cases[] = {
        {"30 06 0003'a/+' 00", "90"},    {"30 06 0003'a/#' 00", "90"},
        {"30 03 0000 00", "82"},         {"30 06 0003'a' 00 'b' 00", "81"},
        {"30 05 0002 c0 80 00", "81"},   {"32 06 0001't' 0000 00", "82"},
        {"36 06 0001't' 0001 00", "81"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.bytes);
        SimWorld world{SimOptions{}};
        const auto client = connected(world, "c");
        client->send_wire(c.bytes);
        const std::string heard = client->next();
        CAPTURE(heard);
        CHECK(heard.starts_with(std::string{"DISCONNECT reason="} + c.reason));
    }
    SimOptions options;
    options.machine.topic_limits.levels_max = 3;
    SimWorld world{options};
    const auto client = connected(world, "c");
    client->publish("a/b/c", "x");
    CHECK_FALSE(client->is_closed());
    client->publish("a/b/c/d", "x");
    CHECK(client->next().starts_with("DISCONNECT reason=90"));
}
