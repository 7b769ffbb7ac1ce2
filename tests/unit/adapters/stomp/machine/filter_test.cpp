// Filters, as STOMP clients see what they do; a transaction is all or nothing.
#include "tests/support/fake_access.hpp"
#include "tests/support/scripted_filter.hpp"
#include "tests/unit/adapters/stomp/machine/stomp_support.hpp"

using namespace gw;
using namespace gw::test;

namespace {

std::shared_ptr<ScriptedFilter> filter_of(SimWorld& world) {
    const auto filter = std::make_shared<ScriptedFilter>();
    world.add_filter(filter);
    return filter;
}

}  // namespace

TEST_CASE("a publish or a subscription that a filter refuses is an ERROR") {
    SimWorld world{SimOptions{}};
    const auto filter = filter_of(world);
    filter->publish = [](PublishDraft&) {
        return FilterAnswer::refuse(ReasonCode::quota_exceeded);
    };
    filter->subscribe = [](SubscribeDraft&) {
        return FilterAnswer::refuse(ReasonCode::not_authorized);
    };
    const auto sender = logged_in(world);
    sender->publish("a", "x");
    check_refused(*sender, "quota exceeded");
    const auto reader = logged_in(world);
    reader->subscribe("1", "a");
    check_refused(*reader, "no right to subscribe to this destination");
}

TEST_CASE(
    "a transaction of which a filter refuses one message has no effect, taken ones included") {
    SimWorld world{SimOptions{}};
    const auto filter = filter_of(world);
    FilterAnswer last = FilterAnswer::refuse(ReasonCode::quota_exceeded);
    filter->publish = [&](PublishDraft& draft) {
        return draft.topic == "take"   ? FilterAnswer{FilterAnswer::Kind::take}
               : draft.topic == "last" ? last
                                       : FilterAnswer{};
    };
    const auto watcher = mqtt_client(world, "w");
    watcher->subscribe("#");
    watcher->next();
    const auto client = logged_in(world, Version::v1_2, {{"client-id", "c"}});
    client->frame(Command::begin, {{"transaction", "t"}});
    for (const std::string_view topic : {"a", "take", "last"}) {
        client->publish(topic, "x", {{"transaction", "t"}});
    }
    SUBCASE("refused") {
        client->frame(Command::commit, {{"transaction", "t"}});
        check_refused(*client, "quota exceeded");
        CHECK(watcher->next() == "");
        CHECK(filter->taken.empty());
    }
    SUBCASE("pending, then passed") {
        last = {FilterAnswer::Kind::pending};
        client->frame(Command::commit, {{"transaction", "t"}, {"receipt", "1"}});
        CHECK(client->next() == "");
        CHECK(watcher->next() == "");
        CHECK(filter->taken.empty());
        last = {};
        world.turn(
            0, [](Broker& broker) { broker.on_access_decided(broker.find_session("c")->ref()); });
        world.settle();
        CHECK(client->next() == "RECEIPT receipt-id=1");
        CHECK(watcher->next() == "PUBLISH topic='a' payload='x'");
        CHECK(watcher->next() == "PUBLISH topic='last' payload='x'");
        CHECK(filter->taken == Lines{"x"});
    }
}

TEST_CASE("a filter grants less: the subscription keeps its id") {
    SimWorld world{SimOptions{}};
    filter_of(world)->subscribe = [](SubscribeDraft& draft) {
        draft.qos = Qos::at_most_once;
        return FilterAnswer{};
    };
    const auto client = logged_in(world);
    client->subscribe("1", "a", "client");
    client->publish("a", "x", {{"qos", "1"}});
    const StompFrame message = client->next_frame();
    CHECK(message.command == "MESSAGE");
    CHECK(message.get("subscription") == "1");
}

TEST_CASE("a subscription that was rewritten delivers, and ends by its id") {
    SimWorld world{SimOptions{}};
    filter_of(world)->rewritten = {{"old", "new"}};
    const auto client = logged_in(world);
    client->subscribe("1", "old");
    client->publish("old", "x");
    CHECK(client->next() == "MESSAGE subscription=1 destination=new qos=0 | x");
    client->frame(Command::unsubscribe, {{"id", "1"}});
    CHECK(world.shared().router.subscription_count() == 0);
}

TEST_CASE("a client id that is rewritten is the session's; a connect filter refuses and names") {
    SimWorld world{SimOptions{}};
    world.shared().authenticator = std::make_shared<FakeAuthenticator>();
    const auto filter = filter_of(world);
    filter->client_id = [](std::string_view own) {
        return std::optional{"tenant-" + std::string{own}};
    };
    filter->connect = [](ConnectDraft& draft) {
        CHECK(draft.protocol.family == "stomp");
        if (draft.username == "out") {
            return FilterAnswer::refuse(ReasonCode::not_authorized);
        }
        draft.username = "ann";
        return FilterAnswer{};
    };
    const auto client = logged_in(world, Version::v1_2, {{"client-id", "c"}, {"login", "x"}});
    REQUIRE(world.broker().find_session("tenant-c") != nullptr);
    CHECK(world.broker().find_session("tenant-c")->identity->principal() == "ann");
    CHECK(world.broker().find_session("c") == nullptr);
    const auto unnamed = logged_in(world);
    StompClient refused{world, 0, open_stomp_listener()};
    refused.connect(Version::v1_2, {{"client-id", "d"}, {"login", "out"}});
    CHECK(refused.next_frame().command == "ERROR");
    CHECK(refused.is_closed());
}
