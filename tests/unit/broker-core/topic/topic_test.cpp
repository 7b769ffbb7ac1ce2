#include "broker-core/topic/topic.hpp"

#include "broker-core/base/random.hpp"
#include "tests/support/doctest_strings.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace {

using gw::check_topic_name;
using gw::filter_matches;
using gw::FilterKind;
using gw::parse_topic_filter;
using gw::TopicError;
using gw::TopicLimits;
using namespace std::string_view_literals;

/// The rule of 4.7 over lists of levels; as plain as can be, so that it can be believed.
bool matches_plainly(const std::vector<std::string>& filter,
                     const std::vector<std::string>& topic) {
    const bool hidden = topic[0].starts_with('$');
    if (hidden && (filter[0] == "+" || filter[0] == "#")) {
        return false;
    }
    for (std::size_t i = 0; i < filter.size(); ++i) {
        if (filter[i] == "#") {
            return true;
        }
        if (i >= topic.size() || (filter[i] != "+" && filter[i] != topic[i])) {
            return false;
        }
        if (i + 1 == topic.size() && i + 2 == filter.size() && filter[i + 1] == "#") {
            return true;
        }
    }
    return filter.size() == topic.size();
}

std::string join(const std::vector<std::string>& levels) {
    std::string text = levels[0];
    for (std::size_t i = 1; i < levels.size(); ++i) {
        text += '/';
        text += levels[i];
    }
    return text;
}

}  // namespace

TEST_CASE("a filter matches topics as MQTT 5.0 section 4.7 says") {
    struct Row {
        std::string_view filter, topic;
        bool matches;
        std::string_view because;
    };
    static constexpr Row rows[] = {
        {"a/b", "a/b", true, "same levels"},
        {"a/b", "A/b", false, "letter case counts (4.7.3)"},
        {"a/b", "a/b/c", false, "no wildcard, no more levels"},
        {"a/b/c", "a/b", false, "fewer levels"},
        {"a/+", "a/b", true, "+ is one level"},
        {"a/+", "a", false, "+ is never zero levels"},
        {"a/+", "a/", true, "an empty level is a level (4.7.1.3)"},
        {"a/+", "a/b/c", false, "+ is never two levels"},
        {"+/+", "/finance", true, "example of 4.7.1.3"},
        {"/+", "/finance", true, "example of 4.7.1.3"},
        {"+", "/finance", false, "example of 4.7.1.3"},
        {"a/#", "a", true, "# takes in the parent (4.7.1.2)"},
        {"a/#", "a/", true, "and an empty child"},
        {"a/#", "a/b/c/d", true, "any depth"},
        {"a/#", "ab", false, "# starts at a separator"},
        {"a/+/#", "a", false, "the parent of # is a/+"},
        {"a/+/#", "a/b", true, "the parent of # is a/+"},
        {"#", "/", true, "everything"},
        {"/#", "a", false, "the first level is empty"},
        {"/#", "/", true, "the first level is empty"},
        {"/#", "/a", true, "the first level is empty"},
        {"a/", "a/", true, "a trailing separator counts (4.7.3)"},
        {"a/", "a", false, "a trailing separator counts (4.7.3)"},
        {"a", "a/", false, "a trailing separator counts (4.7.3)"},
        {"+/b/+", "a/b/c", true, "two wildcards"},
        {"+/b/+", "a/c/c", false, "literal level between"},
        {"#", "$SYS/uptime", false, "a leading wildcard skips $ topics (4.7.2)"},
        {"+/uptime", "$SYS/uptime", false, "a leading wildcard skips $ topics (4.7.2)"},
        {"+", "$SYS", false, "a leading wildcard skips $ topics (4.7.2)"},
        {"$SYS/#", "$SYS/uptime", true, "unless the filter spells the $ out"},
        {"$SYS/+", "$SYS/uptime", true, "unless the filter spells the $ out"},
        {"a/#", "a/$b", true, "$ counts only in front"},
        {"a/+", "a/$b", true, "$ counts only in front"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.filter);
        CAPTURE(row.topic);
        CAPTURE(row.because);
        CHECK(filter_matches(row.filter, row.topic) == row.matches);
    }
}

TEST_CASE("topic names are checked at the door") {
    const TopicLimits limits{.bytes_max = 10, .levels_max = 3};
    CHECK(check_topic_name("a/b/c", limits));
    CHECK(check_topic_name("/", limits));
    CHECK(check_topic_name("0123456789", limits));
    CHECK(check_topic_name("", limits).error() == TopicError::empty);
    CHECK(check_topic_name("0123456789a", limits).error() == TopicError::too_long);
    CHECK(check_topic_name("a/b/c/d", limits).error() == TopicError::too_many_levels);
    CHECK(check_topic_name("a/+", limits).error() == TopicError::wildcard_in_name);
    CHECK(check_topic_name("a#", limits).error() == TopicError::wildcard_in_name);
    CHECK(check_topic_name("a\0b"sv, limits).error() == TopicError::null_character);
}

TEST_CASE("filters are parsed with their prefixes") {
    struct Row {
        std::string_view text;
        FilterKind kind;
        bool is_local;
        std::string_view group, filter;
        bool has_wildcard;
    };
    static constexpr Row rows[] = {
        {"a/b", FilterKind::plain, false, "", "a/b", false},
        {"a/+/c", FilterKind::plain, false, "", "a/+/c", true},
        {"#", FilterKind::plain, false, "", "#", true},
        {"$SYS/#", FilterKind::plain, false, "", "$SYS/#", true},
        {"$share/g/a/+", FilterKind::shared, false, "g", "a/+", true},
        {"$share/g//", FilterKind::shared, false, "g", "/", false},
        {"$share/$queue/a", FilterKind::shared, false, "$queue", "a", false},
        {"$queue/a/b", FilterKind::shared, false, "$queue", "a/b", false},
        {"$local/a/#", FilterKind::local, true, "", "a/#", true},
        {"$local/$share/g/a", FilterKind::shared, true, "g", "a", false},
        {"$local/$queue/a", FilterKind::shared, true, "$queue", "a", false},
        {"a/$share/g/b", FilterKind::plain, false, "", "a/$share/g/b", false},
        {"$shared/g/b", FilterKind::plain, false, "", "$shared/g/b", false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        const auto parsed = parse_topic_filter(row.text, TopicLimits{});
        REQUIRE(parsed);
        CHECK(parsed->text == row.text);
        CHECK(parsed->kind == row.kind);
        CHECK(parsed->is_local == row.is_local);
        CHECK(std::string_view{parsed->share_group} == row.group);
        CHECK(parsed->filter() == row.filter);
        CHECK(parsed->has_wildcard == row.has_wildcard);
    }
}

TEST_CASE("filters that mean nothing are refused") {
    struct Row {
        std::string_view text;
        TopicError error;
        std::string_view because;
    };
    static constexpr Row rows[] = {
        {"", TopicError::empty, "4.7.3"},
        {"a+", TopicError::misplaced_wildcard, "+ must fill its level (4.7.1.3)"},
        {"+a/b", TopicError::misplaced_wildcard, "+ must fill its level (4.7.1.3)"},
        {"a/b#", TopicError::misplaced_wildcard, "# must fill its level (4.7.1.2)"},
        {"a/#/b", TopicError::misplaced_wildcard, "# must be last (4.7.1.2)"},
        {"#/", TopicError::misplaced_wildcard, "# must be last (4.7.1.2)"},
        {"##", TopicError::misplaced_wildcard, "# must fill its level (4.7.1.2)"},
        {"$share/g", TopicError::malformed_share_name, "no filter (4.8.2)"},
        {"$share/g/", TopicError::malformed_share_name, "no filter (4.8.2)"},
        {"$share//a", TopicError::malformed_share_name, "empty name (4.8.2)"},
        {"$share/+/a", TopicError::malformed_share_name, "wildcard in name (4.8.2)"},
        {"$share/g#/a", TopicError::malformed_share_name, "wildcard in name (4.8.2)"},
        {"$queue/", TopicError::malformed_share_name, "no filter"},
        {"$local/", TopicError::malformed_local, "no filter"},
        {"$local/$share/g/", TopicError::malformed_share_name, "no filter"},
        {"$local/$local/a", TopicError::repeated_prefix, "twice"},
        {"$share/g/$share/h/a", TopicError::repeated_prefix, "twice"},
        {"$queue/$queue/a", TopicError::repeated_prefix, "twice"},
        {"$share/g/$queue/a", TopicError::repeated_prefix, "shared twice"},
        {"$share/g/$local/a", TopicError::repeated_prefix, "$local goes first"},
        {"$share/g/a+", TopicError::misplaced_wildcard, "the filter behind it counts"},
        {"a\0b"sv, TopicError::null_character, "4.7.3"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CAPTURE(row.because);
        const auto parsed = parse_topic_filter(row.text, TopicLimits{});
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error() == row.error);
        CHECK_FALSE(topic_error_text(row.error).empty());
    }
}

TEST_CASE("limits of filters: bytes with the prefix, levels without") {
    const TopicLimits limits{.bytes_max = 12, .levels_max = 2};
    CHECK(parse_topic_filter("$share/g/a/b", limits));
    CHECK(parse_topic_filter("$share/g/a/bc", limits).error() == TopicError::too_long);
    CHECK(parse_topic_filter("a/b/c", limits).error() == TopicError::too_many_levels);
}

TEST_CASE("65,535 slashes cost a scan and no stack") {
    const std::string slashes(65535, '/');
    const TopicLimits wide{.bytes_max = 65535, .levels_max = 65536};
    CHECK(check_topic_name(slashes, TopicLimits{}).error() == TopicError::too_many_levels);
    CHECK(parse_topic_filter(slashes, TopicLimits{}).error() == TopicError::too_many_levels);
    CHECK(check_topic_name(slashes, wide));
    REQUIRE(parse_topic_filter(slashes, wide));
    CHECK(filter_matches(slashes, slashes));
    CHECK_FALSE(filter_matches(slashes.substr(1), slashes));

    std::string wildcards = "+";
    while (wildcards.size() + 2 <= 65535) {
        wildcards += "/+";
    }
    CHECK(filter_matches(wildcards, slashes.substr(0, wildcards.size() / 2)));
    CHECK_FALSE(filter_matches(wildcards, slashes));
}

TEST_CASE("matching agrees with the plain rule for random filters and topics") {
    static const std::vector<std::string> words{"a", "b", "", "$x", "ab"};
    constexpr std::uint64_t seed = 7;
    CAPTURE(seed);
    gw::Random random{seed};
    int match_count = 0;
    for (int round = 0; round < 200'000; ++round) {
        std::vector<std::string> filter;
        for (std::size_t i = 0, depth = 1 + random.below(4); i < depth; ++i) {
            filter.push_back(random.below(3) == 0 ? "+" : words[random.below(words.size())]);
        }
        if (random.below(4) == 0) {
            filter.back() = "#";
        }
        std::vector<std::string> topic;
        for (std::size_t i = 0, depth = 1 + random.below(4); i < depth; ++i) {
            topic.push_back(words[random.below(words.size())]);
        }
        const std::string filter_text = join(filter);
        const std::string topic_text = join(topic);
        if (filter_text.empty() || topic_text.empty()) {
            continue;
        }
        const bool expected = matches_plainly(filter, topic);
        match_count += expected ? 1 : 0;
        if (filter_matches(filter_text, topic_text) != expected) {
            FAIL("filter " << filter_text << " topic " << topic_text << " expected " << expected);
        }
        const auto parsed = parse_topic_filter(filter_text, TopicLimits{});
        REQUIRE(parsed);
        CHECK(parsed->has_wildcard == (filter_text.find_first_of("+#") != std::string::npos));
    }
    CHECK(match_count > 1000);  // or the test shows little
}
