// The topics of rules: what they match, cover and overlap, and that no name widens them.
#include "broker-core/access/acl_topic.hpp"

#include "broker-core/base/random.hpp"
#include "broker-core/topic/topic.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

using namespace gw;

namespace {

ClientIdentity client_named(std::string user, std::string client_id) {
    ClientIdentity client;
    client.username = std::move(user);
    client.client_id = std::move(client_id);
    client.is_anonymous = client.username.empty();
    client.ip = *IpAddress::parse("10.1.2.3");
    auto grants = std::make_shared<AuthGrants>();
    grants->attributes = {{"site", "berlin"}, {"bad", "a/#"}};
    client.grants = grants;
    return client;
}

AclTopic topic_of(std::string_view text) {
    const bool is_literal = text.starts_with("eq ");
    auto topic = is_literal ? AclTopic::parse_literal(text.substr(3)) : AclTopic::parse(text);
    REQUIRE_MESSAGE(topic.has_value(), text);
    return std::move(*topic);
}

}  // namespace

TEST_CASE("topics of rules match names as filters do, with placeholders as whole levels") {
    struct Row {
        const char* topic;
        const char* name;
        bool matches;
        const char* because;
    };
    static constexpr Row rows[] = {
        {"a/b", "a/b", true, "the same"},
        {"a/b", "a/bc", false, "a level more than begun"},
        {"a/#", "a", true, "# takes in its parent"},
        {"a/+", "a/", true, "an empty level is a level"},
        {"#", "$SYS/x", false, "wildcards at the root pass over $"},
        {"+/x", "$SYS/x", false, "wildcards at the root pass over $"},
        {"d/%u/#", "d/ann/x", true, "%u is the user"},
        {"d/%u/#", "d/bob/x", false, "and nobody else"},
        {"d/%c", "d/meter-7", true, "%c is the client id"},
        {"d/%a", "d/10.1.2.3", true, "%a is the address"},
        {"d/%a{site}/x", "d/berlin/x", true, "%a{..} is an attribute"},
        {"d/%a{none}/x", "d//x", false, "an attribute that is not set matches nothing"},
        {"d/%a{bad}", "d/a/#", false, "nor does one with wildcards"},
        {"d/%%u", "d/%u", true, "%% is a percent sign"},
        {"100%", "100%", true, "as is one that begins nothing"},
        {"eq a/%u", "a/%u", true, "eq means the text"},
        {"eq a/%u", "a/ann", false, "and only the text"},
    };
    const ClientIdentity client = client_named("ann", "meter-7");
    for (const Row& row : rows) {
        CAPTURE(row.topic);
        CAPTURE(row.name);
        CAPTURE(row.because);
        CHECK(topic_of(row.topic).matches(row.name, client) == row.matches);
    }
}

TEST_CASE("a name with wildcard characters, a slash or a leading $ never widens a rule") {
    for (const char* const name : {"+", "#", "a/b", "+/#", "x#", "$SYS", ""}) {
        CAPTURE(name);
        const ClientIdentity client = client_named(name, name);
        for (const char* const text : {"%c/#", "%u/#", "%c"}) {
            const AclTopic topic = topic_of(text);
            for (const char* const probe : {"a", "a/b", "x/y", "$SYS/y", "+", "#", "/y", "x#/y"}) {
                CHECK_FALSE(topic.matches(probe, client));
                CHECK_FALSE(topic.covers(probe, client));
                CHECK_FALSE(topic.overlaps(probe, client));
            }
        }
    }
    // A user name that was only shown counts for nothing.
    ClientIdentity stranger = client_named("ann", "c");
    stranger.is_anonymous = true;
    CHECK_FALSE(topic_of("%u/#").matches("ann/x", stranger));
}

TEST_CASE("texts that would be misread are refused") {
    for (const char* const text :
         {"", "a/#/b", "a+", "dev-%c", "%client", "%a{x", "%a{}", "$share/g/a", "$queue/a"}) {
        CAPTURE(text);
        CHECK_FALSE(AclTopic::parse(text).has_value());
    }
}

TEST_CASE("covers and overlaps agree with a model that tries every topic") {
    // Topics of up to four levels over letters that filters use and one that they do not.
    std::vector<std::string> topics;
    const std::vector<std::string> letters{"a", "b", "z", "", "$x"};
    for (const std::string& one : letters) {
        topics.push_back(one);
    }
    for (std::size_t begin = 0, level = 1; level < 4; ++level) {
        const std::size_t end = topics.size();
        for (; begin < end; ++begin) {
            for (const std::string& one : letters) {
                topics.push_back(topics[begin] + "/" + one);
            }
        }
    }
    std::erase(topics, "");
    Random random{20240601};
    const auto draw = [&random] {
        static constexpr const char* levels[] = {"a", "b", "+", "+", "", "$x"};
        std::string filter;
        const std::uint64_t count = 1 + random.below(3);
        for (std::uint64_t i = 0; i < count; ++i) {
            filter += (i == 0 ? "" : "/") + std::string{levels[random.below(6)]};
        }
        // "/#" has the empty topic for a parent, which cannot be: the answers are then careful
        // ones.
        filter = filter.empty() || filter.starts_with('/') ? "a" + filter : filter;
        if (random.below(3) == 0) {
            filter = count == 1 && random.below(3) == 0 ? "#" : filter + "/#";
        }
        return filter.empty() ? std::string{"a"} : filter;
    };
    const ClientIdentity client = client_named("ann", "c");
    std::set<std::pair<bool, bool>> seen;
    for (int round = 0; round < 4000; ++round) {
        const std::string outer = draw();
        const std::string inner = draw();
        bool covers = true;
        bool overlaps = false;
        for (const std::string& topic : topics) {
            const bool in_inner = filter_matches(inner, topic);
            const bool in_outer = filter_matches(outer, topic);
            covers = covers && (!in_inner || in_outer);
            overlaps = overlaps || (in_inner && in_outer);
        }
        CAPTURE(outer);
        CAPTURE(inner);
        const AclTopic topic = topic_of(outer);
        REQUIRE(topic.covers(inner, client) == covers);
        REQUIRE(topic.overlaps(inner, client) == overlaps);
        if (overlaps && !covers) {
            REQUIRE(topic.can_be_covered_in_part());
        }
        seen.insert({covers, overlaps});
    }
    CHECK(seen.size() == 3);  // all that there can be were met
}
