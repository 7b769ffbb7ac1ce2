#include "adapters/transport/tls/tls_context.hpp"

#include "adapters/transport/tls/certificate.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <utility>

/// Reading a listener's files. What is asked during a handshake is in tls_callbacks.cpp.
namespace gw::transport {

namespace {

/// Forward secrecy and authenticated encryption; what is for pre-shared keys or DHE is added where
/// there are such keys or parameters. TLS 1.3 has only good ones.
constexpr std::string_view certificate_ciphers =
    "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AESCCM:ECDHE+AESCCM8";
constexpr std::string_view dh_ciphers = ":DHE+AESGCM:DHE+CHACHA20";
constexpr std::string_view psk_ciphers =
    ":kECDHEPSK+CHACHA20:kECDHEPSK+AES:kDHEPSK+AESGCM:kDHEPSK+CHACHA20:kDHEPSK+AESCCM:kPSK+AESGCM"
    ":kPSK+CHACHA20:kPSK+AESCCM:kPSK+AESCCM8:kPSK+AES:!eNULL";

BioPtr reader_of(const std::string& text) {
    return BioPtr{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
}

/// OpenSSL would ask at the terminal.
int no_password(char*, int, int, void*) {
    return -1;
}

Error wrong(const std::string& file, const std::string& what) {
    return Error{Errc::invalid_argument, file + ": " + what};
}

/// Whether reading stopped because there is nothing more of the kind, and not at a broken piece.
bool is_at_end() {
    const unsigned long code = ERR_peek_last_error();
    const bool at_end =
        ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
    if (at_end) {
        ERR_clear_error();
    }
    return at_end;
}

Result<std::vector<X509Ptr>> read_certificates(const std::string& file, const std::string& text) {
    const BioPtr bio = reader_of(text);
    std::vector<X509Ptr> found;
    while (X509* const one = PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr)) {
        found.emplace_back(one);
    }
    if (!is_at_end()) {
        return wrong(file, take_openssl_error());
    }
    if (found.empty()) {
        return wrong(file, "there is no certificate in it");
    }
    return found;
}

}  // namespace

TlsContext::TlsContext(const TlsSettings& settings, std::shared_ptr<TicketKeys> tickets)
    : settings_(settings),
      tickets_(std::move(tickets)),
      context_(SSL_CTX_new(TLS_server_method())) {}

Result<TlsContextPtr> TlsContext::make(const TlsSettings& settings,
                                       std::shared_ptr<TicketKeys> tickets) {
    ERR_clear_error();
    std::shared_ptr<TlsContext> context{new TlsContext{settings, std::move(tickets)}};
    if (!context->context_) {
        return Error{Errc::unavailable, take_openssl_error()};
    }
    auto loaded = context->load();
    if (!loaded) {
        ERR_clear_error();
        return std::move(loaded).error();
    }
    return TlsContextPtr{std::move(context)};
}

Result<void> TlsContext::load() {
    SSL_CTX* const context = context_.get();
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 0);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    if (settings_.honors_cipher_order) {
        SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    }
    set_versions();
    for (const auto step :
         {&TlsContext::load_psk, &TlsContext::load_certificates, &TlsContext::load_authorities,
          &TlsContext::load_revocations, &TlsContext::load_dh, &TlsContext::set_ciphers}) {
        auto done = (this->*step)();
        if (!done) {
            return done;
        }
    }
    set_tickets();
    set_callbacks();
    return {};
}

void TlsContext::set_versions() {
    using Versions = TlsSettings::Versions;
    SSL_CTX_set_min_proto_version(
        context_.get(), settings_.versions == Versions::tls_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(
        context_.get(), settings_.versions == Versions::tls_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION);
}

// --------------------------------------------------------------------------------- certificates

Result<TlsContext::NamedCertificate> TlsContext::read_certificate(
    const TlsSettings::CertificateFiles& files) {
    const auto text = read_whole_file(files.certificate_file);
    if (!text) {
        return text.error();
    }
    auto certificates = read_certificates(files.certificate_file, *text);
    if (!certificates) {
        return std::move(certificates).error();
    }
    auto key_text = read_whole_file(files.key_file);
    if (!key_text) {
        return key_text.error();
    }
    NamedCertificate read;
    read.key.reset(
        PEM_read_bio_PrivateKey(reader_of(*key_text).get(), nullptr, no_password, nullptr));
    OPENSSL_cleanse(key_text->data(), key_text->size());
    if (!read.key) {
        const bool is_encrypted =
            key_text && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_BAD_PASSWORD_READ;
        return wrong(files.key_file, is_encrypted ? "the key is encrypted: store it without a "
                                                    "password, readable by the program alone"
                                                  : "no private key: " + take_openssl_error());
    }
    read.certificate = std::move(certificates->front());
    certificates->erase(certificates->begin());
    read.chain = std::move(*certificates);
    if (X509_check_private_key(read.certificate.get(), read.key.get()) != 1) {
        return wrong(files.key_file, "not the key of the certificate in " + files.certificate_file);
    }
    notes_.push_back(
        {files.certificate_file, subject_of(*read.certificate), expiry_of(*read.certificate)});
    return read;
}

Result<void> TlsContext::load_certificates() {
    const TlsSettings::CertificateFiles& own = settings_.certificate;
    if (own.certificate_file.empty() != own.key_file.empty()) {
        return Error{Errc::invalid_argument, "certfile and keyfile belong together"};
    }
    if (own.certificate_file.empty() && psk_ && settings_.named_certificates.empty()) {
        return {};  // pre-shared keys only
    }
    if (own.certificate_file.empty()) {
        return Error{Errc::invalid_argument, "certfile and keyfile are missing"};
    }
    auto read = read_certificate(own);
    if (!read) {
        return std::move(read).error();
    }
    SSL_CTX* const context = context_.get();
    if (SSL_CTX_use_certificate(context, read->certificate.get()) != 1 ||
        SSL_CTX_use_PrivateKey(context, read->key.get()) != 1) {
        return wrong(own.certificate_file, take_openssl_error());
    }
    for (const X509Ptr& one : read->chain) {
        if (SSL_CTX_add1_chain_cert(context, one.get()) != 1) {
            return wrong(own.certificate_file, take_openssl_error());
        }
    }
    for (const TlsSettings::CertificateFiles& files : settings_.named_certificates) {
        auto named = read_certificate(files);
        if (!named) {
            return std::move(named).error();
        }
        named_.push_back(std::move(*named));
    }
    return {};
}

Result<void> TlsContext::load_authorities() {
    if (settings_.verify == TlsSettings::Verify::none) {
        return {};
    }
    if (settings_.ca_file.empty()) {
        return Error{Errc::invalid_argument, "cacertfile is missing: verify_peer needs it"};
    }
    auto text = read_whole_file(settings_.ca_file);
    if (!text) {
        return std::move(text).error();
    }
    auto authorities = read_certificates(settings_.ca_file, *text);
    if (!authorities) {
        return std::move(authorities).error();
    }
    X509_STORE* const store = SSL_CTX_get_cert_store(context_.get());
    for (const X509Ptr& one : *authorities) {
        if (X509_STORE_add_cert(store, one.get()) != 1 ||
            SSL_CTX_add_client_CA(context_.get(), one.get()) != 1) {
            return wrong(settings_.ca_file, take_openssl_error());
        }
    }
    trust_ += *text;
    SSL_CTX_set_verify(context_.get(),
                       SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE |
                           (settings_.requires_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       nullptr);
    SSL_CTX_set_verify_depth(context_.get(), settings_.verify_depth);
    return {};
}

Result<void> TlsContext::load_revocations() {
    if (settings_.crl_file.empty() || settings_.verify == TlsSettings::Verify::none) {
        return {};
    }
    const auto text = read_whole_file(settings_.crl_file);
    if (!text) {
        return text.error();
    }
    X509_STORE* const store = SSL_CTX_get_cert_store(context_.get());
    const BioPtr bio = reader_of(*text);
    std::size_t count = 0;
    while (X509_CRL* const one = PEM_read_bio_X509_CRL(bio.get(), nullptr, no_password, nullptr)) {
        const X509CrlPtr list{one};
        if (X509_STORE_add_crl(store, one) != 1) {
            return wrong(settings_.crl_file, take_openssl_error());
        }
        ++count;
    }
    if (!is_at_end() || count == 0) {
        return wrong(settings_.crl_file,
                     count == 0 ? "there is no revocation list in it" : take_openssl_error());
    }
    X509_STORE_set_flags(store, settings_.crl_check == TlsSettings::CrlCheck::chain
                                    ? X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL
                                    : X509_V_FLAG_CRL_CHECK);
    trust_ += *text;
    return {};
}

// ------------------------------------------------------------------------------ ciphers and keys

Result<void> TlsContext::load_dh() {
    if (settings_.dh_file.empty()) {
        return {};
    }
    const auto text = read_whole_file(settings_.dh_file);
    if (!text) {
        return text.error();
    }
    KeyPtr parameters{PEM_read_bio_Parameters(reader_of(*text).get(), nullptr)};
    if (!parameters || !EVP_PKEY_is_a(parameters.get(), "DH")) {
        return wrong(settings_.dh_file, "there are no Diffie-Hellman parameters in it");
    }
    if (SSL_CTX_set0_tmp_dh_pkey(context_.get(), parameters.get()) != 1) {
        return wrong(settings_.dh_file, take_openssl_error());
    }
    static_cast<void>(parameters.release());
    return {};
}

Result<void> TlsContext::load_psk() {
    if (settings_.psk_file.empty()) {
        return {};
    }
    auto table = PskTable::read(settings_.psk_file);
    if (!table) {
        return std::move(table).error();
    }
    psk_ = std::move(*table);
    if (!settings_.psk_hint.empty() &&
        SSL_CTX_use_psk_identity_hint(context_.get(), settings_.psk_hint.c_str()) != 1) {
        return Error{Errc::invalid_argument, "psk_hint: " + take_openssl_error()};
    }
    // A key that was changed or taken away must not live on in a resumed session.
    const auto text = read_whole_file(settings_.psk_file);
    trust_ += text ? *text : std::string{};
    return {};
}

Result<void> TlsContext::set_ciphers() {
    std::string old_names;  // up to TLS 1.2
    std::string new_names;
    std::string_view rest = settings_.ciphers;
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find_first_of(":, "), rest.size());
        const std::string_view name = rest.substr(0, end);
        if (!name.empty()) {
            std::string& names = name.starts_with("TLS_") ? new_names : old_names;
            names += names.empty() ? "" : ":";
            names += name;
        }
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    if (old_names.empty()) {
        old_names = certificate_ciphers;
        old_names += settings_.dh_file.empty() ? "" : dh_ciphers;
        old_names += psk_ ? psk_ciphers : "";
    }
    if (new_names.empty() && psk_) {
        // A key from the file is good for SHA-256 only (RFC 8446, 4.2.11): with another hash
        // OpenSSL would take the certificate.
        new_names = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384";
    }
    if (SSL_CTX_set_cipher_list(context_.get(), old_names.c_str()) != 1) {
        return Error{Errc::invalid_argument, "ciphers: " + take_openssl_error()};
    }
    if (!new_names.empty() && SSL_CTX_set_ciphersuites(context_.get(), new_names.c_str()) != 1) {
        return Error{Errc::invalid_argument, "ciphers: " + take_openssl_error()};
    }
    if (!settings_.groups.empty() &&
        SSL_CTX_set1_groups_list(context_.get(), settings_.groups.c_str()) != 1) {
        return Error{Errc::invalid_argument, "groups: " + take_openssl_error()};
    }
    return {};
}

}  // namespace gw::transport
