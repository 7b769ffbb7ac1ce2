// The policy: the same answers as the table, other rules from one moment on, each worker for
// itself.
#include "broker-core/access/acl_policy.hpp"

#include "config/acl/acl_parser.hpp"

#include <doctest/doctest.h>

using namespace gw;

namespace {

AclTablePtr table_of(std::string_view text) {
    auto parsed = config::parse_acl("acl", text);
    REQUIRE(parsed.diagnostics.empty());
    return AclTable::create(std::move(parsed.rules), AccessDecision::allow);
}

AccessRequest publish_of(const ClientIdentity& client, std::string_view topic) {
    return {.client = client, .action = AccessAction::publish, .topic = topic};
}

}  // namespace

TEST_CASE("rules that are installed count at once, for clients that were there too") {
    AclPolicy policy{2, table_of("deny = user=ann publish a\n")};
    ClientIdentity ann;
    ann.username = "ann";
    ann.is_anonymous = false;
    ann.session = SessionRef{1, 7, 1};
    CHECK(policy.check(publish_of(ann, "a")) == AccessDecision::deny);
    CHECK(policy.check(publish_of(ann, "b")) == AccessDecision::allow);
    policy.install(0, table_of("allow = all\n"));
    CHECK(policy.check(publish_of(ann, "a")) == AccessDecision::deny);  // another worker's rules
    policy.install(1, table_of("deny = user=ann subscribe b/x\n"));
    CHECK(policy.check(publish_of(ann, "a")) == AccessDecision::allow);
    CHECK(policy.checks_delivery(1, "b/x"));
    CHECK_FALSE(policy.checks_delivery(0, "b/x"));
    CHECK(policy.refuses_subscriptions(1));
    CHECK_FALSE(policy.refuses_subscriptions(0));
}

TEST_CASE("what was found about a client does not follow it into a copy with other rights") {
    AclPolicy policy{1, table_of("deny = group=guests publish a\n")};
    ClientIdentity before;
    CHECK(policy.check(publish_of(before, "a")) == AccessDecision::allow);
    ClientIdentity after{before};
    auto grants = std::make_shared<AuthGrants>();
    grants->groups = {"guests"};
    after.grants = grants;
    CHECK(policy.check(publish_of(after, "a")) == AccessDecision::deny);
}

TEST_CASE("clients come and go without profiles piling up") {
    std::string text;
    for (int i = 0; i < 500; ++i) {
        text += "deny = user=u" + std::to_string(i) + " publish a\n";
    }
    AclPolicy policy{1, table_of(text)};
    for (int i = 0; i < 500; ++i) {
        ClientIdentity client;
        client.username = "u" + std::to_string(i);
        client.is_anonymous = false;
        REQUIRE(policy.check(publish_of(client, "a")) == AccessDecision::deny);
        REQUIRE(policy.check(publish_of(client, "b")) == AccessDecision::allow);
    }
    CHECK(policy.profile_count(0) <= 65);
}
