#include "adapters/transport/tls/tls_context.hpp"

#include "tests/support/doctest_strings.hpp"
#include "tests/support/temp_folder.hpp"
#include "tests/support/test_pki.hpp"

#include <doctest/doctest.h>
#include <openssl/pem.h>

#include <functional>
#include <string>

using namespace gw;
using namespace gw::transport;
using namespace gw::test;

namespace {

std::string encrypted_pem(EVP_PKEY* key) {
    const BioPtr bio{BIO_new(BIO_s_mem())};
    char password[] = "secret";
    PEM_write_bio_PKCS8PrivateKey(bio.get(), key, EVP_aes_256_cbc(), password, 6, nullptr, nullptr);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

}  // namespace

TEST_CASE("what is wrong with a file is said with its name") {
    TempFolder folder;
    TestAuthority authority;
    const IssuedCertificate own = authority.issue({});
    const IssuedCertificate other = authority.issue({});
    const std::string certificate = folder.write("cert.pem", own.certificate_pem());
    const std::string key = folder.write("key.pem", own.key_pem());
    const std::string garbage = folder.write("garbage", "no PEM at all");
    const std::string cut =
        folder.write("cut", own.certificate_pem().substr(0, 100) + "\n-----END CERTIFICATE-----\n");
    const std::string wrong_key = folder.write("wrong.pem", other.key_pem());
    const std::string locked = folder.write("locked.pem", encrypted_pem(own.key.get()));
    const std::string psk = folder.write("psk", "broken");
    const std::string missing = (folder.path() / "missing").string();
    struct Row {
        std::function<void(TlsSettings&)> change;
        std::string error;
    };
    const auto peer = TlsSettings::Verify::peer;
    const Row rows[] = {
        {[&](auto& s) { s.certificate = {}; }, "certfile and keyfile are missing"},
        {[&](auto& s) { s.certificate.key_file = ""; }, "certfile and keyfile belong together"},
        {[&](auto& s) { s.certificate.certificate_file = missing; },
         missing + ": No such file or directory"},
        {[&](auto& s) { s.certificate.certificate_file = garbage; },
         garbage + ": there is no certificate in it"},
        {[&](auto& s) { s.certificate.certificate_file = cut; }, cut + ": "},
        {[&](auto& s) { s.certificate.key_file = garbage; }, garbage + ": no private key: "},
        {[&](auto& s) { s.certificate.key_file = wrong_key; },
         wrong_key + ": not the key of the certificate in " + certificate},
        {[&](auto& s) { s.certificate.key_file = locked; }, locked + ": the key is encrypted"},
        {[&](auto& s) { s.verify = peer; }, "cacertfile is missing: verify_peer needs it"},
        {[&](auto& s) {
             s.verify = peer;
             s.ca_file = garbage;
         },
         garbage + ": there is no certificate in it"},
        {[&](auto& s) {
             s.verify = peer;
             s.ca_file = certificate;
             s.crl_file = garbage;
         },
         garbage + ": there is no revocation list in it"},
        {[&](auto& s) { s.dh_file = garbage; },
         garbage + ": there are no Diffie-Hellman parameters in it"},
        {[&](auto& s) { s.psk_file = psk; }, psk + ": line 1: not of the form identity:key"},
        {[&](auto& s) { s.ciphers = "NO-SUCH-CIPHER"; }, "ciphers: no cipher match"},
        {[&](auto& s) { s.ciphers = "TLS_NO_SUCH"; }, "ciphers: "},
        {[&](auto& s) { s.groups = "P-257"; }, "groups: "},
        {[&](auto& s) {
             s.named_certificates = {{missing, key}};
         },
         missing + ": No such file or directory"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.error);
        TlsSettings settings;
        settings.certificate = {certificate, key};
        row.change(settings);
        const auto made = TlsContext::make(settings, std::make_shared<TicketKeys>());
        REQUIRE_FALSE(made);
        CHECK(made.error().text().substr(0, row.error.size()) == row.error);
    }
    TlsSettings settings;
    settings.certificate = {certificate, key};
    settings.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256,TLS_AES_128_GCM_SHA256";
    const auto made = TlsContext::make(settings, std::make_shared<TicketKeys>());
    REQUIRE(made);
    REQUIRE((*made)->certificates().size() == 1);
    CHECK((*made)->certificates()[0].file == certificate);
    CHECK((*made)->certificates()[0].subject == "CN=client");
}
