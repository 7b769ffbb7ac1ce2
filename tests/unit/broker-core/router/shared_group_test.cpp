#include "broker-core/router/shared_group.hpp"

#include "tests/unit/broker-core/router/router_support.hpp"

#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <set>

namespace {

using gw::Message;
using gw::MessagePtr;
using gw::Random;
using gw::Router;
using gw::SessionLoad;
using gw::SessionLoadPtr;
using gw::SessionRef;
using gw::SharedGroupPtr;
using gw::ShareStrategy;
using gw::test::TestSession;

MessagePtr message_of(std::string_view topic, std::string_view client_id) {
    auto* identity = new gw::ClientIdentity;
    gw::IdentityPtr publisher{identity};
    identity->client_id = client_id;
    return Message::create(
        {.topic = topic, .payload = {}, .properties = {}, .publisher = publisher});
}

/// A group of some members, all online at first.
struct Fixture {
    explicit Fixture(ShareStrategy strategy, std::uint32_t member_count = 4)
        : router({.worker_count = 1, .hash_key = 1, .share_strategy = strategy}) {
        sessions.reserve(member_count);
        for (std::uint32_t i = 0; i < member_count; ++i) {
            loads.emplace_back(new SessionLoad);
            loads.back()->online = true;
            sessions.emplace_back(router, 0, i);
            sessions.back().subscribe("$share/g/t/+", i, loads.back());
        }
        const auto result = router.match(0, "t/1");
        REQUIRE(result->groups().size() == 1);
        REQUIRE(result->targets().empty());
        group = result->groups()[0];
    }

    /// The slot of the member that is picked.
    std::optional<std::uint32_t> pick(const Message& picked_for,
                                      std::optional<SessionRef> exclude = std::nullopt) {
        const auto target = group->pick(picked_for, random, exclude);
        if (!target) {
            return std::nullopt;
        }
        CHECK(target->session.slot == target->options.identifier);
        return target->session.slot;
    }

    Router router;
    std::vector<SessionLoadPtr> loads;
    std::vector<TestSession> sessions;
    SharedGroupPtr group;
    Random random{5};
    MessagePtr message = message_of("t/1", "publisher");
};

constexpr ShareStrategy all_strategies[] = {
    ShareStrategy::random,        ShareStrategy::round_robin, ShareStrategy::sticky,
    ShareStrategy::hash_clientid, ShareStrategy::hash_topic,  ShareStrategy::least_inflight,
};

}  // namespace

TEST_CASE("members that are offline are passed over while another is online") {
    for (const ShareStrategy strategy : all_strategies) {
        CAPTURE(static_cast<int>(strategy));
        Fixture f{strategy};
        f.loads[0]->online = false;
        f.loads[1]->online = false;
        f.loads[3]->online = false;
        for (int i = 0; i < 20; ++i) {
            CHECK(f.pick(*f.message) == 2);
        }
        f.loads[2]->online = false;
        CHECK(f.pick(*f.message).has_value());  // it is queued for one of them
        f.loads[1]->online = true;
        for (int i = 0; i < 20; ++i) {
            CHECK(f.pick(*f.message) == 1);
        }
    }
}

TEST_CASE("the excluded member is never picked, not even when it is the only one") {
    for (const ShareStrategy strategy : all_strategies) {
        CAPTURE(static_cast<int>(strategy));
        Fixture f{strategy, 2};
        for (int i = 0; i < 20; ++i) {
            CHECK(f.pick(*f.message, f.sessions[0].ref) == 1);
        }
        f.sessions[1].unsubscribe_all();
        CHECK(f.pick(*f.message) == 0);
        CHECK_FALSE(f.pick(*f.message, f.sessions[0].ref).has_value());
        f.sessions[0].unsubscribe_all();
        CHECK_FALSE(f.pick(*f.message).has_value());
        CHECK(f.group->size() == 0);
    }
}

TEST_CASE("round robin takes turns") {
    Fixture f{ShareStrategy::round_robin};
    std::vector<std::uint32_t> turns;
    for (int i = 0; i < 8; ++i) {
        turns.push_back(f.pick(*f.message).value());
    }
    CHECK(turns == std::vector<std::uint32_t>{0, 1, 2, 3, 0, 1, 2, 3});
}

TEST_CASE("random gives each online member its share and repeats with the seed") {
    Fixture f{ShareStrategy::random};
    f.loads[1]->online = false;
    std::map<std::uint32_t, int> counts;
    std::vector<std::uint32_t> first;
    for (int i = 0; i < 3000; ++i) {
        first.push_back(f.pick(*f.message).value());
        ++counts[first.back()];
    }
    CHECK(counts.size() == 3);
    for (const auto& entry : counts) {
        CAPTURE(entry.first);
        CHECK(entry.second > 850);
        CHECK(entry.second < 1150);
    }
    f.random = Random{5};
    for (const std::uint32_t slot : first) {
        REQUIRE(f.pick(*f.message) == slot);
    }
}

TEST_CASE("sticky keeps its member until it goes offline or leaves") {
    Fixture f{ShareStrategy::sticky};
    const std::uint32_t chosen = f.pick(*f.message).value();
    for (int i = 0; i < 20; ++i) {
        CHECK(f.pick(*f.message) == chosen);
    }
    f.loads[chosen]->online = false;
    const std::uint32_t second = f.pick(*f.message).value();
    CHECK(second != chosen);
    f.loads[chosen]->online = true;
    CHECK(f.pick(*f.message) == second);  // the first one does not get it back
    f.sessions[second].unsubscribe_all();
    const std::uint32_t third = f.pick(*f.message).value();
    CHECK(third != second);
    CHECK(f.pick(*f.message) == third);
}

TEST_CASE("the hash strategies keep to a publisher or a topic and spread over all") {
    Fixture by_client{ShareStrategy::hash_clientid};
    Fixture by_topic{ShareStrategy::hash_topic};
    std::set<std::uint32_t> client_choices;
    std::set<std::uint32_t> topic_choices;
    for (int i = 0; i < 64; ++i) {
        const std::string name = "n" + std::to_string(i);
        const auto from_client = message_of("t/1", name);
        const auto on_topic = message_of("t/" + name, "publisher");
        const std::uint32_t client_choice = by_client.pick(*from_client).value();
        const std::uint32_t topic_choice = by_topic.pick(*on_topic).value();
        CHECK(by_client.pick(*from_client) == client_choice);
        CHECK(by_topic.pick(*on_topic) == topic_choice);
        client_choices.insert(client_choice);
        topic_choices.insert(topic_choice);
    }
    CHECK(client_choices.size() == 4);
    CHECK(topic_choices.size() == 4);
}

TEST_CASE("the broker's own messages have no publisher and are shared all the same") {
    Fixture f{ShareStrategy::hash_clientid};
    const MessagePtr message =
        Message::create({.topic = "t/1", .payload = {}, .properties = {}, .publisher = {}});
    CHECK(f.pick(*message).has_value());
}

TEST_CASE("least inflight takes the idlest, and takes turns among equals") {
    Fixture f{ShareStrategy::least_inflight};
    f.loads[0]->inflight_count = 3;
    f.loads[1]->inflight_count = 1;
    f.loads[2]->inflight_count = 2;
    f.loads[3]->inflight_count = 1;
    std::set<std::uint32_t> choices;
    for (int i = 0; i < 4; ++i) {
        choices.insert(f.pick(*f.message).value());
    }
    CHECK(choices == std::set<std::uint32_t>{1, 3});
    f.loads[2]->inflight_count = 0;
    CHECK(f.pick(*f.message) == 2);
}

TEST_CASE("large groups are looked at in part and still serve only those online") {
    for (const ShareStrategy strategy : {ShareStrategy::random, ShareStrategy::least_inflight}) {
        CAPTURE(static_cast<int>(strategy));
        Fixture f{strategy, 1000};
        for (std::uint32_t i = 0; i < 1000; ++i) {
            f.loads[i]->online = i == 700;
        }
        for (int i = 0; i < 20; ++i) {
            CHECK(f.pick(*f.message) == 700);
        }
    }
}

TEST_CASE("a member without a load counts as online") {
    Router router{{.worker_count = 1, .hash_key = 1}};
    TestSession session{router, 0, 9};
    session.subscribe("$queue/t", 9);
    const auto result = router.match(0, "t");
    REQUIRE(result->groups().size() == 1);
    Random random{1};
    const auto target = result->groups()[0]->pick(*message_of("t", "p"), random);
    REQUIRE(target);
    CHECK(target->session == session.ref);
    session.unsubscribe_all();
}
