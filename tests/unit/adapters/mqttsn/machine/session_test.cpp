// Who a client is, what its session keeps, and decisions that take time.
#include "tests/unit/adapters/mqttsn/machine/sn_support.hpp"

using namespace gw;
using namespace gw::test;
using mqttsn::GatewayOptions;

namespace {

GatewayOptions as_user(std::string name) {
    GatewayOptions options = open_gateway();
    options.username = std::move(name);
    return options;
}

/// The answer to the only login that waits: it is ann.
void let_in(SnFixture& f, const FakeAuthenticator& authenticator) {
    REQUIRE(authenticator.waiting.size() == 1);
    const auto waiting = authenticator.waiting[0];
    f.world.turn(waiting.worker, [&](Broker& broker) {
        broker.on_auth_decided(waiting.token, FakeAuthenticator::decision_for("ann"));
    });
    f.world.settle();
}

}  // namespace

TEST_CASE("a login that takes time: repeated CONNECT is patient, the answer decides") {
    SnFixture f{as_user("later")};
    const auto authenticator = std::make_shared<FakeAuthenticator>();
    f.world.shared().authenticator = authenticator;
    const auto client = f.fresh();
    client->connect("c");
    client->connect("c");
    CHECK(client->take() == Lines{});
    let_in(f, *authenticator);
    CHECK(client->take() == Lines{"CONNACK"});
    CHECK(f.world.broker().find_session("c")->identity->username == "ann");
}

TEST_CASE("a login that is refused, and one that never answers") {
    SnFixture f{as_user("wrong")};
    f.world.shared().authenticator = std::make_shared<FakeAuthenticator>();
    const auto client = f.fresh();
    client->connect("c");
    CHECK(client->take() == Lines{"CONNACK code=3"});
    CHECK(f.net.connection_count() == 0);

    f.net.set_options(as_user("later"));
    const auto patient = f.fresh();
    patient->connect("d");
    f.world.run_for(60s);
    CHECK(f.net.connection_count() == 0);
}

TEST_CASE("failed logins of a listener's fixed user count by address, whatever the client id") {
    SnFixture f{as_user("wrong")};
    f.world.shared().authenticator = std::make_shared<FakeAuthenticator>();
    DoorOptions door;
    door.free_failure_count = 2;
    door.address_failure_count = 4;
    f.world.shared().door = std::make_shared<Door>(door, 1);
    for (const char* const id : {"a", "a", "a", "b", "b"}) {
        const auto guesser = f.fresh();
        guesser->connect(id);
        CHECK(guesser->take() == Lines{"CONNACK code=3"});
    }
    const auto guesser = f.fresh();
    guesser->connect("a");
    CHECK(guesser->take() == Lines{"CONNACK code=1"});  // come again later
}

TEST_CASE("a will is asked for before the login, which needs all that there is") {
    SnFixture f{as_user("later")};
    const auto authenticator = std::make_shared<FakeAuthenticator>();
    f.world.shared().authenticator = authenticator;
    const auto client = f.fresh();
    client->connect("c", 60, true, true);
    CHECK(client->take() == Lines{"WILLTOPICREQ"});
    CHECK(authenticator->waiting.empty());
    client->send(mqttsn::WillTopic{{}, "w"});
    CHECK(client->take() == Lines{"WILLMSGREQ"});
    client->send(mqttsn::WillMessage{as_bytes("gone")});
    let_in(f, *authenticator);
    CHECK(client->take() == Lines{"CONNACK"});
    REQUIRE(f.world.broker().find_session("c")->will != nullptr);
    CHECK(f.world.broker().find_session("c")->will->topic == "w");
}

TEST_CASE("a PINGREQ that is still being judged when its sleeper connects moves nobody") {
    SnFixture f{as_user("ann")};
    const auto authenticator = std::make_shared<FakeAuthenticator>();
    f.world.shared().authenticator = authenticator;
    const auto client = f.connected("c");
    client->disconnect(60);
    f.net.set_options(as_user("later"));
    const auto elsewhere = f.fresh();
    elsewhere->ping("c");
    REQUIRE(authenticator->waiting.size() == 1);
    const auto waiting = authenticator->waiting[0];
    f.net.set_options(as_user("ann"));
    client->connect("c", 60, false);
    CHECK(client->take() == Lines{"DISCONNECT", "CONNACK"});
    REQUIRE(authenticator->cancelled.size() == 1);
    CHECK(authenticator->cancelled[0] == waiting.token);
    f.world.turn(waiting.worker, [&](Broker& broker) {
        broker.on_auth_decided(waiting.token, FakeAuthenticator::decision_for("ann"));
    });
    f.world.settle();
    CHECK(elsewhere->take() == Lines{});
    client->ping();
    CHECK(client->take() == Lines{"PINGRESP"});
}

TEST_CASE("another user cannot have the session, whatever the protocol it comes by") {
    SnFixture f{as_user("ann")};
    f.world.shared().authenticator = std::make_shared<FakeAuthenticator>();
    const auto client = f.connected("c", 60, false);
    f.net.set_options(as_user("bob"));
    const auto other = f.fresh();
    other->connect("c");
    CHECK(other->take() == Lines{"CONNACK code=3"});
    client->ping();
    CHECK(client->take() == Lines{"PINGRESP"});
    // Nor by a PINGREQ from elsewhere.
    client->disconnect(60);
    client->take();
    other->ping("c");
    CHECK(other->take() == Lines{"DISCONNECT"});
    f.net.set_options(as_user("ann"));
    client->ping("c");
    CHECK(client->take() == Lines{"PINGRESP"});
}

TEST_CASE("requests wait behind one that is being judged, in order and once") {
    SnFixture f;
    AccessDecision answer = AccessDecision::pending;
    f.world.shared().access = std::make_shared<FakeAccess>([&](const AccessRequest& request) {
        return request.topic == "slow" ? answer : AccessDecision::allow;
    });
    const auto client = f.connected("c");
    client->send(mqttsn::Register{0, 1, "slow"});
    client->send(mqttsn::Register{0, 2, "quick"});
    client->take();
    client->publish(1, "a", 1, 10);
    client->publish(2, "b", 1, 11);
    client->publish(2, "b", 1, 11);
    client->ping();
    CHECK(client->take() == Lines{"PINGRESP"});
    answer = AccessDecision::allow;
    f.world.turn(
        0, [&](Broker& broker) { broker.on_access_decided(broker.find_session("c")->ref()); });
    f.world.settle();
    CHECK(client->take() == Lines{"PUBACK topic=1 id=10", "PUBACK topic=2 id=11"});
}

TEST_CASE("too much behind one request is dropped and counted") {
    SnFixture f;
    f.world.shared().access =
        std::make_shared<FakeAccess>([&](const AccessRequest&) { return AccessDecision::pending; });
    const auto client = f.connected("c");
    client->send(mqttsn::Register{0, 1, "slow"});
    for (std::uint16_t id = 1; id <= 20; ++id) {
        client->publish(1, "a", 1, id);
    }
    CHECK(f.dropped(DatagramDrop::busy) == 12);
}

TEST_CASE("PUBACK, REGACK and SUBACK leave when what they promise is stored") {
    SimOptions slow_disk;
    slow_disk.storage_delay_max = 50ms;
    SnFixture f{open_gateway(), slow_disk};
    const auto client = f.connected("c", 60, false);
    f.world.run_for(100ms);
    client->send(mqttsn::Register{0, 1, "a"});
    CHECK(client->take() == Lines{});
    f.world.run_for(100ms);
    CHECK(client->take() == Lines{"REGACK topic=1 id=1"});
    client->subscribe("a", 2, 2);
    CHECK(client->take() == Lines{});
    f.world.run_for(100ms);
    CHECK(client->take() == Lines{"SUBACK qos=2 topic=1 id=2"});
    client->publish(1, "x", 1, 3);
    client->publish(1, "x", 1, 3, true);  // an impatient repetition is answered once
    CHECK(client->take() == Lines{"PUBLISH qos=1 topic=1 id=1 'x'"});
    f.world.run_for(100ms);
    CHECK(client->take() == Lines{"PUBACK topic=1 id=3"});
}

TEST_CASE("CONNACK leaves when the session and its will are stored") {
    SimOptions slow_disk;
    slow_disk.storage_delay_max = 50ms;
    SnFixture f{open_gateway(), slow_disk};
    const auto client = f.fresh();
    const auto connect = [&] {
        client->connect("c", 60, false, true);
        client->send(mqttsn::WillTopic{{}, "will"});
        client->send(mqttsn::WillMessage{as_bytes("x")});
    };
    connect();
    const StoreTicket wanted = f.world.disk().submitted(0);
    CHECK(client->take() == Lines{"WILLTOPICREQ", "WILLMSGREQ"});
    client->connect("c", 60, false, true);  // an impatient repetition is answered once
    client->publish(1, "early", 1, 1);      // it has not been let in
    while (f.world.disk().committed(0) < wanted) {
        CHECK(client->take() == Lines{});
        f.world.run_for(1ms);
    }
    CHECK(client->take() == Lines{"CONNACK"});
    // What comes meanwhile ends the session as it would later.
    connect();
    CHECK(client->take() == Lines{"CONNACK"});  // repeated, and nothing came between
    client->connect("c", 61, false, false);
    client->disconnect();
    f.world.run_for(100ms);
    CHECK(client->take() == Lines{"DISCONNECT"});
    CHECK(f.net.connection_count() == 0);
    client->connect("c", 62, false, false);
    const auto other = f.fresh();
    other->connect("c", 60, false);
    CHECK(client->take() == Lines{"DISCONNECT"});
    f.world.run_for(100ms);
    CHECK(other->take() == Lines{"CONNACK"});
}

TEST_CASE("a proven client is followed to another address by any message, if the key says so") {
    GatewayOptions options = open_gateway();
    options.follows_proven_clients = true;
    for (const std::uint32_t workers : {1U, 4U}) {
        CAPTURE(workers);
        SimOptions world;
        world.worker_count = workers;
        SnFixture f{options, world};
        auto identity = std::make_shared<TransportIdentity>();
        identity->psk_identity = "meter";
        for (std::uint16_t port = 50000; port < 50010; ++port) {
            f.net.prove(port, identity);
        }
        SnTestClient client{f.world, f.net, 50000};
        client.connect("c");
        client.send(mqttsn::Register{0, 1, "a"});
        client.take();
        for (std::uint16_t port = 50001; port < 50010; ++port) {
            client.move(port);
            client.publish(1, "x", 1, port);
            CHECK(client.take() == Lines{"PUBACK topic=1 id=" + std::to_string(port)});
        }
        // Not one that has proven nothing, nor by the client id.
        SnTestClient thief{f.world, f.net, 60000};
        thief.publish(1, "x", 1, 3);
        CHECK(thief.take() == Lines{"DISCONNECT"});
        thief.ping("c");
        CHECK(thief.take() == Lines{"DISCONNECT"});
    }
}

TEST_CASE("a proof that two clients have is nobody's") {
    GatewayOptions options = open_gateway();
    options.follows_proven_clients = true;
    SnFixture f{options};
    auto identity = std::make_shared<TransportIdentity>();
    identity->psk_identity = "shared";
    for (std::uint16_t port = 50000; port < 50003; ++port) {
        f.net.prove(port, identity);
    }
    SnTestClient first{f.world, f.net, 50000};
    SnTestClient second{f.world, f.net, 50001};
    first.connect("c");
    second.connect("d");
    first.move(50002);
    first.take();
    first.ping();
    CHECK(first.take() == Lines{"DISCONNECT"});
}

TEST_CASE("sleepers are found again after a restart, with topics, will and messages") {
    SimOptions with_store;
    with_store.storage_delay_max = 5ms;
    SnFixture f{open_gateway(), with_store};
    const auto client = f.fresh();
    client->connect("c", 60, false, true);
    mqttsn::Flags will;
    will.set_qos(mqttsn::WireQos::qos_1);
    client->send(mqttsn::WillTopic{will, "will"});
    client->send(mqttsn::WillMessage{as_bytes("overslept")});
    f.world.run_for(20ms);
    client->subscribe("a", 1);
    client->disconnect(100);
    f.world.run_for(20ms);
    client->take();
    f.net.restart();
    CHECK(f.net.connection_count() == 1);
    CHECK(f.world.sum([](const Metrics& m) { return m.wills_published.value(); }) == 0);
    f.say("a", "x", Qos::at_least_once);
    f.world.run_for(50s);
    client->ping("c");
    f.world.run_for(20ms);
    CHECK(client->take() == Lines{"PUBLISH qos=1 topic=1 id=1 'x'"});  // the id was known to it
    client->send(mqttsn::Puback{1, 1, {}});
    f.world.run_for(20ms);
    CHECK(client->take() == Lines{"PINGRESP"});
    f.net.restart();
    f.world.run_for(109s);
    CHECK(f.net.connection_count() == 1);
    f.world.run_for(2s);
    CHECK(f.net.connection_count() == 0);
    CHECK(f.world.sum([](const Metrics& m) { return m.wills_published.value(); }) == 1);
}

TEST_CASE("a sleeper that connects without the flag has a session that lasts, with all it has") {
    SimOptions with_store;
    with_store.storage_delay_max = 5ms;
    SnFixture f{open_gateway(), with_store};
    const auto client = f.connected("c");
    client->subscribe("a", 2);
    client->send(mqttsn::Register{0, 2, "b"});
    client->disconnect(100);
    f.say("a", "1", Qos::at_least_once);
    f.say("a", "2", Qos::exactly_once);
    f.world.run_for(20ms);
    client->take();
    client->connect("c", 60, false);
    CHECK(client->take() == Lines{});  // the session is to be stored first
    f.world.run_for(20ms);
    CHECK(client->take() == Lines{"CONNACK", "REGISTER topic=1 id=1 'a'"});
    client->send(mqttsn::Regack{1, 1, {}});
    CHECK(client->take() == Lines{"PUBLISH qos=1 topic=1 id=1 '1'"});
    client->disconnect();
    f.say("a", "3", Qos::at_least_once);
    f.world.run_for(100s);
    CHECK(client->take() == Lines{"DISCONNECT"});
    client->connect("c", 60, false);
    f.world.run_for(20ms);
    CHECK(client->take() == Lines{"CONNACK", "REGISTER topic=1 id=1 'a'"});
    client->send(mqttsn::Regack{1, 1, {}});
    client->send(mqttsn::Puback{1, 1, {}});
    CHECK(client->take() ==
          Lines{"PUBLISH dup qos=1 topic=1 id=1 '1'", "PUBLISH qos=2 topic=1 id=2 '2'"});
    client->publish(2, "by the old id", 1, 7);
    f.world.run_for(20ms);
    CHECK(client->take() == Lines{"PUBACK topic=2 id=7"});
}

TEST_CASE("a sleeper found again is judged by what it proves when it is heard, not before") {
    SimOptions with_store;
    with_store.storage_delay_max = 5ms;
    SnFixture f{open_gateway(), with_store};
    AccessDecision reading = AccessDecision::allow;
    f.world.shared().access = std::make_shared<FakeAccess>(
        [&](const AccessRequest& request) {
            return request.action == AccessAction::publish ? AccessDecision::allow : reading;
        },
        true);
    const auto client = f.connected("c", 60, false);
    client->subscribe("a", 1);
    client->disconnect(100);
    f.world.run_for(20ms);
    client->take();
    // As found in the store it has none of the groups that its login brought.
    reading = AccessDecision::deny;
    f.net.restart();
    f.say("a", "x", Qos::at_least_once);
    f.world.run_for(20ms);
    reading = AccessDecision::allow;
    client->ping("c");
    f.world.run_for(20ms);
    CHECK(client->take() == Lines{"PUBLISH qos=1 topic=1 id=1 'x'"});
    client->send(mqttsn::Puback{1, 1, {}});
    f.world.run_for(20ms);
    CHECK(client->take() == Lines{"PINGRESP"});
    // And when it comes without the right, it loses what it had.
    f.net.restart();
    f.say("a", "y", Qos::at_least_once);
    f.world.run_for(20ms);
    reading = AccessDecision::deny;
    client->ping("c");
    f.world.run_for(20ms);
    CHECK(client->take() == Lines{"PINGRESP"});
    CHECK(f.world.sum([](const Metrics& m) { return m.subscriptions_revoked.value(); }) == 1);
}

TEST_CASE("a client may not register more topics than it may, nor get more than fits a datagram") {
    GatewayOptions options = open_gateway();
    options.topic_count_max = 2;
    options.datagram_bytes_max = 32;
    SnFixture f{options};
    const auto client = f.connected("c");
    client->subscribe("#", 0);
    client->take();
    f.say("one", "1");
    client->send(mqttsn::Regack{1, 1, {}});
    f.say("two", "2");
    client->send(mqttsn::Regack{2, 2, {}});
    f.say("three", "3");
    f.say("one", "this payload is longer than a datagram may be");
    f.say("one", "4");
    CHECK(client->take() == Lines{"REGISTER topic=1 id=1 'one'", "PUBLISH topic=1 '1'",
                                  "REGISTER topic=2 id=2 'two'", "PUBLISH topic=2 '2'",
                                  "PUBLISH topic=1 '4'"});
}

TEST_CASE("what is retained comes before PINGRESP, one at a time") {
    SnFixture f;
    const auto client = f.connected("c");
    for (const char* const topic : {"s/a", "s/b", "s/c"}) {
        f.say(topic, topic, Qos::at_least_once, true);
    }
    client->subscribe("s/+", 1);
    client->disconnect(60);
    client->take();
    client->ping("c");
    Lines published;
    for (std::uint16_t step = 0; step < 10; ++step) {
        for (const std::string& line : client->take()) {
            if (line.starts_with("REGISTER")) {
                const auto id = static_cast<std::uint16_t>(published.size() + 1);
                client->send(mqttsn::Regack{id, id, {}});
            } else if (line.starts_with("PUBLISH")) {
                published.push_back(line.substr(line.find('\'')));
                const auto id = static_cast<std::uint16_t>(published.size());
                client->send(mqttsn::Puback{id, id, {}});
            } else {
                CHECK(line == "PINGRESP");
                CHECK(published.size() == 3);
            }
        }
    }
    CHECK(published.size() == 3);
}

TEST_CASE("memory that is nearly used up is congestion, not silence") {
    SnFixture f;
    const auto client = f.connected("c");
    client->send(mqttsn::Register{0, 1, "a"});
    client->take();
    f.world.shared().memory_grade = MemoryGrade::refuse_connect;
    client->publish(1, "x", 1, 5);
    CHECK(client->take() == Lines{"PUBACK topic=1 id=5 code=1"});
    const auto late = f.fresh();
    late->connect("d");
    CHECK(late->take() == Lines{"CONNACK code=1"});
}

TEST_CASE("a rate above the client's is congestion") {
    GatewayOptions options = open_gateway();
    options.publish_rate_max = 2;
    SnFixture f{options};
    const auto client = f.connected("c");
    client->send(mqttsn::Register{0, 1, "a"});
    client->take();
    for (std::uint16_t id = 1; id <= 3; ++id) {
        client->publish(1, "x", 1, id);
    }
    CHECK(client->take() ==
          Lines{"PUBACK topic=1 id=1", "PUBACK topic=1 id=2", "PUBACK topic=1 id=3 code=1"});
    f.world.run_for(1s);
    client->publish(1, "x", 1, 4);
    CHECK(client->take() == Lines{"PUBACK topic=1 id=4"});
}

TEST_CASE("the mount point is before every topic, and the client does not see it") {
    GatewayOptions options = open_gateway();
    options.origin = open_origin(false, "site/");
    SnFixture f{options};
    const auto client = f.connected("c");
    client->subscribe("+", 0);
    client->take();
    f.say("site/a", "x");
    client->send(mqttsn::Regack{1, 1, {}});
    CHECK(client->take() == Lines{"REGISTER topic=1 id=1 'a'", "PUBLISH topic=1 'x'"});
    TestClient mqtt{f.world, mqtt::Version::v5, f.world.broker().worker_of("m")};
    mqtt.connect("m");
    mqtt.subscribe("#");
    mqtt.take();
    client->publish(1, "up", 0);
    CHECK(mqtt.next().find("site/a") != std::string::npos);
}

TEST_CASE("late copies of messages that were acknowledged are known by clients that count") {
    SnFixture f;
    const auto client = f.connected("c");
    const auto watcher = f.connected("w");
    watcher->subscribe("a", 0);
    watcher->take();
    client->send(mqttsn::Register{0, 1, "a"});
    client->take();
    for (std::uint16_t id = 1; id <= 12; ++id) {
        client->publish(1, "x", 2, id);
        client->send(mqttsn::Pubrel{id});
    }
    CHECK(watcher->take().size() == 12);
    client->publish(1, "x", 2, 11);  // as it was, without DUP
    CHECK(watcher->take().empty());
    client->publish(1, "x", 2, 13);
    CHECK(watcher->take().size() == 1);
}

TEST_CASE("clients whose message ids go round, or stay the same, lose nothing") {
    for (int circle = 1; circle <= 12; ++circle) {
        CAPTURE(circle);
        SnFixture f;
        const auto client = f.connected("c");
        const auto watcher = f.connected("w");
        watcher->subscribe("a", 0);
        watcher->take();
        client->send(mqttsn::Register{0, 1, "a"});
        for (int i = 0; i < 60; ++i) {
            const auto id = static_cast<std::uint16_t>(20 + i % circle);
            client->publish(1, "x", 1 + static_cast<unsigned>(i) % 2, id);
            client->send(mqttsn::Pubrel{id});
            CHECK(watcher->take().size() == 1);
        }
    }
}

TEST_CASE("DISCONNECT is answered when a restart would not publish the will after it") {
    enum class When { active, before_connack, falls_asleep, asleep };
    for (const When when : {When::active, When::before_connack, When::falls_asleep, When::asleep}) {
        CAPTURE(static_cast<int>(when));
        SimOptions slow_disk;
        slow_disk.storage_delay_max = 50ms;
        SnFixture f{open_gateway(), slow_disk};
        const auto client = f.fresh();
        client->connect("c", 60, false, true);
        client->send(mqttsn::WillTopic{{}, "will"});
        client->send(mqttsn::WillMessage{as_bytes("x")});
        CHECK(client->take() == Lines{"WILLTOPICREQ", "WILLMSGREQ"});
        if (when != When::before_connack) {
            f.world.run_for(100ms);
            CHECK(client->take() == Lines{"CONNACK"});
        }
        if (when == When::asleep) {
            client->disconnect(60);
            f.world.run_for(100ms);
            CHECK(client->take() == Lines{"DISCONNECT"});
        }
        const StoreTicket before = f.world.disk().submitted(0);
        const auto goodbye = [&] {
            client->disconnect(when == When::falls_asleep ? std::optional<std::uint16_t>{60}
                                                          : std::nullopt);
        };
        goodbye();
        const StoreTicket wanted = f.world.disk().submitted(0);
        CHECK(wanted != before);
        goodbye();  // an impatient repetition is answered once
        while (f.world.disk().committed(0) < wanted) {
            CHECK(client->take() == Lines{});
            f.world.run_for(1ms);
        }
        CHECK(client->take() == Lines{"DISCONNECT"});
        f.world.run_for(100ms);
        CHECK(client->take() == Lines{});
        const Session* const session = f.world.broker().find_session("c");
        REQUIRE(session != nullptr);
        CHECK((session->link != nullptr) == (when == When::falls_asleep));
        CHECK((session->will != nullptr) == (when == When::falls_asleep));
    }
}
