// Access files of mosquitto: the same clients may do the same.
#include "config/acl/mosquitto_acl.hpp"

#include "broker-core/access/acl_table.hpp"
#include "config/acl/acl_parser.hpp"

#include <doctest/doctest.h>

using namespace gw;

namespace {

/// The rules that an access file comes to.
AclTablePtr imported(std::string_view text) {
    const auto import = config::import_mosquitto_acl("aclfile", text);
    auto parsed = config::parse_acl("imported", import.text);
    REQUIRE_MESSAGE(parsed.diagnostics.empty(), import.text);
    return AclTable::create(std::move(parsed.rules), AccessDecision::allow);
}

bool may(const AclTable& table, std::string_view user, AccessAction action,
         std::string_view topic) {
    ClientIdentity client;
    client.username = user;
    client.client_id = "c1";
    client.is_anonymous = user.empty();
    return table.make_profile(client)->judge(action, topic, client).decision ==
           AccessDecision::allow;
}

}  // namespace

TEST_CASE("an imported access file allows what mosquitto allows") {
    const AclTablePtr table = imported(
        "# comment\n"
        "topic read public/#\n"
        "user ann\n"
        "topic both/of us\n"
        "topic write w/+\n"
        "topic deny w/secret\n"
        "user bob\n"
        "topic read r/#\n"
        "topic read 100%/%u\n"
        "pattern readwrite own/%u/#\n"
        "pattern read id/%c\n"
        "user ann\n"
        "topic readwrite later\n");
    constexpr AccessAction publish = AccessAction::publish;
    constexpr AccessAction read = AccessAction::deliver;
    struct Row {
        const char* user;
        AccessAction action;
        const char* topic;
        bool allowed;
    };
    static constexpr Row rows[] = {
        {"", read, "public/x", true},         {"ann", read, "public/x", false},
        {"", publish, "public/x", false},     {"ann", publish, "both/of us", true},
        {"ann", read, "both/of us", true},    {"ann", publish, "w/x", true},
        {"ann", read, "w/x", false},          {"ann", publish, "w/secret", false},
        {"bob", read, "r/x", true},           {"bob", publish, "r/x", false},
        {"bob", read, "100%/%u", true},       {"ann", publish, "own/ann/x", true},
        {"ann", publish, "own/bob/x", false}, {"", read, "own//x", false},
        {"bob", read, "id/c1", true},         {"bob", read, "id/c2", false},
        {"ann", publish, "later", true},      {"bob", publish, "later", false},
        {"ann", publish, "anything", false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.user);
        CAPTURE(row.topic);
        CHECK(may(*table, row.user, row.action, row.topic) == row.allowed);
    }
    // As there, any subscription is granted, and what may not be read is kept back.
    CHECK(may(*table, "ann", AccessAction::subscribe, "#"));
    ClientIdentity ann;
    ann.username = "ann";
    ann.is_anonymous = false;
    CHECK(table->make_profile(ann)->filters_deliveries());
}

TEST_CASE("what cannot be taken over is told, and widens nothing") {
    const auto import = config::import_mosquitto_acl("aclfile",
                                                     "user ann\n"
                                                     "pattern read dev-%c/x\n"
                                                     "topic\n"
                                                     "topik read a\n"
                                                     "user\n"
                                                     "topic read a/#/b\n"
                                                     "topic read ok\n");
    REQUIRE(import.diagnostics.size() == 5);
    CHECK(import.diagnostics[0].severity == config::Severity::warning);
    CHECK(import.diagnostics[0].line == 2);
    CHECK(import.diagnostics[1].severity == config::Severity::error);
    CHECK(import.diagnostics[4].line == 6);
    CHECK(import.text.find("subscribe ok\n") != std::string::npos);
    CHECK(import.text.find("dev-") == std::string::npos);

    // What is left out of a list of denials is allowed.
    for (const char* const denial : {"pattern deny dev-%c/x\n", "user ann\ntopic deny a/#/b\n"}) {
        const auto wider = config::import_mosquitto_acl("aclfile", denial);
        REQUIRE(wider.diagnostics.size() == 1);
        CHECK(wider.diagnostics[0].severity == config::Severity::error);
    }
}
