// The router against the plainest thing that could be right: a list of (session, text) and
// filter_matches() for each.
#include "broker-core/base/random.hpp"
#include "broker-core/router/router.hpp"
#include "tests/unit/broker-core/router/router_support.hpp"

#include <doctest/doctest.h>

#include <map>

namespace {

using gw::Random;
using gw::Router;
using gw::TopicFilter;
using gw::test::filter_of;
using gw::test::Targets;

struct Shape {
    std::uint64_t seed;
    std::uint32_t session_count;
    std::uint64_t word_count;
    std::size_t depth_max;
    std::size_t cache_slot_count;
    int rounds;
};

class Model {
public:
    explicit Model(const Shape& shape)
        : shape_(shape),
          random_(shape.seed),
          router_({.worker_count = 4,
                   .hash_key = shape.seed,
                   .cache_slot_count = shape.cache_slot_count,
                   .cache_target_count_max = 64}) {
        for (std::uint32_t i = 0; i < shape.session_count; ++i) {
            sessions_.push_back({i % 4, i});
        }
    }

    void run() {
        for (int round = 0; round < shape_.rounds; ++round) {
            step();
            if (round % 3 == 0) {
                check_match();
            }
        }
        for (std::size_t i = 0; i < sessions_.size(); ++i) {
            check_list(i);
            router_.unsubscribe_all(sessions_[i].list, sessions_[i].ref);
        }
        CHECK(router_.filter_count() == 0);
        CHECK(router_.subscription_count() == 0);
        CHECK(router_.shared_group_count() == 0);
        CHECK(hits_ > shape_.rounds / 20);  // or nothing was compared with anything
    }

private:
    struct Entry {
        TopicFilter filter;
        std::uint32_t identifier;
    };
    struct Session {
        Session(std::uint32_t worker, std::uint32_t slot) : ref(worker, slot, 1) {}
        gw::SessionRef ref;
        gw::SubscriptionList list;
        std::map<std::string, Entry> model;
    };

    std::string word() {
        static const std::string odd[] = {"", "$x", "a"};
        const std::uint64_t pick = random_.below(shape_.word_count + 3);
        return pick < 3 ? odd[pick] : std::to_string(pick);
    }

    std::string levels(bool with_wildcards) {
        std::string text;
        const std::size_t depth = 1 + random_.below(shape_.depth_max);
        for (std::size_t i = 0; i < depth; ++i) {
            text += i == 0 ? "" : "/";
            if (with_wildcards && i + 1 == depth && random_.below(6) == 0) {
                text += "#";
            } else if (with_wildcards && random_.below(4) == 0) {
                text += "+";
            } else {
                text += word();
            }
        }
        return text.empty() ? "/" : text;
    }

    std::string filter_text() {
        static const std::string prefixes[] = {
            "", "", "", "$local/", "$share/g/", "$share/h/", "$queue/", "$local/$share/g/"};
        return prefixes[random_.below(8)] + levels(true);
    }

    void step() {
        Session& session = sessions_[random_.below(sessions_.size())];
        const std::uint64_t action = random_.below(100);
        if (action < 62) {
            const TopicFilter filter = filter_of(filter_text());
            const std::uint32_t identifier = ++last_identifier_;
            const auto outcome = router_.subscribe(session.list, session.ref, filter,
                                                   gw::test::with_identifier(identifier));
            const bool is_new =
                session.model.insert_or_assign(filter.text, Entry{filter, identifier}).second;
            REQUIRE((outcome == gw::SubscribeOutcome::created) == is_new);
        } else if (action < 99) {
            // Mostly one that is there.
            TopicFilter filter = filter_of(filter_text());
            if (!session.model.empty() && random_.below(5) != 0) {
                const auto place = session.model.lower_bound(filter.text);
                filter =
                    (place == session.model.end() ? session.model.begin() : place)->second.filter;
            }
            REQUIRE(router_.unsubscribe(session.list, session.ref, filter) ==
                    (session.model.erase(filter.text) == 1));
        } else {
            router_.unsubscribe_all(session.list, session.ref);
            session.model.clear();
        }
        REQUIRE(session.list.size() == session.model.size());
    }

    void check_match() {
        const std::string topic = levels(false);
        CAPTURE(topic);
        Targets expected;
        std::map<std::string, std::size_t> groups;  // members by prefix and filter
        for (const Session& session : sessions_) {
            for (const auto& [text, entry] : session.model) {
                if (!gw::filter_matches(entry.filter.filter(), topic)) {
                    continue;
                }
                if (entry.filter.kind == gw::FilterKind::shared) {
                    ++groups[text];
                } else {
                    expected.emplace_back(session.ref.key(), entry.identifier);
                }
            }
        }
        std::sort(expected.begin(), expected.end());
        hits_ += expected.empty() ? 0 : 1;
        const auto worker = static_cast<std::uint32_t>(random_.below(4));
        for (int again = 0; again < 3; ++again) {  // the last ones from the cache
            const gw::MatchPtr result = router_.match(worker, topic);
            REQUIRE(gw::test::targets_of(*result) == expected);
            REQUIRE(result->groups().size() == groups.size());
            REQUIRE(result->empty() == (expected.empty() && groups.empty()));
            std::size_t members = 0;
            for (const auto& group : result->groups()) {
                members += group->size();
            }
            std::size_t expected_members = 0;
            for (const auto& [text, count] : groups) {
                expected_members += count;
            }
            REQUIRE(members == expected_members);
        }
    }

    void check_list(std::size_t index) {
        Session& session = sessions_[index];
        std::vector<gw::SubscriptionInfo> listed;
        router_.list_subscriptions(session.list, session.ref, 0, session.list.size(), listed);
        std::map<std::string, std::uint32_t> seen;
        for (const auto& info : listed) {
            seen[info.filter] = info.options.identifier;
        }
        std::map<std::string, std::uint32_t> expected;
        for (const auto& [text, entry] : session.model) {
            expected[text] = entry.identifier;
            REQUIRE(router_.find_subscription(session.ref, entry.filter) ==
                    gw::test::with_identifier(entry.identifier));
        }
        REQUIRE(listed.size() == expected.size());
        REQUIRE(seen == expected);
    }

    Shape shape_;
    Random random_;
    Router router_;
    std::vector<Session> sessions_;
    std::uint32_t last_identifier_ = 0;
    int hits_ = 0;
};

}  // namespace

TEST_CASE("the router agrees with a naive matcher") {
    static constexpr Shape shapes[] = {
        {.seed = 1,
         .session_count = 3,
         .word_count = 1,
         .depth_max = 4,
         .cache_slot_count = 0,
         .rounds = 6000},
        {.seed = 2,
         .session_count = 40,
         .word_count = 2,
         .depth_max = 3,
         .cache_slot_count = 64,
         .rounds = 6000},
        {.seed = 3,
         .session_count = 10,
         .word_count = 6,
         .depth_max = 6,
         .cache_slot_count = 8,
         .rounds = 6000},
        {.seed = 4,
         .session_count = 100,
         .word_count = 0,
         .depth_max = 2,
         .cache_slot_count = 4,
         .rounds = 6000},
        {.seed = 5,
         .session_count = 5,
         .word_count = 1,
         .depth_max = 9,
         .cache_slot_count = 512,
         .rounds = 4000},
    };
    for (const Shape& shape : shapes) {
        CAPTURE(shape.seed);
        Model{shape}.run();
    }
}
