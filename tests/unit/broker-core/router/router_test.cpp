#include "broker-core/router/router.hpp"

#include "tests/support/doctest_strings.hpp"
#include "tests/unit/broker-core/router/router_support.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace {

using gw::MatchPtr;
using gw::Router;
using gw::SubscribeOutcome;
using gw::test::filter_of;
using gw::test::Targets;
using gw::test::targets_of;
using gw::test::TestSession;
using gw::test::with_identifier;

}  // namespace

TEST_CASE("a topic reaches exact and wildcard filters") {
    Router router{{.worker_count = 2, .hash_key = 1}};
    TestSession a{router, 0, 1};
    TestSession b{router, 1, 1};
    a.subscribe("x/y", 1);
    b.subscribe("x/+", 2);
    b.subscribe("x/#", 3);
    a.subscribe("#", 4);
    CHECK(targets_of(*router.match(0, "x/y")) ==
          Targets{{a.ref.key(), 1}, {a.ref.key(), 4}, {b.ref.key(), 2}, {b.ref.key(), 3}});
    CHECK(targets_of(*router.match(1, "x")) == Targets{{a.ref.key(), 4}, {b.ref.key(), 3}});
    CHECK(targets_of(*router.match(0, "z")) == Targets{{a.ref.key(), 4}});
    CHECK(router.match(0, "$SYS/x")->empty());
    CHECK(router.filter_count() == 4);
    CHECK(router.subscription_count() == 4);
}

TEST_CASE("targets are grouped by worker, a session's entries side by side") {
    Router router{{.worker_count = 3, .hash_key = 1}};
    std::vector<TestSession> sessions;
    for (std::uint32_t i = 0; i < 40; ++i) {
        sessions.emplace_back(router, i % 3, i);
    }
    for (TestSession& session : sessions) {
        session.subscribe("a/b", 1);
        if (session.ref.worker() != 1) {
            session.subscribe("a/+", 2);
        }
    }
    const MatchPtr result = router.match(0, "a/b");
    CHECK(result->targets().size() == 40 + 27);
    REQUIRE(result->runs().size() == 3);
    std::size_t total = 0;
    for (std::uint32_t worker = 0; worker < 3; ++worker) {
        CHECK(result->runs()[worker].worker == worker);
        const auto own = result->targets(worker);
        CHECK(own.data() == result->targets(result->runs()[worker]).data());
        total += own.size();
        std::set<std::uint64_t> seen;
        for (std::size_t i = 0; i < own.size(); ++i) {
            CHECK(own[i].session.worker() == worker);
            if (i == 0 || own[i].session != own[i - 1].session) {
                CHECK(seen.insert(own[i].session.key()).second);
            }
        }
    }
    CHECK(total == result->targets().size());
    CHECK(result->targets(7).empty());
}

TEST_CASE("subscribing again to the same text replaces the options") {
    Router router{{.worker_count = 1, .hash_key = 1}};
    TestSession a{router, 0, 1};
    for (const std::string_view text : {"a/b", "a/+", "$local/a/b", "$share/g/a/b", "$queue/a/b"}) {
        CAPTURE(text);
        CHECK(a.subscribe(text, 1) == SubscribeOutcome::created);
        CHECK(a.subscribe(text, 2) == SubscribeOutcome::replaced);
        CHECK(router.find_subscription(a.ref, filter_of(text)) == with_identifier(2));
    }
    CHECK(a.list.size() == 5);
    const MatchPtr result = router.match(0, "a/b");
    CHECK(targets_of(*result) == Targets{{a.ref.key(), 2}, {a.ref.key(), 2}, {a.ref.key(), 2}});
    CHECK(result->groups().size() == 2);
    CHECK_FALSE(router.find_subscription(a.ref, filter_of("$share/h/a/b")));
    CHECK_FALSE(router.find_subscription(a.ref, filter_of("$local/a/+")));
    CHECK_FALSE(router.find_subscription(a.ref, filter_of("a/c")));
}

TEST_CASE("groups of other names, prefixes and filters are other groups, in a stable order") {
    Router router{{.worker_count = 1, .hash_key = 1}};
    TestSession a{router, 0, 1};
    for (const std::string_view text : {"$share/h/t", "$share/g/t", "$queue/t", "$share/$queue/t",
                                        "$local/$share/g/t", "$share/g/+", "$local/$queue/t"}) {
        a.subscribe(text);
    }
    CHECK(router.shared_group_count() == 7);
    CHECK(router.filter_count() == 2);
    const MatchPtr result = router.match(0, "t");
    std::vector<std::string_view> prefixes;
    for (const auto& group : result->groups()) {
        prefixes.push_back(group->prefix());
    }
    CHECK(prefixes == std::vector<std::string_view>{"$share/g/", "$local/$queue/",
                                                    "$local/$share/g/", "$queue/", "$share/$queue/",
                                                    "$share/g/", "$share/h/"});
    a.unsubscribe_all();
    CHECK(router.shared_group_count() == 0);
    CHECK(router.filter_count() == 0);
    CHECK(result->groups()[0]->size() == 0);  // the old result keeps them, empty
}

TEST_CASE("a change counts for the next match, cached or not") {
    Router router{{.worker_count = 2, .hash_key = 1}};
    TestSession a{router, 0, 1};
    TestSession b{router, 1, 2};
    const auto warm = [&](std::uint32_t worker) {
        for (int i = 0; i < 3; ++i) {
            router.match(worker, "a/b");
        }
        const MatchPtr first = router.match(worker, "a/b");
        CHECK(router.match(worker, "a/b") == first);  // shared, not made again
        return targets_of(*first);
    };
    for (const std::uint32_t worker : {0U, 1U}) {
        CAPTURE(worker);
        CHECK(warm(worker).empty());
        a.subscribe("a/b", 1);
        CHECK(warm(worker) == Targets{{a.ref.key(), 1}});
        a.subscribe("a/b", 2);
        CHECK(warm(worker) == Targets{{a.ref.key(), 2}});
        b.subscribe("+/b", 3);
        CHECK(warm(worker) == Targets{{a.ref.key(), 2}, {b.ref.key(), 3}});
        CHECK(a.unsubscribe("a/b"));
        CHECK_FALSE(a.unsubscribe("a/b"));
        CHECK(warm(worker) == Targets{{b.ref.key(), 3}});
        b.subscribe("$share/g/a/b");
        CHECK(router.match(worker, "a/b")->groups().size() == 1);
        CHECK(b.unsubscribe("$share/g/a/b"));
        CHECK(b.unsubscribe("+/b"));
        CHECK(router.match(worker, "a/b")->empty());
    }
    CHECK(router.filter_count() == 0);
}

TEST_CASE("a filter that came and went does not leave cached results of others stale") {
    Router router{{.worker_count = 1, .hash_key = 1}};
    TestSession a{router, 0, 1};
    a.subscribe("t", 1);
    for (int i = 0; i < 3; ++i) {
        router.match(0, "t");
    }
    const MatchPtr before = router.match(0, "t");
    TestSession b{router, 0, 2};
    b.subscribe("another/topic/of/some/device", 1);
    b.unsubscribe_all();
    CHECK(targets_of(*router.match(0, "t")) == targets_of(*before));
}

TEST_CASE("the cache stays within its targets") {
    Router router{
        {.worker_count = 1, .hash_key = 1, .cache_slot_count = 16, .cache_target_count_max = 20}};
    std::vector<TestSession> sessions;
    for (std::uint32_t i = 0; i < 8; ++i) {
        sessions.emplace_back(router, 0, i);
        sessions.back().subscribe("#");
    }
    for (int round = 0; round < 3; ++round) {
        for (int topic = 0; topic < 100; ++topic) {
            const std::string name = "t" + std::to_string(topic);
            for (int i = 0; i < 3; ++i) {
                REQUIRE(router.match(0, name)->targets().size() == 8);
            }
        }
    }
    for (TestSession& session : sessions) {
        session.unsubscribe_all();
    }
    CHECK(router.match(0, "t1")->empty());
}

TEST_CASE("very many subscribers of one filter come and go one by one") {
    // Were one of them linear in the others, this would run into the time-out.
    constexpr std::uint32_t count = 200'000;
    Router router{{.worker_count = 1, .hash_key = 1}};
    std::vector<TestSession> sessions;
    sessions.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        sessions.emplace_back(router, 0, i);
        router.subscribe(sessions.back().list, sessions.back().ref, filter_of("all"), {});
    }
    CHECK(router.match(0, "all")->targets().size() == count);
    for (TestSession& session : sessions) {
        session.unsubscribe_all();
    }
    CHECK(router.match(0, "all")->empty());
    CHECK(router.subscription_count() == 0);
}

TEST_CASE("subscriptions are listed in pages with their whole text and options") {
    Router router{{.worker_count = 1, .hash_key = 1}};
    TestSession a{router, 0, 1};
    const std::array<std::string, 5> texts{"a/b", "$local/a/b", "$share/g/a/+", "$queue/a/b",
                                           "$local/$share/g/#"};
    for (std::uint32_t i = 0; i < texts.size(); ++i) {
        a.subscribe(texts[i], i);
    }
    for (std::uint32_t i = 0; i < 100; ++i) {
        a.subscribe("more/" + std::to_string(i));
    }
    std::vector<gw::SubscriptionInfo> listed;
    while (listed.size() < a.list.size()) {
        router.list_subscriptions(a.list, a.ref, listed.size(), 7, listed);
    }
    router.list_subscriptions(a.list, a.ref, listed.size(), 7, listed);
    router.list_subscriptions(a.list, a.ref, listed.size() + 50, 7, listed);
    REQUIRE(listed.size() == 105);
    for (std::uint32_t i = 0; i < texts.size(); ++i) {
        CHECK(listed[i].filter == texts[i]);
        CHECK(listed[i].options == with_identifier(i));
    }

    std::vector<gw::FilterInfo> filters;
    std::size_t page = 0;
    while (router.list_filters(0, page, filters)) {
    }
    CHECK(filters.size() == 103);
    const auto found = std::find_if(filters.begin(), filters.end(),
                                    [](const auto& info) { return info.filter == "a/b"; });
    REQUIRE(found != filters.end());
    CHECK(found->subscriber_count == 2);
    CHECK(found->shared_group_count == 1);
}

TEST_CASE("matching a hostile set of filters visits no more than the trie has") {
    // All of {+, a} at 14 levels: every topic of a's matches every one of them. The work is that
    // of the answer; a topic that differs in front must cost nothing of it.
    Router router{{.worker_count = 1, .hash_key = 1, .cache_slot_count = 0}};
    TestSession a{router, 0, 1};
    constexpr int depth = 14;
    std::string all_a;
    for (int i = 0; i < depth; ++i) {
        all_a += i == 0 ? "a" : "/a";
    }
    for (std::uint32_t bits = 0; bits < 1U << depth; ++bits) {
        std::string text;
        for (int i = 0; i < depth; ++i) {
            text += i == 0 ? "" : "/";
            text += (bits >> i & 1U) != 0 ? "+" : "a";
        }
        a.subscribe(text);
    }
    CHECK(router.match(0, all_a)->targets().size() == 1U << depth);
    CHECK(router.match(0, all_a + "/a")->empty());
    CHECK(router.match(0, "b" + all_a.substr(1))->targets().size() == 1U << (depth - 1));
    a.unsubscribe_all();
    CHECK(router.filter_count() == 0);
}

TEST_CASE("a topic of 65,535 slashes is matched without recursion") {
    const std::string slashes(65535, '/');
    std::string pluses = "+";
    for (int i = 0; i < 20'000; ++i) {
        pluses += "/+";
    }
    const gw::TopicLimits wide{.bytes_max = 65535, .levels_max = 65536};
    Router router{{.worker_count = 1, .hash_key = 1}};
    TestSession a{router, 0, 1};
    for (const std::string& text : {slashes, pluses, pluses + "/#"}) {
        const auto filter = gw::parse_topic_filter(text, wide);
        REQUIRE(filter);
        router.subscribe(a.list, a.ref, *filter, {});
    }
    a.subscribe("#");
    CHECK(router.match(0, slashes)->targets().size() == 3);
    CHECK(router.match(0, slashes.substr(0, 20'000))->targets().size() == 3);
    a.unsubscribe_all();
    CHECK(router.match(0, slashes)->empty());
}
