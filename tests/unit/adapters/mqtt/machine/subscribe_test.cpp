// SUBSCRIBE and what follows from it: options, retained messages, shared groups, mount point,
// bridges, access.
#include "tests/unit/adapters/mqtt/machine/machine_support.hpp"

#include <map>

using namespace gw;
using namespace gw::test;

TEST_CASE("overlapping subscriptions: one copy, at the highest QoS, with all identifiers") {
    SimWorld world{SimOptions{}};
    const auto client = connected(world, "c");
    client->subscribe("a/#", {.qos = Qos::at_most_once, .identifier = 3});
    client->subscribe("a/+", {.qos = Qos::at_least_once, .packet_id = 2, .identifier = 300});
    client->subscribe("a/b", {.qos = Qos::at_most_once, .packet_id = 3});
    client->take();
    client->publish("a/b", "x", {.qos = Qos::exactly_once, .packet_id = 1});
    const Lines heard = client->take();
    REQUIRE(heard.size() == 2);
    CHECK(heard[0].starts_with("PUBLISH topic='a/b' payload='x' qos=1 id=1 "));
    CHECK(heard[0].find("subscription=3 ") + heard[0].find("subscription=300") <
          2 * heard[0].size());
    CHECK(heard[1] == "PUBREC id=1");
}

TEST_CASE("no local and retain as published") {
    SimWorld world{SimOptions{}};
    const auto client = connected(world, "c");
    client->subscribe("own", {.no_local = true});
    client->subscribe("as", {.retain_as_published = true});
    client->subscribe("plain");
    client->take();
    client->publish("own", "x");
    client->publish("as", "x", {.retain = true});
    client->publish("plain", "x", {.retain = true});
    CHECK(client->take() ==
          Lines{"PUBLISH topic='as' payload='x' retain", "PUBLISH topic='plain' payload='x'"});
    const auto other = connected(world, "other");
    other->publish("own", "y");
    CHECK(client->next() == "PUBLISH topic='own' payload='y'");
}

TEST_CASE("retain handling") {
    SimWorld world{SimOptions{}};
    const auto publisher = connected(world, "p");
    publisher->publish("t", "kept", {.retain = true});
    const auto client = connected(world, "c");
    const std::string kept = "PUBLISH topic='t' payload='kept' retain";
    const auto subscribe = [&](mqtt::RetainHandling handling) {
        client->subscribe("t", {.retain_handling = handling});
        Lines heard = client->take();
        heard.erase(heard.begin());
        return heard;
    };
    CHECK(subscribe(mqtt::RetainHandling::do_not_send).empty());
    CHECK(subscribe(mqtt::RetainHandling::send_if_new).empty());
    CHECK(subscribe(mqtt::RetainHandling::send) == Lines{kept});
    client->unsubscribe("t");
    client->take();
    CHECK(subscribe(mqtt::RetainHandling::send_if_new) == Lines{kept});
    publisher->publish("t", "", {.retain = true});
    CHECK(client->next() == "PUBLISH topic='t' payload=''");
    CHECK(subscribe(mqtt::RetainHandling::send).empty());
}

TEST_CASE("many retained messages reach a slow subscriber with a small queue, each one") {
    SimOptions options;
    options.broker.queue_limits.count_max = 3;
    options.machine.unsent_bytes_max = 100;
    SimWorld world{options};
    const auto publisher = connected(world, "p");
    for (int i = 0; i < 300; ++i) {
        publisher->publish("t/" + std::to_string(i), "old", {.retain = true});
    }
    for (const Qos qos : {Qos::at_most_once, Qos::at_least_once}) {
        if (qos == Qos::at_least_once) {
            for (std::uint16_t i = 0; i < 300; ++i) {
                publisher->publish(
                    "t/" + std::to_string(i), "old",
                    {.qos = qos, .packet_id = static_cast<std::uint16_t>(i + 1), .retain = true});
            }
        }
        const auto client = connected(world, "c", Version::v5, [](mqtt::ConnectPacket& packet) {
            packet.receive_maximum = 2;
        });
        world.set_reading(client->link(), false);
        client->subscribe("t/#", {.qos = qos});
        publisher->publish("t/7", "new", {.retain = true});
        publisher->publish("t/8", "", {.retain = true});
        world.set_reading(client->link(), true);
        std::map<std::string, std::string> states;  // the last payload of each topic
        for (Lines heard = client->take(); !heard.empty(); heard = client->take()) {
            for (const std::string& line : heard) {
                if (!line.starts_with("PUBLISH")) {
                    continue;
                }
                const auto at = line.find("payload='") + 9;
                states[line.substr(0, at)] = line.substr(at, line.find('\'', at) - at);
                if (const auto id = line.find(" id="); id != std::string::npos) {
                    client->ack(PacketType::puback,
                                static_cast<std::uint16_t>(std::stoi(line.substr(id + 4))));
                }
            }
        }
        CHECK(states.size() == 300);
        CHECK(states["PUBLISH topic='t/7' payload='"] == "new");
        CHECK(states["PUBLISH topic='t/8' payload='"] == "");
        CHECK(dropped(world, DropReason::queue_full) == 0);
    }
}

TEST_CASE("filters that are refused: syntax, limits, what is not offered") {
    SimOptions options;
    options.machine.wildcard_subscriptions = false;
    options.machine.shared_subscriptions = false;
    options.machine.subscription_identifiers = false;
    options.broker.wildcard_subscriptions = false;
    options.broker.shared_subscriptions = false;
    options.broker.subscriptions_max = 2;
    SimWorld world{options};
    const auto client = connected(world, "c");
    const auto answer = [&](std::string_view filter) {
        client->subscribe(filter);
        return client->next();
    };
    CHECK(answer("a/#/b") == "SUBACK id=1 reasons=8f");
    CHECK(answer("a/#") == "SUBACK id=1 reasons=a2");
    CHECK(answer("$share/g/a") == "SUBACK id=1 reasons=9e");
    CHECK(answer("a") == "SUBACK id=1 reasons=00");
    CHECK(answer("b") == "SUBACK id=1 reasons=00");
    CHECK(answer("c") == "SUBACK id=1 reasons=97");
    CHECK(answer("a") == "SUBACK id=1 reasons=00");
    CHECK(world.sum([](const Metrics& m) { return m.subscribes_refused.value(); }) == 4);
    client->subscribe("a", {.identifier = 5});
    CHECK(client->next() == "DISCONNECT reason=a1");
    const auto old = connected(world, "old", Version::v3_1_1);
    old->subscribe("a/#");
    CHECK(old->next() == "SUBACK id=1 reasons=80");
}

TEST_CASE("access denied at subscribe; $SYS is for administrators") {
    SimWorld world{SimOptions{}};
    world.shared().access = std::make_shared<FakeAccess>([](const AccessRequest& request) {
        return request.action == AccessAction::subscribe && request.topic == "no"
                   ? AccessDecision::deny
                   : AccessDecision::allow;
    });
    const auto five = connected(world, "five");
    five->subscribe("no");
    CHECK(five->next() == "SUBACK id=1 reasons=87");
    five->subscribe("$share/g/no");
    CHECK(five->next() == "SUBACK id=1 reasons=87");
    five->subscribe("$SYS/#");
    CHECK(five->next() == "SUBACK id=1 reasons=87");
    const auto three = connected(world, "three", Version::v3_1_1);
    three->subscribe("no");
    CHECK(three->next() == "SUBACK id=1 reasons=80");
    TestClient administrator{world, Version::v5, 0, nullptr, true};
    administrator.connect("admin");
    administrator.subscribe("$SYS/brokers/+/clients/#");
    CHECK(administrator.take() == Lines{welcome_v5, "SUBACK id=1 reasons=00"});
    const auto late = connected(world, "la/te");
    CHECK(administrator.next().starts_with(
        "PUBLISH topic='$SYS/brokers/mangrove@127.0.0.1/clients/la%2Fte/connected'"));
    late->disconnect();
    CHECK(administrator.next().starts_with(
        "PUBLISH topic='$SYS/brokers/mangrove@127.0.0.1/clients/la%2Fte/disconnected' "
        "payload='{\"clientid\":\"la/te\",\"username\":\"\",\"reason\":\"normal\""));
}

TEST_CASE("a subscribe decision that takes its time holds up what follows") {
    SimWorld world{SimOptions{}};
    auto answer = AccessDecision::pending;
    world.shared().access = std::make_shared<FakeAccess>([&answer](const AccessRequest& request) {
        return request.topic == "slow" ? answer : AccessDecision::allow;
    });
    const auto client = connected(world, "c");
    client->subscribe("slow");
    client->ping();
    CHECK(client->next() == "");
    answer = AccessDecision::allow;
    const SessionRef ref = world.broker().find_session("c")->ref();
    world.turn(0, [ref](Broker& broker) { broker.on_access_decided(ref); });
    CHECK(client->take() == Lines{"SUBACK id=1 reasons=00", "PINGRESP"});
    // A second call, for nothing, does nothing.
    world.turn(0, [ref](Broker& broker) { broker.on_access_decided(ref); });
    CHECK(client->next() == "");
}

TEST_CASE("a mount point: publish, subscribe, delivery, retained, will, shared, unsubscribe") {
    SimWorld world{SimOptions{}};
    const auto outside = subscribed(world, "outside", "#", Qos::at_most_once);
    world.set_mountpoint("site/");
    const auto inside = connected(world, "inside", Version::v5, [](mqtt::ConnectPacket& packet) {
        packet.will.emplace();
        packet.will->topic = "will";
    });
    inside->subscribe("+/x");
    inside->subscribe("$share/g/s");
    inside->take();
    inside->publish("a/x", "1", {.retain = true});
    CHECK(inside->next() == "PUBLISH topic='a/x' payload='1'");
    CHECK(outside->next() == "PUBLISH topic='site/a/x' payload='1'");
    outside->publish("site/b/x", "2");
    CHECK(inside->next() == "PUBLISH topic='b/x' payload='2'");
    outside->publish("a/x", "3");
    CHECK(inside->next() == "");
    outside->publish("site/s", "4");
    CHECK(inside->next() == "PUBLISH topic='s' payload='4'");
    const auto second = connected(world, "second", Version::v5);
    second->subscribe("a/#");
    CHECK(second->take() ==
          Lines{"SUBACK id=1 reasons=00", "PUBLISH topic='a/x' payload='1' retain"});
    inside->unsubscribe("+/x");
    CHECK(inside->next() == "UNSUBACK id=1 reasons=00");
    outside->take();
    inside->close();
    CHECK(outside->next() == "PUBLISH topic='site/will' payload=''");
}

TEST_CASE("sessions behind different mount points are different sessions") {
    SimWorld world{SimOptions{}};
    const auto plain = connected(world, "c", Version::v5, keep_session);
    plain->subscribe("t");
    plain->take();
    world.set_mountpoint("site/");
    const auto inside = connected(world, "c", Version::v5, keep_session);
    CHECK_FALSE(plain->is_closed());
    CHECK(world.sum([](const Metrics& m) { return m.sessions.value(); }) == 2);
    world.set_mountpoint("");
    connected(world, "p")->publish("t", "x");
    CHECK(plain->next() == "PUBLISH topic='t' payload='x'");
    CHECK(inside->next() == "");
    // The id that the core knows the other one by gives nobody its session.
    TestClient thief{world, Version::v5, world.broker().worker_of("site/c")};
    thief.connect("site/c", keep_session);
    CHECK(thief.next() == "CONNACK reason=85");
    CHECK_FALSE(inside->is_closed());
    world.set_mountpoint("site/");
    inside->close();
    TestClient again{world, Version::v5, world.broker().worker_of("site/c")};
    again.connect("c", keep_session);
    CHECK(again.next().find("session_present") != std::string::npos);
}

TEST_CASE("a bridge hears no echo and keeps the retain flag") {
    SimWorld world{SimOptions{}};
    for (const Version version : {Version::v3_1, Version::v3_1_1}) {
        const std::string id = version == Version::v3_1 ? "bridge3" : "bridge4";
        const auto bridge = connected(world, id, version,
                                      [](mqtt::ConnectPacket& packet) { packet.is_bridge = true; });
        bridge->subscribe("#");
        bridge->take();
        bridge->publish("t", "own", {.retain = true});
        CHECK(bridge->next() == "");
        const auto other = connected(world, "other");
        other->publish("t", "theirs", {.retain = true});
        CHECK(bridge->next() == "PUBLISH topic='t' payload='theirs' retain");
    }
}

TEST_CASE("a shared group: one member each; what a member leaves undone goes to another") {
    SimWorld world{SimOptions{}};
    const auto publisher = connected(world, "p");
    const auto a = subscribed(world, "a", "$share/g/t", Qos::at_least_once);
    const auto b = subscribed(world, "b", "$share/g/t", Qos::at_least_once);
    for (std::uint16_t id = 1; id <= 10; ++id) {
        publisher->publish("t", std::to_string(id), {.qos = Qos::at_least_once, .packet_id = id});
    }
    const std::size_t of_a = a->take().size();
    const std::size_t of_b = b->take().size();
    CHECK(of_a == 5);
    CHECK(of_b == 5);
    a->ack(PacketType::puback, 1);
    a->close();  // four are not acknowledged
    CHECK(b->take().size() == 4);
    CHECK(world.sum([](const Metrics& m) { return m.messages_redispatched.value(); }) == 4);
    b->close();
    publisher->publish("t", "last", {.qos = Qos::at_least_once, .packet_id = 11});
    CHECK(publisher->take().back() == "PUBACK id=11 reason=10");
    CHECK(dropped(world, DropReason::session_ended) == 9);
}

TEST_CASE("a shared group passes over members that are offline while another is online") {
    SimWorld world{SimOptions{}};
    const auto publisher = connected(world, "p");
    auto a = connected(world, "a", Version::v5, keep_session);
    a->subscribe("$share/g/t", {.qos = Qos::at_least_once});
    const auto b = subscribed(world, "b", "$share/g/t", Qos::at_least_once);
    a->close();
    for (std::uint16_t id = 1; id <= 4; ++id) {
        publisher->publish("t", "x", {.qos = Qos::at_least_once, .packet_id = id});
    }
    CHECK(b->take().size() == 4);
    b->disconnect();  // nobody is online: what it left waits for a
    a = connected(world, "a", Version::v5, keep_session);
    CHECK(a->take().size() == 4);
}
