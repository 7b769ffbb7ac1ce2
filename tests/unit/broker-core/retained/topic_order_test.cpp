#include "broker-core/retained/topic_order.hpp"

#include "broker-core/base/random.hpp"
#include "broker-core/topic/topic.hpp"
#include "tests/support/doctest_strings.hpp"

#include <string>
#include <vector>

namespace {

using gw::compare_topics;
using gw::TopicBound;
using gw::walk_step;
using gw::WalkStep;

std::string random_text(gw::Random& random, bool with_wildcards) {
    static const std::string words[] = {"", "a", "b", "ab", "$x", "a-", "%", "\x01"};
    std::string text;
    const std::size_t depth = 1 + random.below(4);
    for (std::size_t i = 0; i < depth; ++i) {
        text += i == 0 ? "" : "/";
        if (with_wildcards && i + 1 == depth && random.below(5) == 0) {
            text += "#";
        } else {
            text += with_wildcards && random.below(3) == 0 ? "+" : words[random.below(8)];
        }
    }
    return text.empty() ? "/" : text;
}

}  // namespace

TEST_CASE("a topic stands directly before what is below it") {
    static constexpr std::string_view ascending[] = {"/",   "//",   "/a",    "a",    "a/",
                                                     "a//", "a/b",  "a/b/c", "a/b-", "a\x01",
                                                     "a-",  "a-/b", "aa",    "b"};
    for (std::size_t i = 0; i < std::size(ascending); ++i) {
        for (std::size_t j = 0; j < std::size(ascending); ++j) {
            CAPTURE(ascending[i]);
            CAPTURE(ascending[j]);
            CHECK((compare_topics(ascending[i], ascending[j]) < 0) == (i < j));
            CHECK((compare_topics(ascending[i], ascending[j]) == 0) == (i == j));
        }
    }
}

TEST_CASE("bounds stand where they say") {
    struct Row {
        std::string_view topic;
        bool behind_at, behind_after, behind_subtree;
    };
    static constexpr Row rows[] = {
        {"a", true, true, true},      {"a/b", false, true, true},    {"a/b/c", false, false, true},
        {"a/b/", false, false, true}, {"a/b-", false, false, false}, {"a/c", false, false, false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.topic);
        CHECK(TopicBound{"a/b", TopicBound::Kind::at}.is_behind(row.topic) == row.behind_at);
        CHECK(TopicBound{"a/b", TopicBound::Kind::after}.is_behind(row.topic) == row.behind_after);
        CHECK(TopicBound{"a/b", TopicBound::Kind::after_subtree}.is_behind(row.topic) ==
              row.behind_subtree);
    }
}

TEST_CASE("a walk goes on where the filter says") {
    struct Row {
        std::string_view filter, topic;
        WalkStep step;
        std::string_view next;
        TopicBound::Kind kind;
    };
    using Kind = TopicBound::Kind;
    static constexpr Row rows[] = {
        {"a/+/c", "a/b/c", WalkStep::match, "", Kind::at},
        {"a/#", "a", WalkStep::match, "", Kind::at},
        {"a/+/c", "a/b/a", WalkStep::seek, "a/b/c", Kind::at},
        {"a/+/c", "a/b/d", WalkStep::seek, "a/b", Kind::after_subtree},
        {"a/+/c", "a/b", WalkStep::seek, "a/b/c", Kind::at},
        {"a/+/c", "a/b/c/d", WalkStep::seek, "a/b/c", Kind::after_subtree},
        {"a/+/c", "a", WalkStep::seek, "a/", Kind::at},
        {"c/d/+", "a/x", WalkStep::seek, "c/d", Kind::at},
        {"a/+", "b", WalkStep::end, "", Kind::at},
        {"a/b/+", "a/c", WalkStep::end, "", Kind::at},
        {"#", "$SYS/x", WalkStep::seek, "%", Kind::at},
        {"+/x", "$SYS/x", WalkStep::seek, "%", Kind::at},
        {"$SYS/#", "$SYS/x", WalkStep::match, "", Kind::at},
    };
    for (const Row& row : rows) {
        CAPTURE(row.filter);
        CAPTURE(row.topic);
        TopicBound next;
        CHECK(walk_step(row.filter, row.topic, next) == row.step);
        CHECK(std::string_view{next.text} == row.next);
        CHECK(next.kind == row.kind);
    }
}

TEST_CASE("a walk's step neither misses a match nor goes back") {
    constexpr std::uint64_t seed = 21;
    CAPTURE(seed);
    gw::Random random{seed};
    int seek_count = 0;
    for (int round = 0; round < 200'000; ++round) {
        const std::string filter = random_text(random, true);
        const std::string topic = random_text(random, false);
        const std::string other = random_text(random, false);
        TopicBound next;
        const WalkStep step = walk_step(filter, topic, next);
        const bool other_is_behind = compare_topics(other, topic) > 0;
        const bool other_matches = gw::filter_matches(filter, other);
        if ((step == WalkStep::match) != gw::filter_matches(filter, topic)) {
            FAIL("filter " << filter << " topic " << topic);
        }
        if (step == WalkStep::seek) {
            ++seek_count;
            if (!next.is_behind(topic) ||
                (other_is_behind && other_matches && next.is_behind(other))) {
                FAIL("filter " << filter << " at " << topic << " seeks " << next.text
                               << " and misses " << other);
            }
        }
        if (step == WalkStep::end && other_is_behind && other_matches) {
            FAIL("filter " << filter << " ends at " << topic << " before " << other);
        }
    }
    CHECK(seek_count > 10'000);
}
