#pragma once

#include "adapters/transport/tls/openssl.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gw::test {

/// What a certificate shall say.
struct CertificateRequest {
    std::vector<std::string> common_names{"client"};
    std::string organization{};
    std::string alternative_names{};  // OpenSSL's notation: "DNS:a.example,URI:urn:x"
    int valid_from_days = -1;
    int valid_until_days = 30;
    bool uses_rsa = false;  // else P-256, which is fast to make
};

struct IssuedCertificate {
    transport::X509Ptr certificate;
    transport::KeyPtr key;

    std::string certificate_pem() const;
    std::string key_pem() const;
};

/// A certificate authority that exists for one test.
class TestAuthority {
public:
    explicit TestAuthority(const std::string& name = "Test authority");

    IssuedCertificate issue(const CertificateRequest& request);
    std::string certificate_pem() const { return own_.certificate_pem(); }
    /// A list that revokes these.
    std::string revocation_list_pem(const std::vector<const X509*>& revoked) const;

private:
    IssuedCertificate own_;
    long next_serial_ = 1;
};

}  // namespace gw::test
