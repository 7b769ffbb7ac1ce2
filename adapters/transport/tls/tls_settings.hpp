#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gw::transport {

/// How one listener speaks TLS. Files are PEM; empty names: none.
struct TlsSettings {
    struct CertificateFiles {
        std::string certificate_file;  // the chain, the listener's own certificate first
        std::string key_file;
    };
    enum class Versions : std::uint8_t { tls_1_2_and_1_3, tls_1_3, tls_1_2 };
    enum class Verify : std::uint8_t { none, peer };
    enum class CrlCheck : std::uint8_t { leaf, chain };
    enum class AlpnMismatch : std::uint8_t { accept, refuse };

    CertificateFiles certificate;  // may be empty where there is a psk_file
    /// Further certificates, for clients that name a host (SNI) that one of them is for.
    std::vector<CertificateFiles> named_certificates;
    std::string ca_file;  // whose certificates clients may show
    std::string crl_file;
    std::string dh_file;
    std::string psk_file;  // PskTable
    std::string psk_hint;
    Verify verify = Verify::none;
    bool requires_certificate = true;  // with Verify::peer
    CrlCheck crl_check = CrlCheck::leaf;
    int verify_depth = 10;  // certificates between the client's and the authority's
    Versions versions = Versions::tls_1_2_and_1_3;
    std::string ciphers;  // OpenSSL's names, TLS 1.3's among them; empty: default_ciphers()
    std::string groups = "X25519:P-256:P-384:P-521";
    bool honors_cipher_order = true;
    bool resumes_sessions = true;
    std::vector<std::string> alpn;  // the protocols behind this listener; none: ALPN is ignored
    AlpnMismatch alpn_mismatch = AlpnMismatch::accept;
};

}  // namespace gw::transport
