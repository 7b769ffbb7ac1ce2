// Filters and observers, as MQTT clients see what they do.
#include "tests/support/fake_access.hpp"
#include "tests/support/scripted_filter.hpp"
#include "tests/unit/adapters/mqtt/machine/machine_support.hpp"

using namespace gw;
using namespace gw::test;

namespace {

using Kind = FilterAnswer::Kind;

struct FilterFixture {
    explicit FilterFixture(const SimOptions& options = {}) : world(options) {
        world.add_filter(filter);
    }
    void decide(std::string_view client_id) {
        const SessionRef ref = world.broker().find_session(client_id)->ref();
        world.turn(0, [ref](Broker& broker) { broker.on_access_decided(ref); });
        world.settle();
    }
    std::shared_ptr<ScriptedFilter> filter = std::make_shared<ScriptedFilter>();
    SimWorld world;
};

const PublishFields at_qos_1{.qos = Qos::at_least_once, .packet_id = 1};
const PublishFields at_qos_2{.qos = Qos::exactly_once, .packet_id = 2};

}  // namespace

TEST_CASE("a filter refuses a publish: PUBACK and PUBREC say why, and the packet id is free") {
    FilterFixture f;
    f.filter->publish = [](PublishDraft& draft) {
        return as_text(draft.payload) == "bad"
                   ? FilterAnswer::refuse(ReasonCode::payload_format_invalid)
                   : FilterAnswer{};
    };
    const auto watcher = connected(f.world, "w");
    watcher->subscribe("#");
    watcher->take();
    const auto client = connected(f.world, "c");
    client->publish("t", "bad", at_qos_1);
    CHECK(client->next() == "PUBACK id=1 reason=99 reason_string='payload format invalid'");
    client->publish("t", "bad", at_qos_2);
    CHECK(client->next() == "PUBREC id=2 reason=99 reason_string='payload format invalid'");
    CHECK(f.world.broker().inbound_qos2_count(*f.world.broker().find_session("c")) == 0);
    client->publish("t", "good", at_qos_2);
    CHECK(client->next() == "PUBREC id=2");
    CHECK(watcher->take() == Lines{"PUBLISH topic='t' payload='good'"});
    const auto old = connected(f.world, "old", Version::v3_1_1);
    old->publish("t", "bad", at_qos_1);
    CHECK(old->next() == "PUBACK id=1");
    CHECK(dropped(f.world, DropReason::refused_by_hook) == 3);
    CHECK(watcher->take().empty());
}

TEST_CASE("a right that is missing frees the packet id at QoS 2 too") {
    SimWorld world{SimOptions{}};
    auto answer = AccessDecision::deny;
    world.shared().access = std::make_shared<FakeAccess>([&](const AccessRequest& request) {
        return request.action == AccessAction::publish ? answer : AccessDecision::allow;
    });
    const auto client = connected(world, "c");
    client->publish("t", "x", at_qos_2);
    CHECK(client->next() == "PUBREC id=2 reason=87 reason_string='not authorized'");
    answer = AccessDecision::allow;
    client->publish("t", "y", at_qos_2);
    CHECK(client->next() == "PUBREC id=2 reason=10");
}

TEST_CASE("a filter changes a message, and the right is asked for what it makes of it") {
    FilterFixture f;
    f.world.shared().access = std::make_shared<FakeAccess>([](const AccessRequest& request) {
        return request.action == AccessAction::publish && request.topic == "secret"
                   ? AccessDecision::deny
                   : AccessDecision::allow;
    });
    f.filter->publish = [](PublishDraft& draft) {
        draft.set_topic(std::string{as_text(draft.payload)});
        draft.set_payload("changed");
        return FilterAnswer{};
    };
    const auto watcher = connected(f.world, "w");
    watcher->subscribe("#");
    watcher->take();
    const auto client = connected(f.world, "c");
    client->publish("t", "open", at_qos_1);
    CHECK(client->next() == "PUBACK id=1");
    client->publish("t", "secret", at_qos_1);
    CHECK(client->next() == "PUBACK id=1 reason=87 reason_string='not authorized'");
    client->publish("t", "no/#", at_qos_1);  // no topic at all
    CHECK(client->next() == "DISCONNECT reason=90");
    CHECK(watcher->take() == Lines{"PUBLISH topic='open' payload='changed'"});
}

TEST_CASE("a filter drops a message: the publisher is told that all is well") {
    FilterFixture f;
    f.filter->publish = [](PublishDraft&) {
        return FilterAnswer{Kind::drop};
    };
    const auto client = connected(f.world, "c");
    client->subscribe("#");
    client->take();
    client->publish("t", "x", at_qos_1);
    client->publish("t", "x", at_qos_2);
    CHECK(client->take() == Lines{"PUBACK id=1", "PUBREC id=2"});
    client->publish("t", "x", {.qos = Qos::exactly_once, .packet_id = 2, .dup = true});
    CHECK(client->next() == "PUBREC id=2");
    CHECK(dropped(f.world, DropReason::refused_by_hook) == 2);  // once, however often it comes
}

TEST_CASE("what a filter takes is acknowledged when the filter's store has it") {
    SimOptions options;
    options.storage_delay_max = 200ms;
    FilterFixture f{options};
    f.filter->publish = [](PublishDraft&) {
        return FilterAnswer{Kind::take};
    };
    f.filter->stores_taken = true;
    const auto client = connected(f.world, "c");
    f.world.run_for(1s);
    client->take();
    client->publish("t", "x", at_qos_1);
    CHECK(f.filter->taken == Lines{"x"});
    CHECK(client->take().empty());
    f.world.run_for(1s);
    CHECK(client->take() == Lines{"PUBACK id=1"});

    f.filter->stores_taken = false;
    client->publish("t", "y", at_qos_1);
    CHECK(client->take() == Lines{"PUBACK id=1"});
}

TEST_CASE("a filter that has to wait: once, in order, and nothing has happened until then") {
    FilterFixture f;
    auto answer = FilterAnswer{Kind::pending};
    f.filter->publish = [&](PublishDraft& draft) {
        return draft.topic == "slow" ? answer : FilterAnswer{};
    };
    const auto watcher = connected(f.world, "w");
    watcher->subscribe("#");
    watcher->take();
    const auto client = connected(f.world, "c");
    client->publish("slow", "1", at_qos_2);
    client->publish("fast", "2", at_qos_1);
    CHECK(client->take().empty());
    CHECK(watcher->take().empty());
    SUBCASE("passed") {
        answer = {};
        f.decide("c");
        CHECK(client->take() == Lines{"PUBREC id=2", "PUBACK id=1"});
        CHECK(watcher->take() ==
              Lines{"PUBLISH topic='slow' payload='1'", "PUBLISH topic='fast' payload='2'"});
    }
    SUBCASE("refused") {
        answer = FilterAnswer::refuse(ReasonCode::quota_exceeded);
        f.decide("c");
        CHECK(client->take() ==
              Lines{"PUBREC id=2 reason=97 reason_string='quota exceeded'", "PUBACK id=1"});
        CHECK(watcher->take() == Lines{"PUBLISH topic='fast' payload='2'"});
    }
}

TEST_CASE("rewriting is of what the client wrote, behind $share too, and before its mount point") {
    FilterFixture f;
    f.filter->rewritten = {{"old", "new/x"}, {"bad", "a/#/b"}};
    f.world.set_mountpoint("m/");
    const auto client = connected(f.world, "c");
    client->subscribe("$share/g/old");
    CHECK(client->next() == "SUBACK id=1 reasons=00");
    client->publish("old", "1");
    client->publish("new/x", "2");
    CHECK(client->take() ==
          Lines{"PUBLISH topic='new/x' payload='1'", "PUBLISH topic='new/x' payload='2'"});
    client->unsubscribe("$share/g/old");
    CHECK(client->next() == "UNSUBACK id=1 reasons=00");
    CHECK(f.world.shared().router.subscription_count() == 0);
    client->subscribe("bad");
    CHECK(client->next() == "SUBACK id=1 reasons=8f");
    client->publish("bad", "x", at_qos_1);
    CHECK(client->next() == "DISCONNECT reason=90");
}

TEST_CASE("UNSUBSCRIBE finds what the client wrote, whatever has become of the rules") {
    FilterFixture f;
    const auto client = connected(f.world, "c");
    const auto count = [&] {
        return f.world.shared().router.subscription_count();
    };
    SUBCASE("a rule that has gone") {
        f.filter->rewritten = {{"a", "b"}};
        client->subscribe("a");
        f.filter->rewritten.clear();
        client->take();
        client->unsubscribe("a");
    }
    SUBCASE("a rule that has come") {
        client->subscribe("a");
        f.filter->rewritten = {{"a", "b"}};
        client->take();
        client->unsubscribe("a");
    }
    SUBCASE("subscribed again under another rule: the former one has ended") {
        f.filter->rewritten = {{"a", "b"}};
        client->subscribe("a");
        f.filter->rewritten = {{"a", "c"}};
        client->subscribe("a");
        CHECK(count() == 1);
        client->take();
        client->publish("b", "x");
        CHECK(client->take().empty());
        client->unsubscribe("a");
    }
    SUBCASE("two that have become the same: it ends with the second") {
        f.filter->rewritten = {{"a", "c"}, {"b", "c"}};
        client->subscribe("a");
        client->subscribe("b");
        client->unsubscribe("b");
        CHECK(count() == 1);
        client->take();
        client->unsubscribe("a");
    }
    CHECK(client->next() == "UNSUBACK id=1 reasons=00");
    CHECK(count() == 0);
}

TEST_CASE("what a client wrote is kept with a session of the store") {
    SimOptions options;
    options.storage_delay_max = 10ms;
    FilterFixture f{options};
    f.filter->rewritten = {{"a", "b"}};
    const auto come = [&](TestClient& client) {
        client.connect("c", [](mqtt::ConnectPacket& packet) {
            packet.clean_start = false;
            packet.session_expiry_interval = 1000;
        });
        f.world.run_for(1s);  // CONNACK waits for the store
        REQUIRE(client.next().starts_with("CONNACK"));
    };
    TestClient client{f.world, Version::v5};
    come(client);
    client.subscribe("a");
    f.world.run_for(1s);
    f.world.crash();
    f.filter->rewritten.clear();
    TestClient again{f.world, Version::v5};
    come(again);
    again.unsubscribe("a");
    f.world.run_for(1s);
    CHECK(again.next() == "UNSUBACK id=1 reasons=00");
    CHECK(f.world.shared().router.subscription_count() == 0);
}

TEST_CASE("a filter judges, changes and holds up subscriptions") {
    FilterFixture f;
    FilterAnswer answer{Kind::pending};
    f.world.shared().access = std::make_shared<FakeAccess>([](const AccessRequest& request) {
        return request.action == AccessAction::subscribe && request.topic == "secret"
                   ? AccessDecision::deny
                   : AccessDecision::allow;
    });
    f.filter->subscribe = [&](SubscribeDraft& draft) {
        if (draft.filter == "slow") {
            return answer;
        }
        if (draft.filter == "less") {
            draft.qos = Qos::at_most_once;
        } else if (draft.filter == "hidden") {
            draft.filter = "secret";
        } else if (draft.filter == "no") {
            return FilterAnswer::refuse(ReasonCode::quota_exceeded);
        }
        return FilterAnswer{};
    };
    const auto client = connected(f.world, "c");
    const auto said = [&](std::string_view filter) {
        client->subscribe(filter, {.qos = Qos::at_least_once});
        return client->next();
    };
    CHECK(said("less") == "SUBACK id=1 reasons=00");
    CHECK(said("hidden") == "SUBACK id=1 reasons=87");
    CHECK(said("no") == "SUBACK id=1 reasons=97");
    CHECK(said("slow") == "");
    answer = {};
    f.decide("c");
    CHECK(client->next() == "SUBACK id=1 reasons=01");
}

TEST_CASE("a will is rewritten and judged at CONNECT, and filtered when it is published") {
    FilterFixture f;
    f.filter->rewritten = {{"gone", "status/gone"}, {"bad", "a/+"}};
    const auto watcher = connected(f.world, "w");
    watcher->subscribe("#");
    watcher->take();
    const auto with_will = [](std::string_view topic, std::string_view payload) {
        return [=](mqtt::ConnectPacket& packet) {
            packet.will = mqtt::Will{};
            packet.will->topic = topic;
            packet.will->payload = as_bytes(payload);
        };
    };
    {
        const auto client = connected(f.world, "c", Version::v5, with_will("gone", "1"));
        client->close();
    }
    CHECK(watcher->take() == Lines{"PUBLISH topic='status/gone' payload='1'"});
    TestClient refused{f.world, Version::v5};
    refused.connect("d", with_will("bad", "2"));
    CHECK(refused.next() == "CONNACK reason=90");
    f.filter->publish = [](PublishDraft&) {
        return FilterAnswer::refuse(ReasonCode::quota_exceeded);
    };
    const auto client = connected(f.world, "e", Version::v5, with_will("gone", "3"));
    client->close();
    CHECK(watcher->take().empty());
}

TEST_CASE("a subscription waits for its answer when rules change, and is not lost meanwhile") {
    SimWorld world{SimOptions{}};
    auto answer = AccessDecision::allow;
    world.shared().access = std::make_shared<FakeAccess>([&](const AccessRequest& request) {
        return request.action == AccessAction::subscribe ? answer : AccessDecision::allow;
    });
    const auto client = connected(world, "c");
    client->subscribe("a");
    client->take();
    answer = AccessDecision::pending;
    world.turn(0, [](Broker& broker) { broker.revise_access(); });
    client->publish("a", "1");
    CHECK(client->take() == Lines{"PUBLISH topic='a' payload='1'"});
    const SessionRef ref = world.broker().find_session("c")->ref();
    SUBCASE("kept") {
        answer = AccessDecision::allow;
        world.turn(0, [ref](Broker& broker) { broker.on_access_decided(ref); });
        CHECK(world.shared().router.subscription_count() == 1);
        answer = AccessDecision::deny;  // nobody asks again without need
        world.turn(0, [ref](Broker& broker) { broker.on_access_decided(ref); });
        CHECK(world.shared().router.subscription_count() == 1);
    }
    SUBCASE("lost") {
        answer = AccessDecision::deny;
        world.turn(0, [ref](Broker& broker) { broker.on_access_decided(ref); });
        CHECK(world.shared().router.subscription_count() == 0);
    }
}

TEST_CASE("an observer has something done to a session by its owner, if it is still there") {
    class Kicker final : public Observer {
    public:
        explicit Kicker(SessionActions actions) : actions_(actions) {}
        HookMask points() const override { return {HookPoint::session_subscribed}; }
        void on_session_subscribed(const ClientIdentity& client, std::string_view) override {
            actions_.post(client.session, [](Broker& broker, Session& session) {
                broker.kick(session.client_id(), ReasonCode::administrative_action);
            });
        }

    private:
        SessionActions actions_;
    };
    SimWorld world{SimOptions{}};
    world.add_observer(std::make_shared<Kicker>(world.actions()));
    const auto client = connected(world, "c");
    client->subscribe("a");
    CHECK(client->take() == Lines{"SUBACK id=1 reasons=00", "DISCONNECT reason=98"});
    const auto other = connected(world, "d");
    const SessionRef gone = world.broker().find_session("d")->ref();
    other->disconnect();
    world.actions().post(gone, [](Broker&, Session&) { FAIL("it has ended"); });
    world.settle();
}

// --------------------------------------------------------------------------------- connecting

namespace {

SimOptions three_workers() {
    SimOptions options;
    options.worker_count = 3;
    return options;
}

/// Everybody's id gets a beginning.
std::optional<std::string> in_tenant(std::string_view own_id) {
    return own_id.starts_with("tenant-") ? std::nullopt
                                         : std::optional{"tenant-" + std::string{own_id}};
}

bool is_let_in(TestClient& client) {
    const std::string answer = client.next();
    return answer.starts_with("CONNACK") && answer.find("reason=") == std::string::npos;
}

}  // namespace

TEST_CASE("a client id that is rewritten is the session's, on the worker that owns that one") {
    FilterFixture f{three_workers()};
    f.filter->client_id = in_tenant;
    const auto find = [&](std::string_view id) {
        return f.world.broker(f.world.broker().worker_of(id)).find_session(id);
    };
    for (const std::string id : {"a", "b", "c", "d", "e"}) {
        CAPTURE(id);
        TestClient client{f.world, Version::v5};
        client.connect(id, keep_session);
        CHECK(is_let_in(client));
        CHECK(find(id) == nullptr);
        REQUIRE(find("tenant-" + id) != nullptr);
        CHECK(find("tenant-" + id)->identity->own_client_id() == "tenant-" + id);
        TestClient again{f.world, Version::v5};
        again.connect(id, keep_session);
        CHECK(again.next().find("session_present") != std::string::npos);
        CHECK(client.is_closed());
    }
}

TEST_CASE("a client without an id gets one that stays its own when it comes back with it") {
    FilterFixture f{three_workers()};
    f.filter->client_id = in_tenant;
    TestClient client{f.world, Version::v5};
    client.connect("", keep_session);
    const std::string told = client.next();
    const std::string_view before = "client_id='";
    const std::size_t at = told.find(before);
    REQUIRE(at != std::string::npos);
    const std::string id =
        told.substr(at + before.size(), told.find('\'', at + before.size()) - at - before.size());
    TestClient again{f.world, Version::v5};
    again.connect(id, keep_session);
    CHECK(again.next().find("session_present") != std::string::npos);
}

TEST_CASE("a filter that makes one id of all leaves one client, whoever owns it") {
    FilterFixture f{three_workers()};
    f.filter->client_id = [](std::string_view) {
        return std::string{"all"};
    };
    TestClient first{f.world, Version::v5};
    first.connect("", nullptr);
    CHECK(first.next().starts_with("CONNACK"));
    TestClient second{f.world, Version::v5};
    second.connect("x", nullptr);
    CHECK(is_let_in(second));
    CHECK(first.is_closed());
}

TEST_CASE("an id that a filter makes may not be of the gateway's own kind, nor empty") {
    FilterFixture f;
    f.filter->client_id = [](std::string_view own) {
        return std::optional<std::string>{own == "gone" ? "" : "console:" + std::string{own}};
    };
    TestClient client{f.world, Version::v5};
    client.connect("a");
    CHECK(client.next().starts_with("CONNACK reason=85"));
    CHECK(connected(f.world, "gone"));
    CHECK(f.world.broker().find_session("gone") != nullptr);
}

TEST_CASE("a filter refuses a client, before anybody looks at what it shows") {
    FilterFixture f;
    const auto asked = std::make_shared<FakeAuthenticator>();
    f.world.shared().authenticator = asked;
    f.filter->connect = [](ConnectDraft& draft) {
        return draft.client_id == "bad" ? FilterAnswer::refuse(ReasonCode::server_busy)
                                        : FilterAnswer{};
    };
    TestClient client{f.world, Version::v5};
    client.connect("bad", [](mqtt::ConnectPacket& packet) { packet.username = "later"; });
    CHECK(client.next().starts_with("CONNACK reason=89"));
    CHECK(client.is_closed());
    CHECK(asked->waiting.empty());
    CHECK(connected(f.world, "good"));
    TestClient old{f.world, Version::v3_1_1};
    old.connect("bad");
    CHECK(old.next() == "CONNACK reason=88");
}

TEST_CASE("the name that a filter leaves is the one that is judged") {
    FilterFixture f;
    const auto asked = std::make_shared<FakeAuthenticator>();
    f.world.shared().authenticator = asked;
    f.filter->connect = [](ConnectDraft& draft) {
        CHECK(draft.protocol.family == "mqtt");
        if (draft.username) {
            *draft.username += "@here";
        }
        return FilterAnswer{};
    };
    const auto with_name = [](std::string_view name) {
        return [name](mqtt::ConnectPacket& packet) {
            packet.username = name;
        };
    };
    SUBCASE("at once") {
        const auto client = connected(f.world, "c", Version::v5, with_name("ann"));
        CHECK(f.world.broker().find_session("c")->identity->principal() == "ann@here");
    }
    SUBCASE("later, and the name is there still") {
        TestClient client{f.world, Version::v5};
        client.connect("c", with_name("later"));
        CHECK(client.next() == "");
        REQUIRE(asked->waiting.size() == 1);
        const auto waiting = asked->waiting.front();
        f.world.turn(0, [waiting](Broker& broker) {
            broker.on_auth_decided(waiting.token, FakeAuthenticator::decision_for("later@here"));
        });
        f.world.settle();
        CHECK(is_let_in(client));
    }
    SUBCASE("a name of the gateway's own kind is refused") {
        f.filter->connect = [](ConnectDraft& draft) {
            draft.username = "local:root";
            return FilterAnswer{};
        };
        TestClient client{f.world, Version::v5};
        client.connect("c", with_name("ann"));
        CHECK(client.next().starts_with("CONNACK reason=8"));
        CHECK(client.is_closed());
    }
    SUBCASE("without a name the client is anonymous") {
        f.filter->connect = [](ConnectDraft& draft) {
            draft.username.reset();
            return FilterAnswer{};
        };
        const auto client = connected(f.world, "c", Version::v5, with_name("wrong"));
        CHECK(f.world.broker().find_session("c")->identity->is_anonymous);
    }
}
