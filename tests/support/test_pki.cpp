#include "tests/support/test_pki.hpp"

#include "broker-core/base/assert.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace gw::test {

namespace {

using transport::BioPtr;
using transport::KeyPtr;
using transport::X509CrlPtr;
using transport::X509Ptr;

std::string text_of(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return {data, static_cast<std::size_t>(size)};
}

void add_to_name(X509_NAME* name, const char* field, const std::string& text) {
    GW_ASSERT(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                         reinterpret_cast<const unsigned char*>(text.data()),
                                         static_cast<int>(text.size()), -1, 0) == 1);
}

void add_extension(X509* certificate, int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    GW_ASSERT(extension != nullptr);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

KeyPtr make_key(bool uses_rsa) {
    KeyPtr key{uses_rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256")};
    GW_ASSERT(key != nullptr);
    return key;
}

X509Ptr begin_certificate(long serial, EVP_PKEY* key, const CertificateRequest& request) {
    constexpr long day_seconds = 86400;
    X509Ptr certificate{X509_new()};
    X509_set_version(certificate.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), request.valid_from_days * day_seconds);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), request.valid_until_days * day_seconds);
    X509_set_pubkey(certificate.get(), key);
    X509_NAME* const subject = X509_get_subject_name(certificate.get());
    if (!request.organization.empty()) {
        add_to_name(subject, "O", request.organization);
    }
    for (const std::string& name : request.common_names) {
        add_to_name(subject, "CN", name);
    }
    return certificate;
}

}  // namespace

std::string IssuedCertificate::certificate_pem() const {
    const BioPtr bio{BIO_new(BIO_s_mem())};
    PEM_write_bio_X509(bio.get(), certificate.get());
    return text_of(bio.get());
}

std::string IssuedCertificate::key_pem() const {
    const BioPtr bio{BIO_new(BIO_s_mem())};
    PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    return text_of(bio.get());
}

TestAuthority::TestAuthority(const std::string& name) {
    own_.key = make_key(false);
    own_.certificate = begin_certificate(next_serial_++, own_.key.get(), {.common_names = {name}});
    X509_set_issuer_name(own_.certificate.get(), X509_get_subject_name(own_.certificate.get()));
    add_extension(own_.certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
    add_extension(own_.certificate.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
    GW_ASSERT(X509_sign(own_.certificate.get(), own_.key.get(), EVP_sha256()) > 0);
}

IssuedCertificate TestAuthority::issue(const CertificateRequest& request) {
    IssuedCertificate issued;
    issued.key = make_key(request.uses_rsa);
    issued.certificate = begin_certificate(next_serial_++, issued.key.get(), request);
    X509_set_issuer_name(issued.certificate.get(), X509_get_subject_name(own_.certificate.get()));
    if (!request.alternative_names.empty()) {
        add_extension(issued.certificate.get(), NID_subject_alt_name, request.alternative_names);
    }
    GW_ASSERT(X509_sign(issued.certificate.get(), own_.key.get(), EVP_sha256()) > 0);
    return issued;
}

std::string TestAuthority::revocation_list_pem(const std::vector<const X509*>& revoked) const {
    const X509CrlPtr list{X509_CRL_new()};
    X509_CRL_set_version(list.get(), 1);
    X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(own_.certificate.get()));
    ASN1_TIME* const when = ASN1_TIME_new();
    X509_gmtime_adj(when, -3600);
    X509_CRL_set1_lastUpdate(list.get(), when);
    for (const X509* const one : revoked) {
        X509_REVOKED* const entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry,
                                      const_cast<ASN1_INTEGER*>(X509_get0_serialNumber(one)));
        X509_REVOKED_set_revocationDate(entry, when);
        X509_CRL_add0_revoked(list.get(), entry);
    }
    X509_gmtime_adj(when, 86400);
    X509_CRL_set1_nextUpdate(list.get(), when);
    ASN1_TIME_free(when);
    X509_CRL_sort(list.get());
    GW_ASSERT(X509_CRL_sign(list.get(), own_.key.get(), EVP_sha256()) > 0);
    const BioPtr bio{BIO_new(BIO_s_mem())};
    PEM_write_bio_X509_CRL(bio.get(), list.get());
    return text_of(bio.get());
}

}  // namespace gw::test
