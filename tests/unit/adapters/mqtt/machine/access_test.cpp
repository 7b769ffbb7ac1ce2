// Access rules and the door on every path that a message or a client can take.
#include "broker-core/access/acl_policy.hpp"
#include "broker-core/door/door.hpp"
#include "config/acl/acl_parser.hpp"
#include "tests/support/fake_access.hpp"
#include "tests/unit/adapters/mqtt/machine/machine_support.hpp"

#include <set>

using namespace gw;
using namespace gw::test;

namespace {

AclTablePtr table_of(std::string_view text) {
    auto parsed = config::parse_acl("acl", text);
    REQUIRE(parsed.diagnostics.empty());
    return AclTable::create(std::move(parsed.rules), AccessDecision::allow);
}

/// Rules in a world whose clients are who they say they are.
class Rules {
public:
    Rules(SimWorld& world, std::string_view text)
        : world_(world),
          policy_(std::make_shared<AclPolicy>(world.worker_count(), table_of(text))) {
        world.shared().access = policy_;
        world.shared().authenticator = std::make_shared<FakeAuthenticator>();
    }
    /// What a reload does.
    void change(std::string_view text) {
        const AclTablePtr table = table_of(text);
        for (std::uint32_t i = 0; i < world_.worker_count(); ++i) {
            world_.turn(i, [&](Broker& broker) {
                policy_->install(i, table);
                broker.revise_access();
            });
        }
        world_.settle();
    }

private:
    SimWorld& world_;
    std::shared_ptr<AclPolicy> policy_;
};

std::unique_ptr<TestClient> client_of(
    SimWorld& world, std::string_view user, Version version = Version::v5,
    const std::function<void(mqtt::ConnectPacket&)>& change = nullptr) {
    return connected(world, user, version, [&](mqtt::ConnectPacket& packet) {
        packet.username = user;
        if (change) {
            change(packet);
        }
    });
}

/// Subscribes; the reason in SUBACK as text.
std::string subscribe(TestClient& client, std::string_view filter, Qos qos = Qos::at_least_once) {
    client.subscribe(filter, {.qos = qos});
    const Lines heard = client.take();
    REQUIRE_FALSE(heard.empty());
    return heard.front();
}

std::shared_ptr<Door> open_door(SimWorld& world, const DoorOptions& options) {
    world.shared().door = std::make_shared<Door>(options, 1);
    world.shared().authenticator = std::make_shared<FakeAuthenticator>();
    return world.shared().door;
}

Ban ban_of(BanKind kind, std::string name) {
    Ban ban;
    ban.kind = kind;
    ban.name = std::move(name);
    return ban;
}

}  // namespace

TEST_CASE("a deny on a topic holds for who subscribed wider: live, retained, will") {
    for (const Version version : {Version::v3_1_1, Version::v5}) {
        SimWorld world{SimOptions{}};
        const Rules rules{world, "deny = user=ann subscribe a/secret\n"};
        const auto bob = client_of(world, "bob");
        bob->publish("a/secret", "kept", {.retain = true});
        bob->publish("a/open", "kept", {.retain = true});
        const auto ann = client_of(world, "ann", version);
        for (const std::string_view filter : {"a/#", "a/+", "#"}) {
            ann->subscribe(filter);
            const Lines heard = ann->take();
            REQUIRE(heard.size() == 2);
            CHECK(heard[1].starts_with("PUBLISH topic='a/open' payload='kept'"));
        }
        const char* const refused = version == Version::v5 ? "87" : "80";
        CHECK(subscribe(*ann, "a/secret").find(refused) != std::string::npos);
        bob->publish("a/secret", "live");
        bob->publish("a/open", "live");
        CHECK(ann->take().size() == 1);
        const auto dying = client_of(world, "dying", Version::v5, [](mqtt::ConnectPacket& packet) {
            mqtt::Will will;
            will.topic = "a/secret";
            packet.will = will;
        });
        const auto watcher = client_of(world, "eve");
        subscribe(*watcher, "a/#");
        dying->close();
        CHECK(watcher->next().starts_with("PUBLISH topic='a/secret'"));
        CHECK(ann->next() == "");
        CHECK(dropped(world, DropReason::not_authorized_delivery) >= 2);
    }
}

TEST_CASE("one denied filter refuses itself alone, and the text # may be denied") {
    SimWorld world{SimOptions{}};
    const Rules rules{world, "deny = all subscribe eq #, no/#\n"};
    const auto client = client_of(world, "ann");
    // SUBSCRIBE id 1 with "ok", "no/x", "#" at QoS 0.
    client->send_wire("82 13 00 01 00 00 02 6f 6b 00 00 04 6e 6f 2f 78 00 00 01 23 00");
    const Lines heard = client->take();
    CHECK(heard == Lines{"SUBACK id=1 reasons=008787"});
}

TEST_CASE("of a shared group a member with the right gets the message, on whatever worker") {
    SimOptions options;
    options.worker_count = 2;
    SimWorld world{options};
    const Rules rules{world, "deny = user=bad* subscribe a/secret\n"};
    std::vector<std::unique_ptr<TestClient>> bad;
    for (int i = 0; i < 6; ++i) {
        bad.push_back(client_of(world, "bad" + std::to_string(i)));
        subscribe(*bad.back(), "$share/g/a/#");
    }
    const auto good = client_of(world, "good");
    subscribe(*good, "$share/g/a/#");
    const auto publisher = client_of(world, "p");
    for (int i = 0; i < 20; ++i) {
        publisher->publish("a/secret", "x");
        CHECK(good->take().size() == 1);
    }
    for (const auto& one : bad) {
        CHECK(one->take().empty());
    }
    CHECK(dropped(world, DropReason::not_authorized_delivery) == 0);
    // Without such a member the message is given up, and counted.
    good->unsubscribe("$share/g/a/#");
    good->take();
    publisher->publish("a/secret", "x");
    CHECK(dropped(world, DropReason::not_authorized_delivery) == 1);
    publisher->publish("a/open", "x");
    std::size_t heard = 0;
    for (const auto& one : bad) {
        heard += one->take().size();
    }
    CHECK(heard == 1);
}

TEST_CASE("$SYS is read by administrators, superusers, and whom a rule that names it lets") {
    SimWorld world{SimOptions{}};
    const Rules rules{world,
                      "allow = user=watcher subscribe $SYS/#\n"
                      "allow = all\n"};
    struct Row {
        const char* user;
        bool is_allowed;
    };
    for (const Row& row : {Row{"ann", false}, Row{"root", true}, Row{"watcher", true}}) {
        CAPTURE(row.user);
        const auto client = client_of(world, row.user);
        for (const char* const filter : {"$SYS/#", "$SYS/brokers/+/x", "$share/g/$SYS/#"}) {
            CHECK((subscribe(*client, filter).find("87") == std::string::npos) == row.is_allowed);
        }
        // Nobody publishes there.
        client->publish("$SYS/x", "forged", {.qos = Qos::at_least_once, .packet_id = 9});
        CHECK(client->next().starts_with("PUBACK id=9 reason=87"));
    }
}

TEST_CASE("a change of rules ends what is not allowed any more, and nothing else") {
    SimOptions options;
    options.worker_count = 2;
    SimWorld world{options};
    Rules rules{world, "allow = all\n"};
    const auto ann = client_of(world, "ann");
    const auto bob = client_of(world, "bob");
    for (TestClient* const one : {ann.get(), bob.get()}) {
        subscribe(*one, "a/#");
        subscribe(*one, "b");
        subscribe(*one, "$share/g/c/#");
    }
    rules.change("deny = user=ann subscribe a/#, c/#\n");
    const auto publisher = client_of(world, "p");
    publisher->publish("a/1", "x");
    publisher->publish("b", "x");
    CHECK(ann->take() == Lines{"PUBLISH topic='b' payload='x'"});
    CHECK(bob->take().size() == 2);
    for (int i = 0; i < 4; ++i) {
        publisher->publish("c/1", "x");
    }
    CHECK(ann->take().empty());
    CHECK(bob->take().size() == 4);
    CHECK_FALSE(ann->is_closed());
    CHECK(world.sum([](const Metrics& m) { return m.subscriptions_revoked.value(); }) == 2);
    // It may come back, when the rules let it.
    rules.change("allow = all\n");
    CHECK(subscribe(*ann, "a/#").find("87") == std::string::npos);
}

TEST_CASE("what waits for an absent client is judged when the rules change, and when it returns") {
    SimWorld world{SimOptions{}};
    Rules rules{world, "allow = all\n"};
    const auto publisher = client_of(world, "p");
    const auto leave = [&](std::string_view user) {
        const auto client = client_of(world, user, Version::v5, keep_session);
        subscribe(*client, "a/#");
        subscribe(*client, "b/#");
        client->disconnect();
    };
    const auto send = [&] {
        for (const std::string_view topic : {"a/1", "a/secret", "b/1"}) {
            publisher->publish(topic, "x", {.qos = Qos::at_least_once, .packet_id = 1});
        }
    };
    const auto topics_of = [](const Lines& lines) {
        std::set<std::string> topics;
        for (const std::string& line : lines) {
            if (line.starts_with("PUBLISH")) {
                topics.insert(line.substr(15, line.find('\'', 15) - 15));
            }
        }
        return topics;
    };
    leave("ann");
    leave("bob");
    send();
    rules.change("deny = user=ann subscribe a/secret, b/#\n");
    send();
    const auto ann = client_of(world, "ann", Version::v5, keep_session);
    CHECK(topics_of(ann->take()) == std::set<std::string>{"a/1"});
    const auto bob = client_of(world, "bob", Version::v5, keep_session);
    CHECK(topics_of(bob->take()) == std::set<std::string>{"a/1", "a/secret", "b/1"});
    // The text of a filter is denied: what was queued for it alone is not delivered either.
    const auto wide = client_of(world, "wide", Version::v5, keep_session);
    subscribe(*wide, "#");
    subscribe(*wide, "b/#");
    wide->disconnect();
    send();
    rules.change("deny = all subscribe eq #\n");
    const auto back = client_of(world, "wide", Version::v5, keep_session);
    CHECK(topics_of(back->take()) == std::set<std::string>{"b/1"});
}

TEST_CASE("what waits for a member of a group that lost its right goes to another member") {
    for (const char* const change :
         {"deny = client=poor subscribe a/#\n", "deny = client=poor receive a/#\n"}) {
        SimWorld world{SimOptions{}};
        Rules rules{world, "allow = all\n"};
        // One whose window is full, so that the rest waits.
        const auto poor = client_of(world, "poor", Version::v5, [](mqtt::ConnectPacket& packet) {
            packet.receive_maximum = 1;
        });
        subscribe(*poor, "$share/g/a/#");
        const auto publisher = client_of(world, "p");
        for (int i = 0; i < 5; ++i) {
            publisher->publish(
                "a/1", "x",
                {.qos = Qos::at_least_once, .packet_id = static_cast<std::uint16_t>(i + 1)});
        }
        CHECK(poor->take().size() == 1);
        const auto rich = client_of(world, "rich");
        subscribe(*rich, "$share/g/a/#");
        rules.change(change);
        CHECK(rich->take().size() == 4);
        CHECK(poor->take().empty());
    }
}

TEST_CASE("a client that comes back with other rights keeps only what those allow") {
    SimWorld world{SimOptions{}};
    const Rules rules{world, "deny = protocol=mqtt !administrator subscribe a/secret, admin/#\n"};
    const auto publisher = client_of(world, "p");
    const auto connect = [&](bool is_administrator) {
        auto client =
            std::make_unique<TestClient>(world, Version::v5, 0, nullptr, is_administrator);
        client->connect("c", [](mqtt::ConnectPacket& packet) {
            packet.username = "ann";
            keep_session(packet);
        });
        REQUIRE(client->next().starts_with("CONNACK"));
        return client;
    };
    auto client = connect(true);
    subscribe(*client, "a/#");
    subscribe(*client, "admin/x");
    client->disconnect();
    for (const std::string_view topic : {"a/1", "a/secret", "admin/x"}) {
        publisher->publish(topic, "x", {.qos = Qos::at_least_once, .packet_id = 1});
    }
    client = connect(false);
    const Lines heard = client->take();
    REQUIRE(heard.size() == 1);
    CHECK(heard[0].find("'a/1'") != std::string::npos);
    publisher->publish("admin/x", "y");
    CHECK(client->next() == "");
}

TEST_CASE("by key a client that lost a subscription is told by being disconnected") {
    SimOptions options;
    options.broker.disconnect_revoked = true;
    SimWorld world{options};
    Rules rules{world, "allow = all\n"};
    const auto ann = client_of(world, "ann");
    const auto bob = client_of(world, "bob", Version::v3_1_1);
    const auto eve = client_of(world, "eve");
    subscribe(*ann, "a");
    subscribe(*bob, "a");
    subscribe(*eve, "b");
    rules.change("deny = all subscribe a\n");
    CHECK(ann->next().starts_with("DISCONNECT reason=87"));
    CHECK(ann->is_closed());
    CHECK(bob->is_closed());
    CHECK_FALSE(eve->is_closed());
}

TEST_CASE("by key a denied publish that has no answer ends the connection") {
    SimWorld world{SimOptions{}};
    const Rules rules{world, "deny = all publish no\n"};
    auto closing = open_listener();
    closing.disconnects_denied = true;
    const auto listener = std::make_shared<const mqtt::MachineOptions>(closing);
    for (const Version version : {Version::v3_1, Version::v3_1_1, Version::v5}) {
        for (const Qos qos : {Qos::at_most_once, Qos::at_least_once, Qos::exactly_once}) {
            CAPTURE(static_cast<int>(version));
            CAPTURE(static_cast<int>(qos));
            const auto packet_id = static_cast<std::uint16_t>(qos == Qos::at_most_once ? 0 : 1);
            const auto patient = connected(world, "patient", version);
            patient->publish("no", "x", {.qos = qos, .packet_id = packet_id});
            CHECK_FALSE(patient->is_closed());
            const Lines answer = patient->take();
            CHECK(answer.size() == (qos == Qos::at_most_once ? 0 : 1));
            const auto strict = connected(world, "strict", version, nullptr, listener);
            strict->publish("no", "x", {.qos = qos, .packet_id = packet_id});
            const bool is_told = version == Version::v5 && qos != Qos::at_most_once;
            CHECK(strict->is_closed() != is_told);
            if (version == Version::v5) {
                CHECK(strict->next().find("reason=87") != std::string::npos);
            }
        }
    }
}

TEST_CASE("names with wildcard characters do not widen a rule, over the wire") {
    SimWorld world{SimOptions{}};
    const Rules rules{world,
                      "allow = all pubsub own/%u/#, id/%c\n"
                      "deny = all\n"};
    for (const char* const name : {"#", "+", "a/b"}) {
        const auto client = client_of(world, name);
        for (const char* const filter :
             {"own/#", "own/+/x", "own/a/b/#", "id/+", "id/#", "id/a/b"}) {
            CHECK(subscribe(*client, filter).find("87") != std::string::npos);
        }
    }
    const auto ann = client_of(world, "ann");
    CHECK(subscribe(*ann, "own/ann/#").find("87") == std::string::npos);
    CHECK(subscribe(*ann, "own/+/#").find("87") != std::string::npos);
    CHECK(subscribe(*ann, "id/ann").find("87") == std::string::npos);
}

// ----------------------------------------------------------------------------------- the door

TEST_CASE("bans hold at CONNECT in the way of each version, by shown and by proven name") {
    SimWorld world{SimOptions{}};
    const auto door = open_door(world, {});
    REQUIRE(door->add_ban(ban_of(BanKind::client, "meter"), world.clocks()));
    REQUIRE(door->add_ban(ban_of(BanKind::user, "eve"), world.clocks()));
    for (const auto& [version, answer] :
         {std::pair{Version::v3_1_1, "CONNACK reason=87"}, {Version::v5, "CONNACK reason=8a"}}) {
        for (const auto& [id, user] : {std::pair{"meter", "ann"}, {"other", "eve"}}) {
            TestClient client{world, version};
            client.connect(
                id, [&, name = user](mqtt::ConnectPacket& packet) { packet.username = name; });
            CHECK(client.next() == answer);
            CHECK(client.is_closed());
        }
    }
    CHECK(refused_by(world, ReasonCode::banned) == 4);
    CHECK(world.sum([](const Metrics& m) {
        return m.door_refused_by_reason[static_cast<std::size_t>(DoorReason::banned)].value();
    }) == 4);
    // Enhanced authentication comes by the same door, and a name may show only in its end.
    world.shared().auth_methods = std::make_shared<FakeAuthMethods>();
    for (const char* const id : {"meter", "fine"}) {
        TestClient client{world, Version::v5};
        client.connect(id, [](mqtt::ConnectPacket& packet) {
            packet.authentication_method = "ask";
            packet.authentication_data = as_bytes("eve");
        });
        if (id == std::string_view{"fine"}) {
            CHECK(client.next().starts_with("AUTH"));
            client.auth(ReasonCode::continue_authentication, "ask", "yes");
        }
        CHECK(client.next().starts_with("CONNACK reason=8a"));
        CHECK(client.is_closed());
    }
    CHECK(door->remove_ban(BanKind::client, "meter", {}));
    CHECK_FALSE(connected(world, "meter")->is_closed());
}

TEST_CASE("after failed logins one waits, longer each time; the neighbours do not") {
    SimWorld world{SimOptions{}};
    DoorOptions options;
    options.free_failure_count = 2;
    options.login_delay = Milliseconds{1000};
    options.login_delay_max = Milliseconds{8000};
    options.unix_is_exempt = false;  // simulated peers have no address
    const auto door = open_door(world, options);
    const auto attempt = [&](const char* user) {
        TestClient client{world, Version::v5};
        client.connect("c", [&](mqtt::ConnectPacket& packet) { packet.username = user; });
        return client.next();
    };
    for (int i = 0; i < 3; ++i) {
        CHECK(attempt("wrong").starts_with("CONNACK reason=86"));
    }
    CHECK(attempt("wrong").starts_with("CONNACK reason=9f"));
    CHECK(attempt("ann") == welcome_v5);
    world.run_for(Milliseconds{1251});
    CHECK(attempt("wrong").starts_with("CONNACK reason=86"));  // the fourth: twice as long
    world.run_for(Milliseconds{1400});
    CHECK(attempt("wrong").starts_with("CONNACK reason=9f"));
    world.run_for(Milliseconds{1200});
    CHECK(attempt("ann") == welcome_v5);
    CHECK(world.sum([](const Metrics& m) {
        return m.door_refused_by_reason[static_cast<std::size_t>(DoorReason::login_delay)].value();
    }) == 2);
}

TEST_CASE("a client id that comes and goes too often is banned for a while") {
    SimWorld world{SimOptions{}};
    DoorOptions options;
    options.flapping_count = 3;
    options.flapping_window = Milliseconds{10000};
    options.flapping_ban = Milliseconds{60000};
    options.unix_is_exempt = false;
    open_door(world, options);
    for (int i = 0; i < 2; ++i) {
        connected(world, "slow")->disconnect();
        world.run_for(Milliseconds{10001});
    }
    for (int i = 0; i < 3; ++i) {
        connected(world, "quick")->disconnect();
    }
    TestClient client{world, Version::v5};
    client.connect("quick");
    CHECK(client.next() == "CONNACK reason=8a");
    CHECK_FALSE(connected(world, "slow")->is_closed());
    world.run_for(Milliseconds{60001});
    CHECK_FALSE(connected(world, "quick")->is_closed());
}
