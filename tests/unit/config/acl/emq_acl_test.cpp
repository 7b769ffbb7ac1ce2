// EMQ 2's etc/acl.conf, Erlang terms, as rules of ours.
#include "config/acl/emq_acl.hpp"

#include "broker-core/access/acl_table.hpp"
#include "config/acl/acl_parser.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace gw;
using namespace gw::config;

TEST_CASE("the file that EMQ ships keeps its meaning") {
    const auto imported = import_emq_acl("acl.conf", R"(
%%%-----------------------------------------------------------------------------
{allow, {user, "dashboard"}, subscribe, ["$SYS/#"]}.

{allow, {ipaddr, "127.0.0.1"}, pubsub, ["$SYS/#", "#"]}.  % who runs here

{deny, all, subscribe, ["$SYS/#", {eq, "#"}]}.

{allow, all}.
)");
    CHECK(imported.diagnostics.empty());
    CHECK(imported.text.substr(imported.text.find('\n') + 1) ==
          "allow = user=dashboard subscribe $SYS/#\n"
          "allow = ip=127.0.0.1 pubsub $SYS/#, #\n"
          "deny = all subscribe $SYS/#, eq #\n"
          "allow = all\n");
    CHECK(parse_acl("i", imported.text).diagnostics.empty());
}

TEST_CASE("each form of EMQ's rules has a form here") {
    struct Row {
        const char* term;
        const char* lines;
    };
    static constexpr Row rows[] = {
        {"{deny, all}.", "deny = all\n"},
        {"{allow, {user, all}, publish, [\"a\"]}.", "allow = all publish a\n"},
        {"{allow, {client, \"c 1\"}, publish, [\"a b\"]}.",
         "allow = client=\"c 1\" publish \"a b\"\n"},
        {"{allow, {client, \"c*\"}, publish, [\"a\"]}.", "allow = client=\"c*\" publish a\n"},
        {"{allow, {'and', [{user, \"u\"}, {ipaddr, \"10.0.0.0/8\"}]}, subscribe, [\"%u/+\"]}.",
         "allow = user=u ip=10.0.0.0/8 subscribe %u/+\n"},
        {"{deny, {'or', [{user, \"u\"}, {client, \"c\"}]}, pubsub, [\"x\"]}.",
         "deny = user=u pubsub x\ndeny = client=c pubsub x\n"},
        {"{deny, {'and', [{'or', [{user, \"u\"}, {user, \"v\"}]}, {client, \"c\"}, all]}, "
         "pubsub, [\"x\"]}.",
         "deny = user=u client=c pubsub x\ndeny = user=v client=c pubsub x\n"},
        {"{allow, all, subscribe, [\"dev-%c/50%\", {eq, \"%c\"}]}.",
         "allow = all subscribe dev-%%c/50%%, eq %c\n"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.term);
        const auto imported = import_emq_acl("f", row.term);
        CHECK(imported.diagnostics.empty());
        CHECK(imported.text.substr(imported.text.find('\n') + 1) == row.lines);
        CHECK(parse_acl("i", imported.text).diagnostics.empty());
    }
}

TEST_CASE("what is not understood is an error at its place, and the rest is read all the same") {
    const auto imported = import_emq_acl("f",
                                         "{allow, all, subscribe, [\"a/#/b\"]}.\n"
                                         "{alow, all}.\n"
                                         "{allow, {ipaddr, \"here\"}, publish, [\"a\"]}.\n"
                                         "{allow, {host, \"x\"}, publish, [\"a\"]}.\n"
                                         "{allow, all, write, [\"a\"]}.\n"
                                         "{allow, all, publish, []}.\n"
                                         "{allow, all, publish, [\"a]}.\n"
                                         "{allow, all\n");
    REQUIRE(imported.diagnostics.size() == 8);
    const std::size_t columns[] = {26, 1, 18, 9, 14, 23, 24, 0};
    for (std::size_t i = 0; i < 7; ++i) {
        CAPTURE(imported.diagnostics[i].text);
        CHECK(imported.diagnostics[i].line == i + 1);
        CHECK(imported.diagnostics[i].column == columns[i]);
    }
    CHECK(import_emq_acl("f", "{allow, all}.\x01").diagnostics.size() == 1);
    CHECK_FALSE(import_emq_acl("f", std::string(5000, '{')).diagnostics.empty());
    // Alternatives multiply: bounded.
    std::string deep = "{user, \"a\"}";
    for (int i = 0; i < 6; ++i) {
        deep = "{'or', [" + deep + ", " + deep + "]}";
    }
    const std::string wide = "{allow, {'and', [" + deep + ", " + deep + "]}, publish, [\"a\"]}.";
    CHECK(import_emq_acl("f", wide).diagnostics.size() == 1);
}

TEST_CASE("EMQ's files are told from mosquitto's") {
    CHECK(is_emq_acl("%% comment\n\n  {allow, all}."));
    CHECK_FALSE(is_emq_acl("# comment\nuser ann\n"));
    CHECK_FALSE(is_emq_acl("topic {a}\n"));
    CHECK_FALSE(is_emq_acl(""));
}
