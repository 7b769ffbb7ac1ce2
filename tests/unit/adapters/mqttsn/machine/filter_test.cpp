// Filters, as MQTT-SN clients see what they do.
#include "tests/support/scripted_filter.hpp"
#include "tests/unit/adapters/mqttsn/machine/sn_support.hpp"

using namespace gw;
using namespace gw::test;

TEST_CASE("what a filter refuses has a return code; what it holds up is answered later, once") {
    SnFixture f;
    const auto filter = std::make_shared<ScriptedFilter>();
    f.world.add_filter(filter);
    FilterAnswer answer = FilterAnswer::refuse(ReasonCode::quota_exceeded);
    filter->publish = [&](PublishDraft&) {
        return answer;
    };
    filter->subscribe = [&](SubscribeDraft&) {
        return answer;
    };
    const auto client = f.connected("c");
    client->send(mqttsn::Register{0, 1, "topic"});
    client->take();
    client->publish(1, "a", 1, 10);
    CHECK(client->take() == Lines{"PUBACK topic=1 id=10 code=1"});
    client->publish(1, "a", 0);
    CHECK(client->take() == Lines{"PUBACK topic=1 code=1"});
    answer = FilterAnswer::refuse(ReasonCode::not_authorized);
    client->publish(1, "a", 2, 11);
    CHECK(client->take() == Lines{"PUBACK topic=1 id=11 code=3"});
    client->subscribe("topic", 1, 12);
    CHECK(client->next().find("code=3") != std::string::npos);
    answer = {FilterAnswer::Kind::pending};
    client->publish(1, "a", 2, 11);
    CHECK(client->take() == Lines{});
    answer = {};
    f.world.turn(0,
                 [](Broker& broker) { broker.on_access_decided(broker.find_session("c")->ref()); });
    f.world.settle();
    CHECK(client->take() == Lines{"PUBREC id=11"});
}

TEST_CASE("a retained message for which there is no room is refused with congestion") {
    SimOptions options;
    options.retained = {.count_max = 1};
    SnFixture f{open_gateway(), options};
    const auto client = f.connected("c");
    client->send(mqttsn::Register{0, 1, "one"});
    client->send(mqttsn::Register{0, 2, "two"});
    client->take();
    const auto publish = [&](std::uint16_t topic, std::uint16_t id) {
        mqttsn::Flags flags;
        flags.set_qos(static_cast<mqttsn::WireQos>(1)).set_retain(true);
        client->send(mqttsn::Publish{flags, topic, id, as_bytes("x")});
        return client->next();
    };
    CHECK(publish(1, 10) == "PUBACK topic=1 id=10");
    CHECK(publish(2, 11) == "PUBACK topic=2 id=11 code=1");
    CHECK(f.world.shared().retained.find("two", MonotonicTime{}) == nullptr);
}

TEST_CASE("a sleeper whose id is rewritten is woken by its own, and refused by a connect filter") {
    SnFixture f;
    const auto filter = std::make_shared<ScriptedFilter>();
    f.world.add_filter(filter);
    filter->client_id = [](std::string_view own) {
        return std::optional{"tenant-" + std::string{own}};
    };
    const auto client = f.connected("c", 60, false);
    REQUIRE(f.world.broker().find_session("tenant-c") != nullptr);
    CHECK(f.world.broker().find_session("c") == nullptr);
    client->subscribe("t", 1, 7);
    client->take();
    client->disconnect(60);
    CHECK(client->take() == Lines{"DISCONNECT"});
    f.say("t", "x", Qos::at_least_once);
    CHECK(client->take().empty());
    client->ping("c");
    CHECK(client->next().find("'x'") != std::string::npos);
    filter->connect = [](ConnectDraft& draft) {
        CHECK(draft.client_id == "tenant-d");
        CHECK(draft.protocol.family == "mqtt-sn");
        return FilterAnswer::refuse(ReasonCode::not_authorized);
    };
    const auto other = f.fresh();
    other->connect("d");
    CHECK(other->next().starts_with("CONNACK code="));
    CHECK(f.world.broker().find_session("tenant-d") == nullptr);
}
