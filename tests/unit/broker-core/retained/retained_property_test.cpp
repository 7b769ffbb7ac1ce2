// The store against a map and filter_matches() for each entry; pages while it changes; threads.
#include "broker-core/base/random.hpp"
#include "broker-core/retained/retained_store.hpp"
#include "broker-core/topic/topic.hpp"
#include "tests/unit/broker-core/retained/retained_support.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <set>
#include <thread>

namespace {

using gw::MessagePtr;
using gw::Random;
using gw::RetainedCursor;
using gw::RetainedStore;
using gw::RetainOutcome;
using gw::test::at_ms;
using gw::test::retained;

std::string random_text(Random& random, std::uint64_t word_count, bool with_wildcards) {
    static const std::string odd[] = {"", "$x", "a"};
    std::string text;
    const std::size_t depth = 1 + random.below(4);
    for (std::size_t i = 0; i < depth; ++i) {
        text += i == 0 ? "" : "/";
        const std::uint64_t pick = random.below(word_count + 3);
        if (with_wildcards && i + 1 == depth && random.below(5) == 0) {
            text += "#";
        } else if (with_wildcards && random.below(3) == 0) {
            text += "+";
        } else {
            text += pick < 3 ? odd[pick] : std::to_string(pick);
        }
    }
    return text.empty() ? "/" : text;
}

void run_against_map(std::uint64_t seed, std::uint64_t word_count) {
    CAPTURE(seed);
    Random random{seed};
    RetainedStore store{{}};
    std::map<std::string, MessagePtr> model;
    std::int64_t now = 0;
    std::size_t found_count = 0;
    for (int round = 0; round < 6000; ++round) {
        const std::string topic = random_text(random, word_count, false);
        const bool is_growing = (round / 1500) % 2 == 0;
        if (random.below(10) < (is_growing ? 8U : 2U)) {
            const auto expires_at =
                random.below(3) == 0
                    ? at_ms(now + 1 + static_cast<std::int64_t>(random.below(3000)))
                    : gw::never;
            const MessagePtr message = retained(topic, std::to_string(round), expires_at);
            const bool is_new = model.insert_or_assign(topic, message).second;
            REQUIRE(store.set(message) ==
                    (is_new ? RetainOutcome::stored : RetainOutcome::replaced));
        } else {
            REQUIRE(store.set(retained(topic, "")) == (model.erase(topic) == 1
                                                           ? RetainOutcome::cleared
                                                           : RetainOutcome::nothing_to_clear));
        }
        now += static_cast<std::int64_t>(random.below(3));
        if (round % 100 == 0) {
            std::vector<MessagePtr> removed;
            store.expire(at_ms(now), random.below(500), &removed);
            for (const MessagePtr& message : removed) {
                REQUIRE(message->is_expired(at_ms(now)));
                REQUIRE(model.at(std::string{message->topic()}) == message);
                model.erase(std::string{message->topic()});
            }
        }
        REQUIRE(store.count() == model.size());
        if (round % 5 != 0) {
            continue;
        }
        const std::string filter = random_text(random, word_count, true);
        CAPTURE(filter);
        std::vector<std::string> expected;
        std::size_t bytes = 0;
        for (const auto& [name, message] : model) {
            bytes += message->footprint();
            if (gw::filter_matches(filter, name) && !message->is_expired(at_ms(now))) {
                expected.push_back(name);
                REQUIRE(store.find(name, at_ms(now)) == message);
            }
        }
        REQUIRE(store.bytes() == bytes);
        found_count += expected.size();
        REQUIRE(gw::test::topics_of(store, filter, at_ms(now), 1 + random.below(20)) == expected);
    }
    CHECK(found_count > 1000);
}

}  // namespace

TEST_CASE("the retained store agrees with a map") {
    run_against_map(1, 1);
    run_against_map(2, 4);
    run_against_map(3, 20);
}

TEST_CASE("a topic that is there all the time is given once, whatever changes between pages") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        Random random{seed};
        RetainedStore store{{}};
        std::set<std::string> constant;
        for (int i = 0; i < 300; ++i) {
            constant.insert("c/" + random_text(random, 8, false));
            store.set(retained(*constant.rbegin(), "x"));
        }
        for (const std::string& topic : constant) {
            store.set(retained(topic, "x"));
        }
        std::map<std::string, int> seen;
        RetainedCursor cursor;
        bool is_more = true;
        while (is_more) {
            std::vector<MessagePtr> page;
            is_more = store.next("#", cursor, 1 + random.below(10), at_ms(0), page);
            for (const MessagePtr& message : page) {
                ++seen[std::string{message->topic()}];
            }
            for (int i = 0; i < 10; ++i) {
                // Others come and go, and constant ones get new values.
                const std::string other = "v/" + random_text(random, 8, false);
                store.set(retained(other, random.below(2) == 0 ? "" : "y"));
                auto place = constant.lower_bound("c/" + random_text(random, 8, false));
                if (place != constant.end()) {
                    store.set(retained(*place, "new"));
                }
            }
        }
        for (const std::string& topic : constant) {
            CAPTURE(topic);
            CHECK(seen[topic] == 1);
        }
    }
}

TEST_CASE("workers set, clear, find and walk at once") {
    RetainedStore store{{.count_max = 500}};
    store.set(retained("constant", "x"));
    std::atomic<int> failure_count{0};
    std::vector<std::thread> threads;
    for (std::uint64_t worker = 0; worker < 4; ++worker) {
        threads.emplace_back([&, worker] {
            Random random{worker};
            for (int round = 0; round < 3000; ++round) {
                const std::string topic = random_text(random, 6, false);
                const bool is_clear = random.below(3) == 0;
                store.set(retained(topic, is_clear ? "" : "x",
                                   random.below(2) == 0 ? at_ms(round) : gw::never));
                failure_count += store.count() > 504 ? 1 : 0;  // four at once may try for more
                if (round % 50 == 0) {
                    const auto found = gw::test::topics_of(store, "#", at_ms(round), 10);
                    const auto copies = std::count(found.begin(), found.end(), "constant");
                    failure_count += copies == 1 ? 0 : 1;
                    store.expire(at_ms(round), 100);
                }
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(failure_count == 0);
    CHECK(store.count() == gw::test::topics_of(store, "#", at_ms(-1)).size() +
                               gw::test::topics_of(store, "$x/#", at_ms(-1)).size());
}
