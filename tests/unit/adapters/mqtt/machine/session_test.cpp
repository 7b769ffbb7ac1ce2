// Sessions over connections: presence, expiry, takeover, other workers, principals, wills,
// authentication.
#include "tests/unit/adapters/mqtt/machine/machine_support.hpp"

using namespace gw;
using namespace gw::test;

namespace {

bool has_session(SimWorld& world, std::string_view client_id) {
    return world.broker(world.broker().worker_of(client_id)).find_session(client_id) != nullptr;
}

/// Enhanced authentication whose answers the test gives.
struct LateMethods {
    explicit LateMethods(SimWorld& of) : world(of) {
        methods->answers_later = true;
        world.shared().auth_methods = methods;
    }
    void answer() {
        REQUIRE(methods->waiting.size() == 1);
        const auto one = std::exchange(methods->waiting, {}).front();
        world.turn(one.worker, [&](Broker& broker) { broker.on_auth_step(one.token, one.step); });
    }

    SimWorld& world;
    const std::shared_ptr<FakeAuthMethods> methods = std::make_shared<FakeAuthMethods>();
};

}  // namespace

TEST_CASE("a session is present when it was kept, and only then") {
    for (const Version version : {Version::v3_1_1, Version::v5}) {
        CAPTURE(static_cast<int>(version));
        const std::string fresh = version == Version::v5 ? welcome_v5 : "CONNACK";
        const std::string back =
            version == Version::v5 ? welcome_v5_back : "CONNACK session_present";
        SimWorld world{SimOptions{}};
        const auto connect = [&](bool clean_start) {
            auto client = std::make_unique<TestClient>(world, version);
            client->connect("c", [&](mqtt::ConnectPacket& packet) {
                keep_session(packet);
                packet.clean_start = clean_start;
            });
            return client;
        };
        auto client = connect(false);
        CHECK(client->next() == fresh);
        client->subscribe("t", {.qos = Qos::at_least_once});
        client->disconnect();
        CHECK(has_session(world, "c"));
        client = connect(false);
        CHECK(client->take() == Lines{back});
        client->disconnect();
        client = connect(true);
        CHECK(client->next() == fresh);
        const auto publisher = connected(world, "p");
        publisher->publish("t", "x");
        CHECK(client->next() == "");  // its subscription has gone with the old session
    }
}

TEST_CASE("a session ends when its expiry interval has passed, to the millisecond") {
    SimWorld world{SimOptions{}};
    const auto client = connected(world, "c", Version::v5, [](mqtt::ConnectPacket& packet) {
        packet.session_expiry_interval = 7;
    });
    client->close();
    world.run_until(6'999ms);
    CHECK(has_session(world, "c"));
    world.run_until(7'000ms);
    CHECK_FALSE(has_session(world, "c"));
    CHECK(world.sum([](const Metrics& m) { return m.sessions_expired.value(); }) == 1);
    CHECK(world.sum([](const Metrics& m) { return m.sessions.value(); }) == 0);
    CHECK(world.sum([](const Metrics& m) { return m.clients_online.value(); }) == 0);
}

TEST_CASE("the expiry interval: bound by the server, changed by DISCONNECT") {
    SimOptions options;
    options.broker.expiry_interval_max = 100s;
    options.machine.session_expiry = 50s;
    SimWorld world{options};
    TestClient client{world, Version::v5};
    client.connect("c", [](mqtt::ConnectPacket& packet) {
        packet.session_expiry_interval = session_never_expires;
    });
    CHECK(client.next() ==
          "CONNACK session_expiry=100 receive_maximum=1024 "
          "maximum_packet_size=1048576 topic_alias_maximum=64");
    SUBCASE("a lower one") {
        client.disconnect(ReasonCode::success, 3);
        world.run_for(2'999ms);
        CHECK(has_session(world, "c"));
        world.run_for(1ms);
        CHECK_FALSE(has_session(world, "c"));
    }
    SUBCASE("none") {
        client.disconnect(ReasonCode::success, 0);
        CHECK_FALSE(has_session(world, "c"));
    }
    SUBCASE("higher than the server's is the server's") {
        client.disconnect(ReasonCode::success, 5000);
        world.run_for(99'999ms);
        CHECK(has_session(world, "c"));
        world.run_for(1ms);
        CHECK_FALSE(has_session(world, "c"));
    }
    SUBCASE("of a client of 3.1.1 the server says it") {
        connected(world, "three", Version::v3_1_1, keep_session)->close();
        world.run_for(49'999ms);
        CHECK(has_session(world, "three"));
        world.run_for(1ms);
        CHECK_FALSE(has_session(world, "three"));
    }
}

TEST_CASE("a session that ends with its connection cannot be made to stay by DISCONNECT") {
    SimWorld world{SimOptions{}};
    const auto client = connected(world, "c");
    client->disconnect(ReasonCode::success, 5);
    CHECK(client->next().starts_with("DISCONNECT reason=82"));
    CHECK_FALSE(has_session(world, "c"));
}

TEST_CASE("client ids: given, made, refused") {
    SimWorld world{SimOptions{}};
    SUBCASE("an MQTT 5 client without one is told the one made for it") {
        TestClient client{world, Version::v5};
        client.connect("");
        const std::string heard = client.next();
        CHECK(heard.find("client_id='mangrove-") != std::string::npos);
        CHECK_FALSE(client.is_closed());
    }
    SUBCASE("3.1.1 without one and clean") {
        TestClient client{world, Version::v3_1_1};
        client.connect("");
        CHECK(client.next() == "CONNACK");
    }
    SUBCASE("3.1.1 without one and not clean") {
        TestClient client{world, Version::v3_1_1};
        client.connect("", keep_session);
        CHECK(client.next() == "CONNACK reason=85");
        CHECK(client.is_closed());
    }
    SUBCASE("3.1 without one") {
        TestClient client{world, Version::v3_1};
        client.connect("");
        CHECK(client.next() == "CONNACK reason=85");
        CHECK(refused_by(world, ReasonCode::client_identifier_not_valid) == 1);
    }
    SUBCASE("too long") {
        TestClient client{world, Version::v5};
        client.connect(std::string(1025, 'x'));
        CHECK(client.next() == "CONNACK reason=85 reason_string='client id too long'");
    }
}

TEST_CASE("a second connection takes the session over; the first is told") {
    for (const Version version : {Version::v3_1_1, Version::v5}) {
        CAPTURE(static_cast<int>(version));
        SimWorld world{SimOptions{}};
        const auto first = connected(world, "c", version, keep_session);
        first->subscribe("t", {.qos = Qos::at_least_once});
        CHECK(first->next().starts_with("SUBACK"));
        const auto publisher = connected(world, "p");
        publisher->publish("t", "one", {.qos = Qos::at_least_once, .packet_id = 1});
        CHECK(first->next() == "PUBLISH topic='t' payload='one' qos=1 id=1");
        const auto second = connected(world, "c", version, keep_session);
        CHECK(first->next() == (version == Version::v5 ? "DISCONNECT reason=8e" : ""));
        CHECK(first->is_closed());
        CHECK(second->next() == "PUBLISH topic='t' payload='one' qos=1 dup id=1");
        CHECK(closed_by(world, ReasonCode::session_taken_over) == 1);
        CHECK(world.sum([](const Metrics& m) { return m.sessions_taken_over.value(); }) == 1);
        CHECK(world.sum([](const Metrics& m) { return m.clients_online.value(); }) == 2);
        // What the first still says means nothing.
        first->publish("t", "from beyond");
        CHECK(second->next() == "");
    }
}

TEST_CASE("a connection goes to the worker that owns its client id, with all it has said") {
    SimOptions options;
    options.worker_count = 4;
    SimWorld world{options};
    for (int i = 0; i < 20; ++i) {
        const std::string id = "client" + std::to_string(i);
        CAPTURE(id);
        TestClient client{world, Version::v5, static_cast<std::uint32_t>(i % 4)};
        ByteBuffer out;
        mqtt::ConnectPacket packet;
        packet.client_id = id;
        mqtt::encode_connect(out, packet);
        mqtt::encode_pingreq(out);
        client.send(out.view());
        CHECK(client.take() == Lines{welcome_v5, "PINGRESP"});
        CHECK(world.worker_of_link(client.link()) == world.broker().worker_of(id));
        CHECK(has_session(world, id));
        client.disconnect();
        CHECK(client.is_closed());
        CHECK_FALSE(has_session(world, id));
    }
}

TEST_CASE("nobody takes over another user's session") {
    SimWorld world{SimOptions{}};
    world.shared().authenticator = std::make_shared<FakeAuthenticator>();
    const auto as = [&](std::string_view user) {
        auto client = std::make_unique<TestClient>(world, Version::v5);
        client->connect("c", [&](mqtt::ConnectPacket& packet) {
            keep_session(packet);
            if (!user.empty()) {
                packet.username = user;
            }
        });
        return client;
    };
    const auto ann = as("ann");
    CHECK(ann->next() == welcome_v5);
    for (const std::string_view other : {"bob", "", "root"}) {
        CAPTURE(other);
        const auto client = as(other);
        CHECK(client->next() == "CONNACK reason=85");
        CHECK(client->is_closed());
        CHECK_FALSE(ann->is_closed());
    }
    ann->close();
    CHECK(as("bob")->next() == "CONNACK reason=85");
    CHECK(as("ann")->next() == welcome_v5_back);
}

TEST_CASE("a user does not get the session of a client without a name") {
    SimWorld world{SimOptions{}};
    world.shared().authenticator = std::make_shared<FakeAuthenticator>();
    TestClient nobody{world, Version::v5};
    nobody.connect("c", keep_session);
    CHECK(nobody.next() == welcome_v5);
    for (const bool is_connected : {true, false}) {
        CAPTURE(is_connected);
        if (!is_connected) {
            nobody.close();
        }
        TestClient named{world, Version::v5};
        named.connect("c", [](mqtt::ConnectPacket& packet) {
            keep_session(packet);
            packet.username = "root";
        });
        CHECK(named.next() == "CONNACK reason=85");
        CHECK(named.is_closed());
        CHECK(nobody.is_closed() == !is_connected);
    }
    CHECK(has_session(world, "c"));
}

TEST_CASE("a connection ends with what its login was granted for, whatever the version") {
    struct Granting final : Authenticator {
        std::optional<AuthDecision> authenticate(const Credentials& credentials, std::uint32_t,
                                                 AuthToken) override {
            AuthDecision decision = FakeAuthenticator::decision_for(*credentials.username);
            auto grants = std::make_shared<AuthGrants>();
            grants->expires_at = WallTime{100s};
            decision.grants = grants;
            return decision;
        }
    };
    for (const Version version : {Version::v5, Version::v3_1_1}) {
        SimWorld world{SimOptions{}};
        world.shared().authenticator = std::make_shared<Granting>();
        world.shared().auth_methods = std::make_shared<FakeAuthMethods>();
        TestClient client{world, version};
        client.connect("c", [&](mqtt::ConnectPacket& packet) {
            if (version == Version::v5) {
                keep_session(packet);
            }
            packet.keep_alive = 0;
            packet.username = "ann";
        });
        client.next();
        world.run_until(99'999ms);
        CHECK_FALSE(client.is_closed());
        world.run_until(100'000ms);
        CHECK(client.next() == (version == Version::v5 ? "DISCONNECT reason=a0" : ""));
        CHECK(client.is_closed());
        CHECK(has_session(world, "c") == (version == Version::v5));
        CHECK(world.sum([](const Metrics& m) { return m.logins_expired.value(); }) == 1);
        world.run_until(300'000ms);
    }
}

TEST_CASE("clients may be ended by who they are, with their sessions or without") {
    SimWorld world{SimOptions{}};
    world.shared().authenticator = std::make_shared<FakeAuthenticator>();
    const auto as = [&](std::string_view user, std::string_view id) {
        auto client = std::make_unique<TestClient>(world, Version::v5);
        client->connect(id, [&](mqtt::ConnectPacket& packet) {
            keep_session(packet);
            packet.username = user;
        });
        client->next();
        return client;
    };
    const auto is_ann = [](const ClientIdentity& client) {
        return client.principal() == "ann";
    };
    const auto end = [&](Broker::EndOf what) {
        std::size_t count = 0;
        world.turn(0, [&](Broker& broker) {
            count = broker.end_clients(is_ann, what, ReasonCode::not_authorized);
        });
        return count;
    };
    const auto one = as("ann", "c1");
    const auto two = as("ann", "c2");
    const auto bob = as("bob", "c3");
    two->close();
    SUBCASE("connections: those that are there") {
        CHECK(end(Broker::EndOf::connection) == 1);
        CHECK(has_session(world, "c1"));
        CHECK(has_session(world, "c2"));
    }
    SUBCASE("sessions: also those that wait for their client") {
        CHECK(end(Broker::EndOf::session) == 2);
        CHECK_FALSE(has_session(world, "c1"));
        CHECK_FALSE(has_session(world, "c2"));
    }
    CHECK(one->next() == "DISCONNECT reason=87");
    CHECK(one->is_closed());
    CHECK_FALSE(bob->is_closed());
}

TEST_CASE("wills: delay, expiry, clean start, takeover, DISCONNECT") {
    struct Case {
        const char* name;
        std::uint32_t delay;   // of the will, s
        std::uint32_t expiry;  // of the session, s
        enum End { cut, disconnect, disconnect_with_will, takeover, clean_takeover, back } end;
        std::int64_t due;  // ms, or -1
    };
    constexpr Case cases[] = {
        {"at once", 0, 100, Case::cut, 0},
        {"after its delay", 5, 100, Case::cut, 5000},
        {"when the session ends before", 50, 3, Case::cut, 3000},
        {"when the session ends with the connection", 50, 0, Case::cut, 0},
        {"not after DISCONNECT", 0, 100, Case::disconnect, -1},
        {"not after DISCONNECT, though delayed", 5, 100, Case::disconnect, -1},
        {"after DISCONNECT 0x04", 0, 100, Case::disconnect_with_will, 0},
        {"after DISCONNECT 0x04 and its delay", 5, 100, Case::disconnect_with_will, 5000},
        {"at takeover", 0, 100, Case::takeover, 0},
        {"not at takeover when delayed", 5, 100, Case::takeover, -1},
        {"at takeover with a clean start, though delayed", 5, 100, Case::clean_takeover, 0},
        {"not when the client is back in time", 5, 100, Case::back, -1},
    };
    for (const Case& c : cases) {
        CAPTURE(c.name);
        SimWorld world{SimOptions{}};
        const auto watcher = subscribed(world, "watcher", "will", Qos::at_least_once);
        const auto client = connected(world, "c", Version::v5, [&](mqtt::ConnectPacket& packet) {
            packet.session_expiry_interval = c.expiry;
            mqtt::Will will;
            will.topic = "will";
            will.payload = as_bytes("gone");
            will.qos = Qos::at_least_once;
            will.delay_interval = c.delay;
            packet.will = will;
        });
        std::unique_ptr<TestClient> next;
        switch (c.end) {
            case Case::cut:
            case Case::back:
                client->close();
                break;
            case Case::disconnect:
                client->disconnect();
                break;
            case Case::disconnect_with_will:
                client->disconnect(ReasonCode::disconnect_with_will_message);
                break;
            case Case::takeover:
            case Case::clean_takeover:
                next = connected(world, "c", Version::v5, [&](mqtt::ConnectPacket& packet) {
                    keep_session(packet);
                    packet.clean_start = c.end == Case::clean_takeover;
                });
                break;
        }
        if (c.end == Case::back) {
            world.run_until(4'999ms);
            next = connected(world, "c", Version::v5, keep_session);
        }
        const std::string will = "PUBLISH topic='will' payload='gone' qos=1 id=1";
        if (c.due < 0) {
            world.run_until(1'000'000ms);
            CHECK(watcher->next() == "");
            continue;
        }
        if (c.due > 0) {
            world.run_until(Milliseconds{c.due - 1});
            CHECK(watcher->next() == "");
            world.run_until(Milliseconds{c.due});
        }
        CHECK(watcher->next() == will);
        world.run_until(1'000'000ms);
        CHECK(watcher->next() == "");
        CHECK(world.sum([](const Metrics& m) { return m.wills_published.value(); }) == 1);
    }
}

TEST_CASE("a will is judged like a publish, carries its properties and its expiry") {
    SimWorld world{SimOptions{}};
    ByteBuffer block;
    PropertyWriter{block}.user_property("a", "b");
    const auto connect_with = [&](std::string_view topic, const char* id) {
        return connected(world, id, Version::v5, [&](mqtt::ConnectPacket& packet) {
            mqtt::Will will;
            will.topic = topic;
            will.message_expiry_interval = 9;
            will.properties = block.view();
            will.user_property_count = 1;
            packet.will = will;
        });
    };
    const auto watcher = subscribed(world, "watcher", "w/#", Qos::at_most_once);
    connect_with("w/good", "a")->close();
    const std::string heard = watcher->next();
    CHECK(heard.starts_with("PUBLISH topic='w/good'"));
    CHECK(heard.find(" expiry=9 ") != std::string::npos);
    CHECK(heard.find("('a','b')") != std::string::npos);
    world.shared().access = std::make_shared<FakeAccess>([](const AccessRequest& request) {
        return request.topic == "w/bad" ? AccessDecision::deny : AccessDecision::allow;
    });
    // A client without the right is told so when it connects...
    for (const std::string_view topic : {"w/bad", "$SYS/will"}) {
        TestClient refused{world, Version::v5};
        refused.connect("b", [&](mqtt::ConnectPacket& packet) {
            mqtt::Will will;
            will.topic = topic;
            packet.will = will;
        });
        CHECK(refused.next() == "CONNACK reason=87");
        CHECK(refused.is_closed());
    }
    // ...and one that loses it later is not heard.
    const auto loser = connect_with("w/lost", "d");
    world.shared().access = std::make_shared<FakeAccess>([](const AccessRequest& request) {
        return request.topic == "w/lost" ? AccessDecision::deny : AccessDecision::allow;
    });
    loser->close();
    CHECK(watcher->next() == "");
    CHECK(dropped(world, DropReason::not_authorized_publish) == 1);
}

TEST_CASE("the names that the transport has proven stand in the place of the client's own") {
    SimWorld world{SimOptions{}};
    world.peer_template().username = "meter-7";
    world.peer_template().client_id = "m7";
    const std::uint32_t worker = world.broker().worker_of("m7");
    for (const Version version : {Version::v3_1_1, Version::v5}) {
        CAPTURE(version);
        TestClient client{world, version, worker};
        client.connect("somebody", [](mqtt::ConnectPacket& packet) { packet.username = "wrong"; });
        CHECK(client.next() == (version == Version::v5 ? welcome_v5 : "CONNACK"));
        const Session* const session = world.broker(worker).find_session("m7");
        REQUIRE(session != nullptr);
        CHECK(session->identity->username == "meter-7");
        CHECK_FALSE(session->identity->is_anonymous);
        client.disconnect();
    }
    SUBCASE("who gave no client id learns which it is (MQTT 5.0, 3.2.2.3.7)") {
        TestClient client{world, Version::v5, worker};
        client.connect("");
        CHECK(client.next().find(" client_id='m7' ") != std::string::npos);
    }
    SUBCASE("an enhanced authentication may not make another user of it") {
        world.shared().auth_methods = std::make_shared<FakeAuthMethods>();
        for (const std::string_view name : {"ann", "meter-7"}) {
            TestClient client{world, Version::v5, worker};
            client.connect("c", [&](mqtt::ConnectPacket& packet) {
                packet.authentication_method = "ask";
                packet.authentication_data = as_bytes(name);
            });
            CHECK(client.next().starts_with("AUTH"));
            client.auth(ReasonCode::continue_authentication, "ask", "yes");
            const std::string answer = client.next();
            CHECK(answer.starts_with(name == "ann" ? "CONNACK reason=87" : welcome_v5));
        }
    }
}

TEST_CASE("a certificate without the name that the listener wants lets nobody in") {
    SimWorld world{SimOptions{}};
    world.peer_template().lacks_name = true;
    TestClient v5{world, Version::v5};
    v5.connect("c");
    CHECK(v5.next().starts_with("CONNACK reason=87"));
    CHECK(v5.is_closed());
    TestClient v3{world, Version::v3_1_1};
    v3.connect("c");
    CHECK(v3.next() == "CONNACK reason=87");
    CHECK(refused_by(world, ReasonCode::not_authorized) == 2);
}

TEST_CASE("enhanced authentication: several steps, refusal, unknown method, again later") {
    SimWorld world{SimOptions{}};
    world.shared().auth_methods = std::make_shared<FakeAuthMethods>();
    TestClient client{world, Version::v5};
    const auto connect = [&](std::string_view method) {
        client.connect("c", [&](mqtt::ConnectPacket& packet) {
            packet.authentication_method = method;
            packet.authentication_data = as_bytes("ann");
        });
    };
    SUBCASE("unknown method") {
        connect("guess");
        CHECK(client.next() == "CONNACK reason=8c");
        CHECK(refused_by(world, ReasonCode::bad_authentication_method) == 1);
        CHECK(client.is_closed());
    }
    SUBCASE("refused") {
        connect("ask");
        CHECK(client.next() == "AUTH reason=18 auth_method='ask' auth_data='sure?'");
        client.auth(ReasonCode::continue_authentication, "ask", "no");
        CHECK(client.next() == "CONNACK reason=86");
        CHECK(client.is_closed());
        CHECK(refused_by(world, ReasonCode::bad_user_name_or_password) == 1);
    }
    SUBCASE("another method in between") {
        connect("ask");
        client.next();
        client.auth(ReasonCode::continue_authentication, "other", "yes");
        CHECK(client.next().starts_with("CONNACK reason=8c"));
        CHECK(refused_by(world, ReasonCode::bad_authentication_method) == 1);
    }
    SUBCASE("given up after the time for CONNECT") {
        connect("ask");
        client.next();
        world.run_until(30'000ms);
        CHECK(client.is_closed());
    }
    SUBCASE("accepted, and again") {
        connect("ask");
        client.next();
        client.auth(ReasonCode::continue_authentication, "ask", "yes");
        CHECK(client.next() == welcome_v5 + " auth_method='ask' auth_data='welcome'");
        CHECK(world.broker().find_session("c")->identity->username == "ann");
        SUBCASE("as the same user") {
            client.auth(ReasonCode::re_authenticate, "ask", "ann");
            CHECK(client.next() == "AUTH reason=18 auth_method='ask' auth_data='sure?'");
            client.publish("t", "goes on meanwhile", {.qos = Qos::at_least_once, .packet_id = 1});
            CHECK(client.next() == "PUBACK id=1 reason=10");
            client.auth(ReasonCode::continue_authentication, "ask", "yes");
            CHECK(client.next() == "AUTH auth_method='ask' auth_data='welcome'");
        }
        SUBCASE("as another user") {
            client.auth(ReasonCode::re_authenticate, "ask", "bob");
            client.next();
            client.auth(ReasonCode::continue_authentication, "ask", "yes");
            CHECK(client.next() == "DISCONNECT reason=87");
            CHECK(client.is_closed());
        }
        SUBCASE("with another method") {
            client.auth(ReasonCode::re_authenticate, "other", "ann");
            CHECK(client.next().starts_with("DISCONNECT reason=8c"));
        }
        SUBCASE("refused this time") {
            client.auth(ReasonCode::re_authenticate, "ask", "ann");
            client.next();
            client.auth(ReasonCode::continue_authentication, "ask", "no");
            CHECK(client.next() == "DISCONNECT reason=87");
        }
        SUBCASE("a continuation of nothing") {
            client.auth(ReasonCode::continue_authentication, "ask", "yes");
            CHECK(client.next().starts_with("DISCONNECT reason=82"));
        }
    }
}

TEST_CASE("enhanced authentication whose answers come later") {
    SimWorld world{SimOptions{}};
    LateMethods late{world};
    TestClient client{world, Version::v5};
    const auto answer = [&late] {
        late.answer();
    };
    client.connect("c", [&](mqtt::ConnectPacket& packet) {
        packet.authentication_method = "ask";
        packet.authentication_data = as_bytes("ann");
    });
    CHECK(client.next() == "");
    SUBCASE("what comes before the answer waits") {
        client.auth(ReasonCode::continue_authentication, "ask", "yes");
        CHECK(client.next() == "");
        answer();
        CHECK(client.next() == "AUTH reason=18 auth_method='ask' auth_data='sure?'");
        client.ping();  // read by no one so far
        answer();
        CHECK(client.next() == welcome_v5 + " auth_method='ask' auth_data='welcome'");
        CHECK(client.next() == "PINGRESP");
        SUBCASE("and again, while other packets go on") {
            client.auth(ReasonCode::re_authenticate, "ask", "ann");
            client.ping();
            CHECK(client.next() == "PINGRESP");
            answer();
            CHECK(client.next() == "AUTH reason=18 auth_method='ask' auth_data='sure?'");
            client.auth(ReasonCode::continue_authentication, "ask", "no");
            answer();
            CHECK(client.next() == "DISCONNECT reason=87");
        }
        SUBCASE("a second AUTH before the answer is an error") {
            client.auth(ReasonCode::re_authenticate, "ask", "ann");
            client.auth(ReasonCode::continue_authentication, "ask", "yes");
            CHECK(client.next().starts_with("DISCONNECT reason=82"));
            answer();  // of nobody's question
        }
    }
    SUBCASE("no answer is a refusal") {
        world.run_until(10'000ms);
        CHECK(client.next() == "CONNACK reason=88");
        CHECK(client.is_closed());
        answer();
        CHECK_FALSE(has_session(world, "c"));
    }
    SUBCASE("the client has gone meanwhile") {
        client.close();
        answer();
        CHECK_FALSE(has_session(world, "c"));
    }
}

TEST_CASE("what follows an enhanced authentication waits for the store as CONNACK does") {
    SimOptions options;
    options.storage_delay_max = 200ms;
    SimWorld world{options};
    LateMethods late{world};
    TestClient client{world, Version::v5};
    const auto answer = [&late] {
        late.answer();
    };
    client.connect("c", [&](mqtt::ConnectPacket& packet) {
        keep_session(packet);
        packet.authentication_method = "ask";
        packet.authentication_data = as_bytes("ann");
    });
    client.next();
    answer();
    CHECK(client.next().starts_with("AUTH reason=18"));
    client.auth(ReasonCode::continue_authentication, "ask", "yes");
    CHECK(client.next() == "");
    client.ping();
    answer();
    world.run_for(1s);
    CHECK(client.next().starts_with("CONNACK"));
    CHECK(client.next() == "PINGRESP");
}

TEST_CASE("limits at the door: sessions, memory, user properties, what the server does not have") {
    SimOptions options;
    options.broker.sessions_max = 1;
    options.machine.user_properties_max = 2;
    options.machine.qos_max = Qos::at_least_once;
    options.machine.retain_available = false;
    options.machine.server_reference = "b.example";
    SimWorld world{options};
    TestClient client{world, Version::v5};
    SUBCASE("sessions: told where to go") {
        const auto first = connected(world, "first");
        client.connect("second");
        CHECK(client.next() == "CONNACK reason=9c server_reference='b.example'");
        CHECK(refused_by(world, ReasonCode::quota_exceeded) == 1);
        const auto again = connected(world, "first");  // its own place is taken by itself
    }
    SUBCASE("memory") {
        world.shared().memory_grade = MemoryGrade::refuse_connect;
        TestClient three{world, Version::v3_1_1};
        three.connect("three");
        CHECK(three.next() == "CONNACK reason=88");
        CHECK(refused_by(world, ReasonCode::server_busy) == 1);
    }
    SUBCASE("user properties") {
        ByteBuffer block;
        for (int i = 0; i < 3; ++i) {
            PropertyWriter{block}.user_property("a", "b");
        }
        client.connect("c", [&](mqtt::ConnectPacket& packet) {
            packet.user_properties = mqtt::UserProperties{block.view()};
        });
        CHECK(client.next() == "CONNACK reason=97 reason_string='too many user properties'");
        CHECK(refused_by(world, ReasonCode::quota_exceeded) == 1);
    }
    SUBCASE("will at QoS 2") {
        client.connect("c", [](mqtt::ConnectPacket& packet) {
            packet.will.emplace();
            packet.will->topic = "t";
            packet.will->qos = Qos::exactly_once;
        });
        CHECK(client.next().starts_with("CONNACK reason=9b"));
    }
    SUBCASE("will retained") {
        client.connect("c", [](mqtt::ConnectPacket& packet) {
            packet.will.emplace();
            packet.will->topic = "t";
            packet.will->retain = true;
        });
        CHECK(client.next().starts_with("CONNACK reason=9a"));
    }
    CHECK((client.is_closed() || client.next() == ""));
}

TEST_CASE("CONNECT: too large, malformed, of an unknown level") {
    SimWorld world{SimOptions{}};
    TestClient client{world, Version::v3_1_1};
    SUBCASE("five bytes that promise much cost five bytes") {
        client.send_wire("10 ff ff ff 7f");
        CHECK(client.is_closed());
        CHECK(refused_by(world, ReasonCode::packet_too_large) == 1);
    }
    SUBCASE("unknown level: return code 1, as 3.x writes it") {
        client.send_wire("10 0d 0004'MQTT' 06 02 0000 0001'x'");
        CHECK(client.next() == "CONNACK reason=84");
        CHECK(refused_by(world, ReasonCode::unsupported_protocol_version) == 1);
    }
    SUBCASE("malformed: 3.x has no answer") {
        client.send_wire("10 0d 0004'MQTT' 04 03 0000 0001'x'");
        CHECK(client.next() == "");
        CHECK(refused_by(world, ReasonCode::malformed_packet) == 1);
    }
    CHECK(client.is_closed());
}

TEST_CASE("observers see a client come, subscribe and go; a filter drops what it publishes") {
    struct Recorder final : Observer {
        void on_client_connect(const ClientIdentity& client, ReasonCode reason) override {
            lines.push_back("connect " + client.client_id + " " + std::string{reason_text(reason)});
        }
        void on_client_connected(const ClientIdentity& client, bool present) override {
            lines.push_back("connected " + client.client_id + (present ? " present" : ""));
        }
        void on_client_disconnected(const ClientIdentity& client, ReasonCode reason) override {
            lines.push_back("disconnected " + client.client_id + " " +
                            std::string{reason_text(reason)});
        }
        void on_session_created(const ClientIdentity& client) override {
            lines.push_back("created " + client.client_id);
        }
        void on_session_ended(const ClientIdentity& client, ReasonCode) override {
            lines.push_back("ended " + client.client_id);
        }
        void on_session_subscribed(const ClientIdentity&, std::string_view filter) override {
            lines.push_back("subscribed " + std::string{filter});
        }
        void on_session_unsubscribed(const ClientIdentity&, std::string_view filter) override {
            lines.push_back("unsubscribed " + std::string{filter});
        }
        void on_message_published(const Message& message) override {
            lines.push_back("publish " + std::string{message.topic()});
        }
        void on_message_delivered(const ClientIdentity& client, const Message& message) override {
            lines.push_back("delivered " + std::string{message.topic()} + " " + client.client_id);
        }
        void on_message_acked(const ClientIdentity& client, const Message& message) override {
            lines.push_back("acked " + std::string{message.topic()} + " " + client.client_id);
        }
        Lines lines;
    };
    SimOptions options;
    options.broker.presence_events = false;
    SimWorld world{options};
    const auto recorder = std::make_shared<Recorder>();
    struct Dropper final : MessageFilter {
        HookMask points() const override { return {HookPoint::filter_publish}; }
        FilterAnswer on_publish(const ClientIdentity&, PublishDraft& draft) override {
            return {.kind = draft.topic == "secret" ? FilterAnswer::Kind::drop
                                                    : FilterAnswer::Kind::pass};
        }
    };
    world.add_observer(recorder);
    world.add_filter(std::make_shared<Dropper>());
    const auto client = connected(world, "c");
    client->subscribe("#", {.qos = Qos::at_least_once});
    client->publish("t", "x", {.qos = Qos::at_least_once, .packet_id = 9});
    client->publish("secret", "x", {.qos = Qos::at_least_once, .packet_id = 10});
    client->ack(PacketType::puback, 1);
    client->unsubscribe("#");
    client->disconnect();
    CHECK(client->take() == Lines{"SUBACK id=1 reasons=01",
                                  "PUBLISH topic='t' payload='x' qos=1 id=1", "PUBACK id=9",
                                  "PUBACK id=10", "UNSUBACK id=1 reasons=00"});
    CHECK(recorder->lines == Lines{"created c", "connect c success", "connected c", "subscribed #",
                                   "publish t", "delivered t c", "acked t c", "unsubscribed #",
                                   "disconnected c success", "ended c"});
    CHECK(dropped(world, DropReason::refused_by_hook) == 1);
}
