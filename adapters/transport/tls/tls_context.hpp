#pragma once

#include "adapters/transport/tls/openssl.hpp"
#include "adapters/transport/tls/psk_file.hpp"
#include "adapters/transport/tls/ticket_keys.hpp"
#include "adapters/transport/tls/tls_settings.hpp"
#include "broker-core/base/clock.hpp"
#include "broker-core/base/result.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gw::transport {

/// What a callback of OpenSSL tells the layer that the SSL object belongs to.
struct TlsSession {
    std::string psk_identity;     // whose key was given to OpenSSL, proven or not
    bool is_psk_unknown = false;  // a pre-shared key of nobody we know was asked for
};

/// The keys and rules of a TLS listener, read from its files and checked; never changed. A reload
/// makes another, for connections from then on; those that are in keep theirs. Any thread.
class TlsContext {
public:
    /// Reads all files. Tickets are made with `tickets`, which may belong to several contexts: a
    /// session is resumed only under the same rules for clients (authorities, revocations, keys).
    /// @error io, invalid_argument  names the file and what is wrong with it
    static Result<std::shared_ptr<const TlsContext>> make(const TlsSettings& settings,
                                                          std::shared_ptr<TicketKeys> tickets);
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    /// A connection's server side. `session` outlives it.
    SslPtr make_ssl(TlsSession& session) const;

    /// A certificate of this listener, for the log.
    struct CertificateNote {
        std::string file;
        std::string subject;
        WallTime expires_at;
    };
    const std::vector<CertificateNote>& certificates() const { return notes_; }

private:
    struct NamedCertificate {
        X509Ptr certificate;
        KeyPtr key;
        std::vector<X509Ptr> chain;
    };

    explicit TlsContext(const TlsSettings& settings, std::shared_ptr<TicketKeys> tickets);

    Result<void> load();
    Result<void> load_certificates();
    Result<NamedCertificate> read_certificate(const TlsSettings::CertificateFiles& files);
    Result<void> load_authorities();
    Result<void> load_revocations();
    Result<void> load_dh();
    Result<void> load_psk();
    Result<void> set_ciphers();
    void set_versions();
    void set_tickets();
    void set_callbacks();
    bool use(SSL* ssl, const NamedCertificate& chosen) const;

    static int on_server_name(SSL* ssl, int* alert, void* self);
    static int on_alpn(SSL* ssl, const unsigned char** out, unsigned char* out_size,
                       const unsigned char* offered, unsigned offered_size, void* self);
    static unsigned on_psk(SSL* ssl, const char* identity, unsigned char* key, unsigned key_max);
    static int on_ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv,
                             EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int is_new);
    static SSL_TICKET_RETURN on_ticket(SSL* ssl, SSL_SESSION* session, const unsigned char* name,
                                       std::size_t name_size, SSL_TICKET_STATUS status, void* self);

    const TlsSettings settings_;
    const std::shared_ptr<TicketKeys> tickets_;
    SslContextPtr context_;
    std::vector<NamedCertificate> named_;
    PskTablePtr psk_;
    std::vector<CertificateNote> notes_;
    std::string trust_;  // what decides who may come: the text of these files
};

using TlsContextPtr = std::shared_ptr<const TlsContext>;

}  // namespace gw::transport
