// The language of acl.conf: what is read, and how mistakes are told.
#include "config/acl/acl_parser.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

using namespace gw;
using config::parse_acl;

namespace {

std::string first_error(std::string_view text) {
    const config::ParsedAcl parsed = parse_acl("acl.conf", text);
    return parsed.diagnostics.empty() ? "" : parsed.diagnostics.front().line_text();
}

}  // namespace

TEST_CASE("rules are read in order, with all that they say") {
    const auto parsed =
        parse_acl("acl.conf",
                  "# a comment\n"
                  "\n"
                  "allow = user=ann|\"bob smith\" ip!=10.0.0.0/8 pubsub  a/#, eq #\r\n"
                  "  deny=client=meter-*   subscribe \"x y/#\",b\n"
                  "allow = all\n"
                  "deny = attr.site=berlin group=ops protocol=mqtt-sn publish\n"
                  "allow = anonymous receive a\n");
    REQUIRE(parsed.diagnostics.empty());
    REQUIRE(parsed.rules.size() == 5);
    const AclRule& first = parsed.rules[0];
    CHECK(first.is_allow);
    CHECK(first.line == 3);
    CHECK(first.describe() ==
          "acl.conf:3: allow = user=ann|\"bob smith\" ip!=10.0.0.0/8 pubsub  a/#, eq #");
    REQUIRE(first.conditions.size() == 2);
    CHECK(first.conditions[0].texts.at(1).text == "bob smith");
    CHECK(first.conditions[1].is_negated);
    REQUIRE(first.topics.size() == 2);
    CHECK(first.topics[1].text() == "eq #");
    CHECK((first.for_publish && first.for_subscribe && first.for_receive));
    const AclRule& second = parsed.rules[1];
    CHECK(second.conditions[0].texts.at(0).is_prefix);
    CHECK(second.conditions[0].texts.at(0).text == "meter-");
    CHECK((!second.for_publish && second.for_subscribe && second.for_receive));
    CHECK(second.topics.at(0).text() == "x y/#");
    CHECK(parsed.rules[2].conditions.empty());
    CHECK(parsed.rules[2].topics.empty());
    CHECK(parsed.rules[3].conditions.size() == 3);
    CHECK((parsed.rules[3].for_publish && !parsed.rules[3].for_subscribe));
    CHECK((!parsed.rules[4].for_subscribe && parsed.rules[4].for_receive));
}

TEST_CASE("every mistake is told at its place, all of them at once") {
    struct Row {
        const char* line;
        std::size_t column;
        const char* part;
    };
    static constexpr Row rows[] = {
        {"alow = all", 1, "`allow =` or `deny =`"},
        {"allow all", 7, "expected `=`"},
        {"allow =", 8, "for whom?"},
        {"allow = publish a", 9, "for whom?"},
        {"allow = usr=ann publish a", 9, "neither a condition"},
        {"allow = !user=ann publish a", 10, "`!` stands before"},
        {"allow = user publish a", 13, "expected `=` or `!=`"},
        {"allow = user= publish a", 14, "a value is missing"},
        {"allow = user=ann| publish a", 18, "a value is missing"},
        {"allow = ip=10.0.0.0/33", 12, "no address"},
        {"allow = protocol=http", 18, "the protocols are"},
        {"allow = all user=ann", 13, "`all` stands alone"},
        {"allow = all subscribe a # why", 25, "a comment needs a line of its own"},
        {"allow = all subscribe a,", 25, "a topic filter is missing"},
        {"allow = all subscribe a, dev-%c", 26, "a placeholder must fill its level"},
        {"allow = all subscribe a/#/b", 23, "wildcard"},
        {"allow = all subscribe eq", 25, "a topic filter is missing"},
        {"allow = all subscribe $share/g/a", 23, "leave"},
        {"allow = all subscribe \"a", 23, "closing quote"},
        {"allow = all subscribe \"\\a\"", 24, "after a backslash"},
        {"allow = user=\xff", 0, "UTF-8"},
        {"allow = user=a\x01", 15, "control character"},
    };
    std::string all;
    for (const Row& row : rows) {
        CAPTURE(row.line);
        const auto parsed = parse_acl("f", row.line);
        CHECK(parsed.rules.empty());
        REQUIRE(parsed.diagnostics.size() == 1);
        CHECK(parsed.diagnostics[0].line == 1);
        CHECK(parsed.diagnostics[0].column == row.column);
        CHECK_MESSAGE(parsed.diagnostics[0].text.find(row.part) != std::string::npos,
                      parsed.diagnostics[0].text);
        all += std::string{row.line} + "\n";
    }
    CHECK(parse_acl("f", all).diagnostics.size() == std::size(rows));
    CHECK(first_error("allow = all\nallow = ümlaut\n").starts_with("acl.conf:2:9: error: "));
}

TEST_CASE("the shipped file and the built-in rules are the same") {
    std::ifstream in{std::string{GW_SOURCE_DIR} + "/config/acl.conf"};
    std::stringstream text;
    text << in.rdbuf();
    const auto shipped = parse_acl("acl.conf", text.str());
    const auto built_in = parse_acl("built-in", config::default_acl_text());
    CHECK(shipped.diagnostics.empty());
    REQUIRE(shipped.rules.size() == built_in.rules.size());
    for (std::size_t i = 0; i < shipped.rules.size(); ++i) {
        CHECK(shipped.rules[i].text == built_in.rules[i].text);
    }
}

TEST_CASE("words that would be read as something else are put in quotes") {
    for (const char* const name : {"ann", "a b", "a,b", "a|b", "eq", "a*", "a\"b\\", "x=y", "#"}) {
        CAPTURE(name);
        const auto parsed = parse_acl("f", "allow = user=" + config::acl_word(name));
        REQUIRE(parsed.rules.size() == 1);
        CHECK(parsed.rules[0].conditions.at(0).texts.at(0).text == name);
        CHECK_FALSE(parsed.rules[0].conditions.at(0).texts.at(0).is_prefix);
    }
}
