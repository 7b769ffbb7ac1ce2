// Who gets in without proof, and what stands at the end of the rules.
#include "broker-core/access/access.hpp"

#include <doctest/doctest.h>

using namespace gw;

TEST_CASE("without proof clients get in where the listener allows it, and only there") {
    AnonymousAuthenticator authenticator;
    const PeerInfo peer;
    Credentials credentials{.peer = peer};
    credentials.allow_anonymous = true;
    credentials.username = "shown";
    const auto allowed = authenticator.authenticate(credentials, 0, 1);
    REQUIRE(allowed.has_value());
    CHECK(allowed->reason == ReasonCode::success);
    CHECK(allowed->is_anonymous);  // a name that was shown proves nothing
    CHECK(allowed->username == "shown");
    CHECK_FALSE(allowed->is_superuser);
    credentials.allow_anonymous = false;
    CHECK(authenticator.authenticate(credentials, 0, 2)->reason ==
          ReasonCode::bad_user_name_or_password);
    credentials.username.reset();
    CHECK(authenticator.authenticate(credentials, 0, 3)->reason == ReasonCode::not_authorized);
    CHECK(AuthDecision{}.reason == ReasonCode::not_authorized);  // nobody by default
}

TEST_CASE("the end of the rules may be switched, and deliveries are asked about when it refuses") {
    const ClientIdentity client;
    const AccessRequest request{.client = client, .action = AccessAction::publish, .topic = "t"};
    NoMatchPolicy policy{AccessDecision::deny};
    CHECK(policy.check(request) == AccessDecision::deny);
    CHECK(policy.checks_delivery(0, "t"));
    policy.set(AccessDecision::allow);
    CHECK(policy.check(request) == AccessDecision::allow);
    CHECK_FALSE(policy.checks_delivery(0, "t"));
}
