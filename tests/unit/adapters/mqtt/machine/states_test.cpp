// Every state meets every packet; time: connect timeout and keep-alive, to the millisecond.
#include "tests/support/open_origin.hpp"
#include "tests/unit/adapters/mqtt/machine/machine_support.hpp"

using namespace gw;
using namespace gw::test;
using namespace std::string_literals;
using mqtt::ConnectionMachine;
using mqtt::MachineOptions;
namespace testing = mqtt::testing;

namespace {

/// One packet of each type, good in itself, and what a connected client gets for it.
struct Row {
    const char* packet;
    const char* bytes_v3;
    const char* bytes_v5;
    const char* answer_v3;  // "closed" when the connection ends without an answer
    const char* answer_v5;
};

constexpr Row rows[] = {
    {"reserved", "00 00", "00 00", "closed",
     "DISCONNECT reason=81 reason_string='The packet type is reserved.'"},
    {"CONNECT", "10 0d 0004'MQTT' 04 02 0000 0001'x'", "10 0e 0004'MQTT' 05 02 0000 00 0001'x'",
     "closed", "DISCONNECT reason=82 reason_string='second CONNECT'"},
    {"CONNACK", "20 02 00 00", "20 03 00 00 00", "closed",
     "DISCONNECT reason=82 reason_string='packet that only a server sends'"},
    {"PUBLISH", "32 05 0001't' 0005", "32 06 0001't' 0005 00", "PUBACK id=5",
     "PUBACK id=5 reason=10"},
    // Acknowledgements of what was never sent are passed over (4.8 names no error).
    {"PUBACK", "40 02 0007", "40 02 0007", "", ""},
    {"PUBREC", "50 02 0007", "50 02 0007", "PUBREL id=7",
     "PUBREL id=7 reason=92 reason_string='packet identifier not found'"},
    {"PUBREL", "62 02 0007", "62 02 0007", "PUBCOMP id=7",
     "PUBCOMP id=7 reason=92 reason_string='packet identifier not found'"},
    {"PUBCOMP", "70 02 0007", "70 02 0007", "", ""},
    {"SUBSCRIBE", "82 06 0003 0001'f' 01", "82 07 0003 00 0001'f' 01", "SUBACK id=3 reasons=01",
     "SUBACK id=3 reasons=01"},
    {"SUBACK", "90 03 0003 00", "90 04 0003 00 00", "closed",
     "DISCONNECT reason=82 reason_string='packet that only a server sends'"},
    {"UNSUBSCRIBE", "a2 05 0003 0001'f'", "a2 06 0003 00 0001'f'", "UNSUBACK id=3",
     "UNSUBACK id=3 reasons=11"},
    {"UNSUBACK", "b0 02 0003", "b0 04 0003 00 00", "closed",
     "DISCONNECT reason=82 reason_string='packet that only a server sends'"},
    {"PINGREQ", "c0 00", "c0 00", "PINGRESP", "PINGRESP"},
    {"PINGRESP", "d0 00", "d0 00", "closed",
     "DISCONNECT reason=82 reason_string='packet that only a server sends'"},
    {"DISCONNECT", "e0 00", "e0 00", "closed", "closed"},
    {"AUTH", "f0 00", "f0 02 19 00", "closed", "DISCONNECT reason=82 reason_string="},
};

bool ends(std::string_view answer) {
    return answer == "closed" || answer.starts_with("DISCONNECT");
}

}  // namespace

TEST_CASE("connected: each packet has its answer") {
    for (const Row& row : rows) {
        for (const Version version : {Version::v3_1_1, Version::v5}) {
            CAPTURE(row.packet);
            CAPTURE(static_cast<int>(version));
            SimWorld world{SimOptions{}};
            const auto client = connected(world, "c", version);
            client->send_wire(version == Version::v5 ? row.bytes_v5 : row.bytes_v3);
            const std::string_view answer = version == Version::v5 ? row.answer_v5 : row.answer_v3;
            const std::string heard = client->next();
            if (answer.ends_with('=')) {
                CHECK(heard.starts_with(answer));
            } else {
                CHECK(heard == (answer == "closed" ? "" : answer));
            }
            CHECK(client->next() == "");
            CHECK(client->is_closed() == ends(answer));
            CHECK((world.broker().find_session("c") == nullptr) == ends(answer));
        }
    }
}

TEST_CASE("before CONNECT nothing else is heard, and nothing is said") {
    for (const Row& row : rows) {
        if (std::string_view{row.packet} == "CONNECT") {
            continue;
        }
        CAPTURE(row.packet);
        SimWorld world{SimOptions{}};
        TestClient client{world, Version::v5};
        client.send_wire(row.bytes_v5);
        CHECK(client.next() == "");
        CHECK(client.is_closed());
        CHECK(world.sum([](const Metrics& m) { return m.messages_received.value(); }) == 0);
        CHECK(refused_by(world, ReasonCode::protocol_error) +
                  refused_by(world, ReasonCode::malformed_packet) ==
              1);
    }
}

TEST_CASE("during an enhanced authentication only AUTH and DISCONNECT are in place") {
    for (const Row& row : rows) {
        CAPTURE(row.packet);
        SimWorld world{SimOptions{}};
        world.shared().auth_methods = std::make_shared<FakeAuthMethods>();
        TestClient client{world, Version::v5};
        client.connect("c", [](mqtt::ConnectPacket& packet) {
            packet.authentication_method = "ask";
            packet.authentication_data = as_bytes("ann");
        });
        CHECK(client.next() == "AUTH reason=18 auth_method='ask' auth_data='sure?'");
        client.send_wire(row.bytes_v5);
        const std::string heard = client.next();
        if (std::string_view{row.packet} == "DISCONNECT") {
            CHECK(heard == "");
        } else {
            CHECK(heard.starts_with("CONNACK reason="));
        }
        CHECK(client.is_closed());
        CHECK(world.broker().find_session("c") == nullptr);
        CHECK(world.sum([](const Metrics& m) { return m.messages_received.value(); }) == 0);
    }
}

TEST_CASE("after the end nothing is heard any more") {
    SimWorld world{SimOptions{}};
    const auto watcher = subscribed(world, "watcher", "#", Qos::at_most_once);
    const auto client = connected(world, "c");
    // DISCONNECT and a PUBLISH in one piece.
    client->send_wire("e0 00 30 04 0001't' 00");
    CHECK(client->is_closed());
    CHECK(watcher->next() == "");
}

TEST_CASE("what follows CONNECT in the same piece waits for the authentication") {
    SimWorld world{SimOptions{}};
    const auto authenticator = std::make_shared<FakeAuthenticator>();
    world.shared().authenticator = authenticator;
    const auto watcher = subscribed(world, "watcher", "#", Qos::at_most_once);
    TestClient client{world, Version::v3_1_1};
    client.send_wire("10 14 0004'MQTT' 04 82 0000 0001'c' 0005'later' 30 04 0001't' 'x' c0 00");
    CHECK(client.next() == "");
    CHECK(client.connection().is_paused);
    CHECK(watcher->next() == "");
    REQUIRE(authenticator->waiting.size() == 1);

    SUBCASE("and comes when it is accepted") {
        world.turn(0, [&](Broker& broker) {
            broker.on_auth_decided(authenticator->waiting[0].token,
                                   FakeAuthenticator::decision_for("later"));
        });
        CHECK(client.take() == Lines{"CONNACK", "PINGRESP"});
        CHECK(watcher->next() == "PUBLISH topic='t' payload='x'");
    }
    SUBCASE("and is thrown away when it is refused") {
        world.turn(0, [&](Broker& broker) {
            broker.on_auth_decided(authenticator->waiting[0].token,
                                   FakeAuthenticator::decision_for("wrong"));
        });
        CHECK(client.next() == "CONNACK reason=86");
        CHECK(client.is_closed());
        CHECK(watcher->next() == "");
        CHECK(refused_by(world, ReasonCode::bad_user_name_or_password) == 1);
    }
    SUBCASE("an answer that comes after the client has gone is passed over") {
        client.close();
        world.turn(0, [&](Broker& broker) {
            broker.on_auth_decided(authenticator->waiting[0].token,
                                   FakeAuthenticator::decision_for("later"));
        });
        CHECK(world.broker().find_session("c") == nullptr);
    }
    SUBCASE("an authenticator that does not answer lets nobody in") {
        world.run_until(9'999ms);
        CHECK_FALSE(client.is_closed());
        CHECK(authenticator->cancelled.empty());
        world.run_until(10'000ms);
        CHECK(client.next() == "CONNACK reason=88");
        CHECK(client.is_closed());
        CHECK(watcher->next() == "");
        CHECK(authenticator->cancelled.size() == 1);
        CHECK(refused_by(world, ReasonCode::server_unavailable) == 1);
        world.turn(0, [&](Broker& broker) {
            broker.on_auth_decided(authenticator->waiting[0].token,
                                   FakeAuthenticator::decision_for("later"));
        });
        CHECK(world.broker().find_session("c") == nullptr);
    }
}

TEST_CASE("a CONNECT that waits for its answer was read, and is not read again") {
    SimWorld world{SimOptions{}};
    const auto authenticator = std::make_shared<FakeAuthenticator>();
    world.shared().authenticator = authenticator;
    FakeConnection connection;
    ConnectionMachine machine{world.broker(), connection,
                              std::make_shared<const MachineOptions>(open_listener()),
                              world.peer_template()};
    const std::vector<std::uint8_t> connect =
        testing::wire("10 14 0004'MQTT' 04 82 0000 0001'c' 0005'later'");
    CHECK(machine.on_bytes(connect) == connect.size());
    CHECK(connection.is_paused);
    world.turn(0, [&](Broker& broker) {
        broker.on_auth_decided(authenticator->waiting[0].token,
                               FakeAuthenticator::decision_for("later"));
    });
    CHECK(connection.is_resumed);
    CHECK(as_text(connection.written.view()) == "\x20\x02\0\0"s);
}

TEST_CASE("nothing is read while CONNACK waits for the store, however the answer came") {
    SimOptions options;
    options.storage_delay_max = 100ms;
    SimWorld world{options};
    const auto authenticator = std::make_shared<FakeAuthenticator>();
    const auto methods = std::make_shared<FakeAuthMethods>();
    world.shared().authenticator = authenticator;
    world.shared().auth_methods = methods;
    methods->answers_later = true;
    bool is_exchange = false;
    SUBCASE("to a name") {}
    SUBCASE("to a step of an exchange") {
        is_exchange = true;
    }
    TestClient client{world, Version::v5};
    client.connect("c", [&](mqtt::ConnectPacket& packet) {
        keep_session(packet);
        if (is_exchange) {
            packet.authentication_method = "ask";
            packet.authentication_data = as_bytes("ann");
        } else {
            packet.username = "later";
        }
    });
    if (is_exchange) {
        world.turn(0, [&](Broker& broker) {
            broker.on_auth_step(methods->waiting[0].token, methods->waiting[0].step);
        });
        client.auth(ReasonCode::continue_authentication, "ask", "yes");
    }
    world.turn(0, [&](Broker& broker) {
        if (is_exchange) {
            broker.on_auth_step(methods->waiting[1].token, methods->waiting[1].step);
        } else {
            broker.on_auth_decided(authenticator->waiting[0].token,
                                   FakeAuthenticator::decision_for("later"));
        }
    });
    REQUIRE(world.broker().find_session("c") != nullptr);
    CHECK(client.connection().is_paused);
    world.run_for(200ms);
    client.take();
    CHECK_FALSE(client.connection().is_paused);
    CHECK_FALSE(client.is_closed());
}

TEST_CASE("a CONNECT has to be complete in time") {
    SimOptions options;
    options.machine.connect_timeout = 5s;
    SimWorld world{options};
    TestClient client{world, Version::v5};
    world.run_for(2s);
    client.send_wire("10 0e 0004'MQT'");
    world.run_until(4'999ms);
    CHECK_FALSE(client.is_closed());
    world.run_until(5'000ms);
    CHECK(client.is_closed());
    CHECK(client.next() == "");
}

TEST_CASE("keep-alive ends a silent client at one and a half periods, not earlier") {
    for (const Version version : {Version::v3_1, Version::v3_1_1, Version::v5}) {
        CAPTURE(static_cast<int>(version));
        SimWorld world{SimOptions{}};
        const auto client = connected(world, "c", version,
                                      [](mqtt::ConnectPacket& packet) { packet.keep_alive = 10; });
        world.run_until(14'999ms);
        CHECK_FALSE(client->is_closed());
        client->ping();
        CHECK(client->next() == "PINGRESP");
        world.run_until(29'998ms);
        CHECK_FALSE(client->is_closed());
        world.run_until(29'999ms);
        CHECK(client->is_closed());
        CHECK(client->next() == (version == Version::v5 ? "DISCONNECT reason=8d" : ""));
        CHECK(closed_by(world, ReasonCode::keep_alive_timeout) == 1);
    }
}

TEST_CASE("a part of a packet is no sign of life") {
    SimWorld world{SimOptions{}};
    const auto client = connected(world, "c", Version::v5,
                                  [](mqtt::ConnectPacket& packet) { packet.keep_alive = 10; });
    world.run_until(14'000ms);
    client->send_wire("30 7f 0001't'");
    world.run_until(15'000ms);
    CHECK(client->is_closed());
}

TEST_CASE("no keep-alive: a silent client stays") {
    SimWorld world{SimOptions{}};
    const auto client = connected(world, "c", Version::v3_1_1);
    world.run_for(std::chrono::hours{24 * 365});
    CHECK_FALSE(client->is_closed());
}

TEST_CASE("the server's keep-alive is told to MQTT 5 clients and used for them only") {
    SimOptions options;
    options.machine.server_keep_alive = 4s;
    SimWorld world{options};
    TestClient five{world, Version::v5};
    five.connect("five", [](mqtt::ConnectPacket& packet) { packet.keep_alive = 100; });
    CHECK(five.next() == welcome_v5 + " server_keep_alive=4");
    const auto three = connected(world, "three", Version::v3_1_1,
                                 [](mqtt::ConnectPacket& packet) { packet.keep_alive = 100; });
    world.run_until(5'999ms);
    CHECK_FALSE(five.is_closed());
    world.run_until(6'000ms);
    CHECK(five.is_closed());
    CHECK_FALSE(three->is_closed());
    world.run_until(150'000ms);
    CHECK(three->is_closed());
}

TEST_CASE("a shutdown tells MQTT 5 clients, and where else to go") {
    SimOptions options;
    options.machine.server_reference = "b.example";
    SimWorld world{options};
    FakeConnection link;
    world.broker().set_now(world.clocks());
    auto machine = std::make_unique<mqtt::ConnectionMachine>(
        world.broker(), link, std::make_shared<mqtt::MachineOptions>(options.machine),
        PeerInfo{.address = "test:1", .rules = test::open_origin()});
    const auto connect = mqtt::testing::wire("10 0e 0004'MQTT' 05 02 0000 00 0001'x'");
    CHECK(machine->on_bytes(connect) == connect.size());
    link.written.clear();
    machine->on_shutdown(ReasonCode::server_shutting_down);
    const auto frame = mqtt::read_frame(link.written.view(), 1000, Version::v5).frame;
    CHECK(mqtt::testing::describe(frame, {Version::v5, mqtt::Sender::server}) ==
          "DISCONNECT reason=8b server_reference='b.example'");
    CHECK(link.closed == CloseMode::drain);
    CHECK(world.broker().find_session("x") == nullptr);
    machine.reset();
}

TEST_CASE(
    "after DISCONNECT the connection ends when a restart brings neither will nor session back") {
    struct Case {
        const char* name;
        Version version;
        bool has_will;
        std::optional<std::uint32_t> expiry;  // that DISCONNECT asks for
        bool is_to_wait;
        bool has_session;  // after the restart
    };
    constexpr Case cases[] = {
        {"a will of 3.1.1", Version::v3_1_1, true, {}, true, true},
        {"a will of 5.0", Version::v5, true, {}, true, true},
        {"the session's end", Version::v5, false, 0, true, false},
        {"nothing changes", Version::v5, false, {}, false, true},
    };
    for (const Case& c : cases) {
        for (const bool closes : {false, true}) {
            CAPTURE(c.name);
            CAPTURE(closes);  // whether the client ends the connection before
            SimOptions options;
            options.storage_delay_max = 20ms;
            SimWorld world{options};
            TestClient client{world, c.version};
            client.connect("c", [&](mqtt::ConnectPacket& packet) {
                keep_session(packet);
                if (c.has_will) {
                    packet.will.emplace().topic = "will";
                }
            });
            world.run_for(100ms);
            REQUIRE(client.next().starts_with("CONNACK"));
            const StoreTicket before = world.disk().submitted(0);
            client.disconnect(ReasonCode::success, c.expiry);
            const StoreTicket wanted = c.is_to_wait ? world.disk().submitted(0) : before;
            CHECK((wanted != before) == c.is_to_wait);
            if (closes) {
                client.close();
            }
            while (world.disk().committed(0) < wanted) {
                CHECK(client.is_closed() == closes);
                world.run_for(1ms);
            }
            CHECK(client.is_closed());
            CHECK(client.take() == Lines{});
            CHECK(closed_by(world, ReasonCode::success) == 1);
            world.crash();
            world.run_for(1s);
            CHECK((world.broker().find_session("c") != nullptr) == c.has_session);
            CHECK(world.sum([](const Metrics& m) { return m.wills_published.value(); }) == 0);
        }
    }
}
