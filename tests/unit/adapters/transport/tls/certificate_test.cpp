#include "adapters/transport/tls/certificate.hpp"

#include "tests/support/doctest_strings.hpp"
#include "tests/support/test_pki.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

using namespace gw;
using namespace gw::transport;

namespace {

TransportIdentityPtr identity(const test::CertificateRequest& request) {
    test::TestAuthority authority;
    return identity_of(*authority.issue(request).certificate);
}

}  // namespace

TEST_CASE("a certificate gives its names, the most specific first") {
    const auto found = identity({.common_names = {"meter-7"},
                                 .organization = "Works, Inc",
                                 .alternative_names = "DNS:a.example,URI:urn:dev:7,"
                                                      "email:m@a.example,IP:10.0.0.7,IP:fd00::7"});
    CHECK(found->common_name == "meter-7");
    CHECK(found->subject == "CN=meter-7,O=Works\\, Inc");
    CHECK(found->alternative_names == std::vector<std::string>{"DNS:a.example", "URI:urn:dev:7",
                                                               "email:m@a.example", "IP:10.0.0.7",
                                                               "IP:fd00::7"});
    CHECK(found->fingerprint.size() == 64);
    CHECK(found->fingerprint.find_first_not_of("0123456789abcdef") == std::string::npos);
    CHECK(found->psk_identity.empty());
}

TEST_CASE("names beyond ASCII are UTF-8") {
    const auto found = identity({.common_names = {"Zähler"}});
    CHECK(found->common_name == "Zähler");
    CHECK(found->subject == "CN=Zähler");
}

TEST_CASE("a common name that could be taken for another is none") {
    CHECK(identity({.common_names = {"admin", "mallory"}})->common_name.empty());
    CHECK(identity({.common_names = {std::string{"admin\0.example", 14}}})->common_name.empty());
    CHECK(identity({.common_names = {}, .organization = "Works"})->common_name.empty());
}

TEST_CASE("the expiry is that of the certificate") {
    test::TestAuthority authority;
    const auto issued = authority.issue({.valid_until_days = 2});
    const auto left = expiry_of(*issued.certificate) - std::chrono::system_clock::now();
    CHECK(left > std::chrono::hours{47});
    CHECK(left <= std::chrono::hours{48});
}
