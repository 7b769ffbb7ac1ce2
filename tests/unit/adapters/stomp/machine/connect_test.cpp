// CONNECT and what may come before, between and after: versions, logins, heart-beats, errors.
#include "gateway/protocols/known_protocols.hpp"
#include "tests/support/fake_access.hpp"
#include "tests/unit/adapters/stomp/machine/stomp_support.hpp"

using namespace gw;
using namespace gw::test;
using namespace std::string_literals;

TEST_CASE("CONNECTED tells the version, the session and the heart-beats") {
    SimWorld world{SimOptions{}};
    StompClient client{world};
    client.connect(Version::v1_2, {{"client-id", "c"}});
    CHECK(client.next() ==
          "CONNECTED version=1.2 session=c server=mangrove session-present=false "
          "heart-beat=1000,1000");
    StompClient old{world};
    old.connect(Version::v1_0);
    const StompFrame connected = old.next_frame();
    CHECK(connected.get("version") == "1.0");
    CHECK(connected.get("heart-beat") == "");  // 1.0 has none
    CHECK(connected.get("session").starts_with("mangrove-"));
}

TEST_CASE("the newest common version is spoken, and none is an error that names them") {
    SimWorld world{SimOptions{}};
    for (const auto& [accept, version] : {std::pair{"1.0,1.1", "1.1"},
                                          {"1.2,1.1,1.0", "1.2"},
                                          {"1.0", "1.0"},
                                          {"1.1,3.0", "1.1"}}) {
        StompClient client{world};
        client.frame(Command::stomp, {{"accept-version", accept}, {"host", "h"}});
        const StompFrame connected = client.next_frame();
        CHECK(connected.command == "CONNECTED");
        CHECK(connected.get("version") == version);
    }
    StompClient client{world};
    client.frame(Command::connect, {{"accept-version", "2.0"}});
    const StompFrame error = client.next_frame();
    CHECK(error.command == "ERROR");
    CHECK(error.get("version") == "1.0,1.1,1.2");
    CHECK(client.is_closed());
}

TEST_CASE("nothing but CONNECT is heard before the login, and it is told at once") {
    SimWorld world{SimOptions{}};
    const auto listener = mqtt_client(world, "m");
    listener->subscribe("#");
    listener->next();
    for (const Command command :
         {Command::send, Command::subscribe, Command::unsubscribe, Command::ack, Command::nack,
          Command::begin, Command::commit, Command::abort, Command::disconnect}) {
        CAPTURE(command_text(command));
        StompClient client{world};
        client.frame(command, {{"destination", "a"}, {"id", "1"}, {"receipt", "r:1"}});
        const StompFrame error = client.next_frame();
        CHECK(error.command == "ERROR");
        CHECK(error.get("receipt-id") == "r:1");
        CHECK(client.next() == "");
        CHECK(client.is_closed());
    }
    for (const std::string& bytes : {"GET / HTTP/1.1\r\n\r\n"s, "SEND\n\n"s, "CONNECTED\n"s}) {
        StompClient client{world};
        client.raw(bytes);
        check_refused(client, "the first frame must be CONNECT or STOMP");
    }
    CHECK(listener->next() == "");
    CHECK(world.sum([](const Metrics& m) {
        return m.connects_refused_by_reason[static_cast<std::size_t>(ReasonCode::protocol_error)]
            .value();
    }) == 12);
}

TEST_CASE("each client command that lacks what it needs is answered with ERROR and the end") {
    struct Row {
        Command command;
        StompHeaders headers;
        std::string_view message;
    };
    const Row rows[] = {
        {Command::connect, {}, "second CONNECT"},
        {Command::stomp, {}, "second CONNECT"},
        {Command::connected, {}, "only a server sends this command"},
        {Command::message, {}, "only a server sends this command"},
        {Command::send, {}, "SEND needs a destination"},
        {Command::send, {{"destination", ""}}, "a topic must not be empty"},
        {Command::send, {{"destination", "a/+"}}, ""},
        {Command::send, {{"destination", "#"}}, ""},
        {Command::send, {{"destination", "a"}, {"qos", "3"}}, "qos must be 0, 1 or 2"},
        {Command::send, {{"destination", "a"}, {"retain", "yes"}}, "retain must be true or false"},
        {Command::send,
         {{"destination", "a"}, {"transaction", "t"}},
         "no such transaction is open"},
        {Command::subscribe, {{"id", "1"}}, "SUBSCRIBE needs a destination"},
        {Command::subscribe, {{"destination", "a"}}, "SUBSCRIBE needs an id"},
        {Command::subscribe,
         {{"id", "1"}, {"destination", "a/#/b"}},
         "the destination is no valid topic filter"},
        {Command::subscribe,
         {{"id", "1"}, {"destination", "a"}, {"ack", "never"}},
         "ack must be auto, client or client-individual"},
        {Command::subscribe,
         {{"id", "1"}, {"destination", "a"}, {"durable", "true"}},
         "a durable subscription needs a client-id header in CONNECT"},
        {Command::unsubscribe, {}, "UNSUBSCRIBE needs an id"},
        {Command::unsubscribe, {{"id", "1"}}, "no such subscription"},
        {Command::ack, {}, "ACK and NACK need an id"},
        {Command::ack, {{"id", "1"}}, "no such message was sent"},
        {Command::nack, {{"id", "ffffffff-1"}}, "no such message was sent"},
        {Command::begin, {}, "BEGIN needs a transaction"},
        {Command::commit, {}, "COMMIT needs a transaction"},
        {Command::commit, {{"transaction", "t"}}, "no such transaction is open"},
        {Command::abort, {}, "ABORT needs a transaction"},
        {Command::abort, {{"transaction", "t"}}, "no such transaction is open"},
    };
    for (const Row& row : rows) {
        SimWorld world{SimOptions{}};
        const auto client = logged_in(world);
        CAPTURE(command_text(row.command));
        StompHeaders headers = row.headers;
        headers.emplace_back("receipt", "77");
        client->frame(row.command, headers);
        const StompFrame error = client->next_frame();
        CHECK(error.command == "ERROR");
        CHECK(error.get("receipt-id") == "77");
        if (!row.message.empty()) {
            CHECK(error.get("message") == row.message);
        }
        CHECK(error.get("content-type") == "text/plain");
        CHECK_FALSE(error.body.empty());
        CHECK(client->next() == "");
        CHECK(client->is_closed());
        CHECK(world.sum([](const Metrics& m) { return m.clients_online.value(); }) == 0);
    }
}

TEST_CASE("an ERROR names the receipt as it was written, where that can be read") {
    struct Row {
        Version version;
        std::string_view receipt;
        std::string_view told;
    };
    const Row rows[] = {
        {Version::v1_2, "a\\cb", "a:b"}, {Version::v1_2, "\\t", ""},    {Version::v1_2, "\xff", ""},
        {Version::v1_1, "\\r", ""},      {Version::v1_0, "\\t", "\\t"},
    };
    for (const Row& row : rows) {
        SimWorld world{SimOptions{}};
        const auto client = logged_in(world, row.version);
        CAPTURE(row.receipt);
        client->raw("NONSENSE\nreceipt:1\n\n");
        CHECK(client->next_frame().get("receipt-id") == "");  // not even its head is looked at
        const auto other = logged_in(world, row.version);
        other->raw("BEGIN\nreceipt:" + std::string{row.receipt} + "\n\n" + '\0');
        const StompFrame error = other->next_frame();
        CHECK(error.command == "ERROR");
        CHECK(error.get("receipt-id") == row.told);
        CHECK(other->is_closed());
    }
    SimWorld world{SimOptions{}};
    StompClient early{world};
    early.raw("SEND\nreceipt:\\x\n\n");
    const StompFrame error = early.next_frame();
    CHECK(error.command == "ERROR");
    CHECK(error.get("receipt-id") == "");
}

TEST_CASE("every client command may ask for a receipt") {
    SimWorld world{SimOptions{}};
    const auto client = logged_in(world);
    client->frame(
        Command::subscribe,
        {{"id", "1"}, {"destination", "a"}, {"ack", "client-individual"}, {"receipt", "s:\n1"}});
    CHECK(client->next() == "RECEIPT receipt-id=s:\n1");
    client->publish("a", "x", {{"receipt", "2"}});
    const StompFrame message = client->next_frame();
    CHECK(message.command == "MESSAGE");
    CHECK(client->next() == "RECEIPT receipt-id=2");
    client->ack(message, Command::nack, {{"receipt", "3"}});
    const StompFrame again = client->next_frame();
    CHECK(client->next() == "RECEIPT receipt-id=3");
    client->ack(again, Command::ack, {{"receipt", "4"}});
    CHECK(client->next() == "RECEIPT receipt-id=4");
    client->frame(Command::begin, {{"transaction", "t"}, {"receipt", "5"}});
    CHECK(client->next() == "RECEIPT receipt-id=5");
    client->frame(Command::commit, {{"transaction", "t"}, {"receipt", "6"}});
    CHECK(client->next() == "RECEIPT receipt-id=6");
    client->frame(Command::begin, {{"transaction", "t"}});
    client->frame(Command::abort, {{"transaction", "t"}, {"receipt", "7"}});
    CHECK(client->next() == "RECEIPT receipt-id=7");
    client->frame(Command::unsubscribe, {{"id", "1"}, {"receipt", "8"}});
    CHECK(client->next() == "RECEIPT receipt-id=8");
    client->frame(Command::disconnect, {{"receipt", "9"}});
    CHECK(client->next() == "RECEIPT receipt-id=9");
    CHECK(client->is_closed());
}

TEST_CASE("frames behind DISCONNECT are not heard") {
    SimWorld world{SimOptions{}};
    const auto other = logged_in(world);
    other->subscribe("1", "a");
    const auto client = logged_in(world);
    client->raw("DISCONNECT\n\n\0SEND\ndestination:a\n\nx\0"s);
    CHECK(client->is_closed());
    CHECK(client->next() == "");
    CHECK(other->next() == "");
}

TEST_CASE("logins go through the authenticator, wherever the answer comes from") {
    SimWorld world{SimOptions{}};
    const auto authenticator = std::make_shared<FakeAuthenticator>();
    world.shared().authenticator = authenticator;
    const auto good = logged_in(world, Version::v1_2, {{"login", "ann"}, {"client-id", "c"}});
    CHECK(world.broker().find_session("c")->identity->username == "ann");
    CHECK(world.broker().find_session("c")->identity->protocol == &stomp::protocol);

    StompClient bad{world};
    bad.connect(Version::v1_2, {{"login", "wrong"}});
    check_refused(bad, "bad user name or password");

    StompClient slow{world};
    slow.connect(Version::v1_1, {{"login", "later"}});
    // What follows waits, as it may not be anybody's.
    slow.publish("a", "x");
    CHECK(slow.next() == "");
    REQUIRE(authenticator->waiting.size() == 1);
    world.turn(0, [&](Broker& broker) {
        broker.on_auth_decided(authenticator->waiting[0].token,
                               FakeAuthenticator::decision_for("later"));
    });
    CHECK(slow.next_frame().command == "CONNECTED");
    CHECK(world.sum([](const Metrics& m) { return m.messages_received.value(); }) == 1);

    StompClient gone{world};
    gone.connect(Version::v1_1, {{"login", "later"}});
    gone.close();
    CHECK(authenticator->cancelled.size() == 1);
}

TEST_CASE("a CONNECT that waits for its answer was read, and is not read again") {
    SimWorld world{SimOptions{}};
    const auto authenticator = std::make_shared<FakeAuthenticator>();
    world.shared().authenticator = authenticator;
    FakeConnection connection;
    stomp::ConnectionMachine machine{
        world.broker(), connection,
        std::make_shared<const stomp::MachineOptions>(open_stomp_listener()),
        world.peer_template()};
    const std::string connect =
        "CONNECT\naccept-version:1.2\nhost:sim\nlogin:later\nclient-id:c\n\n\0"s;
    CHECK(machine.on_bytes(as_bytes(connect)) == connect.size());
    CHECK(connection.is_paused);
    world.turn(0, [&](Broker& broker) {
        broker.on_auth_decided(authenticator->waiting[0].token,
                               FakeAuthenticator::decision_for("later"));
    });
    CHECK(connection.is_resumed);
    CHECK(as_text(connection.written.view()).starts_with("CONNECTED\n"));
}

TEST_CASE("failed logins count against the name that was shown, whatever client id comes with it") {
    SimWorld world{SimOptions{}};
    DoorOptions options;
    options.free_failure_count = 2;
    options.unix_is_exempt = false;  // simulated peers have no address
    world.shared().door = std::make_shared<Door>(options, 1);
    world.shared().authenticator = std::make_shared<FakeAuthenticator>();
    const auto guess = [&](const StompHeaders& headers) {
        StompClient client{world};
        client.connect(Version::v1_2, headers);
        return client.next_frame().get("message");
    };
    for (const StompHeaders& id :
         {StompHeaders{}, {{"client-id", "one"}}, {{"client-id", "two"}}}) {
        StompHeaders headers{{"login", "wrong"}};
        headers.insert(headers.end(), id.begin(), id.end());
        CHECK(guess(headers) == "bad user name or password");
    }
    CHECK(guess({{"login", "wrong"}, {"client-id", "three"}}) == "connection rate exceeded");
    CHECK(guess({{"login", "wrong"}}) == "connection rate exceeded");
    // Nobody is kept out whose ids he has used.
    CHECK(guess({{"login", "ann"}, {"client-id", "one"}}) == "");
    CHECK(guess({{"client-id", "two"}}) == "");
}

TEST_CASE("a client of another user's session is refused") {
    SimWorld world{SimOptions{}};
    world.shared().authenticator = std::make_shared<FakeAuthenticator>();
    const auto ann = logged_in(world, Version::v1_2, {{"login", "ann"}, {"client-id", "c"}});
    StompClient bob{world};
    bob.connect(Version::v1_2, {{"login", "bob"}, {"client-id", "c"}});
    check_refused(bob, "client identifier not valid");
    CHECK_FALSE(ann->is_closed());
}

TEST_CASE("the second connection of a client ends the first, whatever protocol they speak") {
    SimWorld world{SimOptions{}};
    const auto first = logged_in(world, Version::v1_2, {{"client-id", "c"}});
    const auto second = logged_in(world, Version::v1_1, {{"client-id", "c"}});
    check_refused(*first, "session taken over");
    const auto third = mqtt_client(world, "c");
    check_refused(*second, "session taken over");
    const auto fourth = logged_in(world, Version::v1_2, {{"client-id", "c"}});
    CHECK(third->next() == "DISCONNECT reason=8e");
}

TEST_CASE("a connection moves to the worker that owns its client") {
    SimOptions options;
    options.worker_count = 2;
    SimWorld world{options};
    for (const std::string id : {"a", "b", "c", "d"}) {
        const auto client = logged_in(world, Version::v1_2, {{"client-id", id}});
        CHECK(world.worker_of_link(client->link()) == world.broker().worker_of(id));
    }
}

TEST_CASE("before the login a connection may cost only so much, and last only so long") {
    SimWorld world{SimOptions{}};
    stomp::MachineOptions options = open_stomp_listener();
    options.unauthenticated_bytes_max = 1000;
    options.connect_timeout = 5s;

    StompClient large{world, 0, options};
    large.raw("CONNECT\npasscode:" + std::string(1000, 'x'));
    check_refused(large, "too many bytes before the login");
    StompClient empty_lines{world, 0, options};
    empty_lines.raw(std::string(600, '\n'));
    CHECK_FALSE(empty_lines.is_closed());
    empty_lines.raw(std::string(600, '\n'));
    check_refused(empty_lines, "too many bytes before the login");

    StompClient drip{world, 0, options};
    const std::string connect = "CONNECT\naccept-version:1.2\nhost:sim\n\n";
    for (const char c : connect.substr(0, 30)) {
        drip.raw(std::string(1, c));
        world.run_for(160ms);
    }
    CHECK_FALSE(drip.is_closed());
    world.run_for(300ms);
    check_refused(drip, "no login in time");

    StompClient many{world, 0, options};
    many.raw("CONNECT\n");
    for (int i = 0; i < 51; ++i) {
        many.raw("a:b\n");
    }
    check_refused(many, "too many headers");
}

TEST_CASE("heart-beats: the slower of offer and wish, and none where one says 0") {
    struct Row {
        std::string_view header;
        Milliseconds silence;  // until the client is closed; 0: never
        Milliseconds beat;     // of the server; 0: none
    };
    const Row rows[] = {
        {"0,0", 0ms, 0ms},       {"1,0", 2000ms, 0ms},    {"0,1", 0ms, 1000ms},
        {"3000,0", 6000ms, 0ms}, {"0,4000", 0ms, 4000ms}, {"1500,1500", 3000ms, 1500ms},
    };
    for (const Row& row : rows) {
        CAPTURE(row.header);
        SimWorld world{SimOptions{}};
        const auto client =
            logged_in(world, Version::v1_2, {{"heart-beat", std::string{row.header}}});
        const std::size_t before = client->beats();
        if (row.beat != 0ms) {
            world.run_for(row.beat - 1ms);
            CHECK(client->beats() == before);
            world.run_for(1ms);
            CHECK(client->beats() == before + 1);
        }
        if (row.silence != 0ms) {
            world.run_until(row.silence - 1ms);
            CHECK_FALSE(client->is_closed());
            world.run_until(row.silence);
            CHECK(client->is_closed());
        } else {
            world.run_for(1h);
            CHECK_FALSE(client->is_closed());
        }
    }
}

TEST_CASE("any octet is a sign of life, and any frame spares a heart-beat") {
    SimWorld world{SimOptions{}};
    const auto client = logged_in(world, Version::v1_1, {{"heart-beat", "1000,1000"}});
    client->subscribe("1", "a");
    const auto mqtt = mqtt_client(world, "m");
    for (int i = 0; i < 20; ++i) {
        client->raw("\n");
        mqtt->publish("a", "x");
        world.run_for(900ms);
    }
    CHECK_FALSE(client->is_closed());
    CHECK(client->beats() == 0);
    CHECK(client->take().size() == 20);
    world.run_for(2s);
    check_refused(*client, "no heart-beat");
}

TEST_CASE("a heart-beat header that is none is refused") {
    for (const std::string wrong : {"1", "a,b", "-1,5", ""}) {
        SimWorld world{SimOptions{}};
        StompClient client{world};
        client.connect(Version::v1_2, {{"heart-beat", wrong}});
        check_refused(client, "heart-beat must be two numbers of milliseconds");
    }
}

TEST_CASE("clients are told when the program stops") {
    SimWorld world{SimOptions{}};
    const auto client = logged_in(world);
    world.turn(0, [&](Broker& broker) {
        broker.kick(std::string{"nobody"}, ReasonCode::administrative_action);
    });
    const auto named = logged_in(world, Version::v1_2, {{"client-id", "c"}});
    world.turn(0, [](Broker& broker) { broker.kick("c", ReasonCode::administrative_action); });
    check_refused(*named, "administrative action");
    CHECK_FALSE(client->is_closed());
}
