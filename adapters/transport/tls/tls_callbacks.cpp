#include "adapters/transport/tls/tls_context.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstring>

/// What OpenSSL asks during a handshake.
namespace gw::transport {

namespace {

const TlsContext* context_of(SSL* ssl) {
    return static_cast<const TlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
}

TlsSession* session_of(SSL* ssl) {
    return static_cast<TlsSession*>(SSL_get_app_data(ssl));
}

}  // namespace

SslPtr TlsContext::make_ssl(TlsSession& session) const {
    SslPtr ssl{SSL_new(context_.get())};
    if (ssl) {
        SSL_set_app_data(ssl.get(), &session);
        SSL_set_accept_state(ssl.get());
    }
    return ssl;
}

void TlsContext::set_callbacks() {
    SSL_CTX* const context = context_.get();
    SSL_CTX_set_app_data(context, this);
    if (!named_.empty()) {
        // What SSL_CTX_set_tlsext_servername_callback() does, without its casts.
        SSL_CTX_callback_ctrl(context, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
                              reinterpret_cast<void (*)()>(on_server_name));
        SSL_CTX_set_tlsext_servername_arg(context, this);
    }
    if (!settings_.alpn.empty()) {
        SSL_CTX_set_alpn_select_cb(context, on_alpn, this);
    }
    if (psk_) {
        SSL_CTX_set_psk_server_callback(context, on_psk);
    }
}

// ------------------------------------------------------------------------------ names, protocols

int TlsContext::on_server_name(SSL* ssl, int*, void* self) {
    const auto& context = *static_cast<const TlsContext*>(self);
    const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name == nullptr) {
        return SSL_TLSEXT_ERR_OK;
    }
    for (const NamedCertificate& one : context.named_) {
        if (X509_check_host(one.certificate.get(), name, 0, 0, nullptr) == 1) {
            return context.use(ssl, one) ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
        }
    }
    // A name that we have no certificate for gets the listener's own, as RFC 6066, 3 allows: the
    // client decides whether that is good enough.
    return SSL_TLSEXT_ERR_OK;
}

bool TlsContext::use(SSL* ssl, const NamedCertificate& chosen) const {
    STACK_OF(X509)* const chain = sk_X509_new_null();
    bool is_done = chain != nullptr;
    for (const X509Ptr& one : chosen.chain) {
        is_done = is_done && sk_X509_push(chain, one.get()) > 0;
    }
    SSL_certs_clear(ssl);  // else one of another kind of key, for another name, might be preferred
    is_done = is_done &&
              SSL_use_cert_and_key(ssl, chosen.certificate.get(), chosen.key.get(), chain, 1) == 1;
    sk_X509_free(chain);  // the certificates are ours
    return is_done;
}

int TlsContext::on_alpn(SSL*, const unsigned char** out, unsigned char* out_size,
                        const unsigned char* offered, unsigned offered_size, void* self) {
    const auto& settings = static_cast<const TlsContext*>(self)->settings_;
    for (const std::string& ours : settings.alpn) {
        // OpenSSL has checked that the list is well formed.
        for (unsigned at = 0; at < offered_size; at += 1U + offered[at]) {
            const std::string_view theirs{reinterpret_cast<const char*>(offered + at + 1),
                                          offered[at]};
            if (theirs == ours) {
                *out = offered + at + 1;
                *out_size = offered[at];
                return SSL_TLSEXT_ERR_OK;
            }
        }
    }
    return settings.alpn_mismatch == TlsSettings::AlpnMismatch::refuse
               ? SSL_TLSEXT_ERR_ALERT_FATAL  // no_application_protocol (RFC 7301, 3.2)
               : SSL_TLSEXT_ERR_NOACK;
}

// ------------------------------------------------------------------------------ pre-shared keys

unsigned TlsContext::on_psk(SSL* ssl, const char* identity, unsigned char* key, unsigned key_max) {
    TlsSession& session = *session_of(ssl);
    const std::string_view found = context_of(ssl)->psk_->find(identity);
    if (!found.empty() && found.size() <= key_max) {
        session.psk_identity = identity;
        session.is_psk_unknown = false;
        std::memcpy(key, found.data(), found.size());
        if (SSL_version(ssl) == TLS1_3_VERSION) {
            // OpenSSL's tickets do not hold the identity of an external key.
            SSL_set_num_tickets(ssl, 0);
        }
        return static_cast<unsigned>(found.size());
    }
    session.is_psk_unknown = true;
    if (SSL_version(ssl) == TLS1_3_VERSION) {
        return 0;  // the name may be that of a ticket
    }
    // A random key fails as a wrong one does: nobody learns which identities there are (RFC 4279,
    // 2).
    constexpr unsigned random_bytes = 32;
    return key_max >= random_bytes && RAND_bytes(key, random_bytes) == 1 ? random_bytes : 0;
}

// ------------------------------------------------------------------------------------- tickets

void TlsContext::set_tickets() {
    SSL_CTX* const context = context_.get();
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    // A session is resumed only where the client would be judged by the same rules.
    trust_ += std::to_string(static_cast<int>(settings_.verify)) +
              std::to_string(static_cast<int>(settings_.requires_certificate)) +
              std::to_string(static_cast<int>(settings_.crl_check)) +
              std::to_string(settings_.verify_depth);
    std::array<unsigned char, SSL_MAX_SID_CTX_LENGTH> digest{};
    unsigned size = digest.size();
    EVP_Digest(trust_.data(), trust_.size(), digest.data(), &size, EVP_sha256(), nullptr);
    SSL_CTX_set_session_id_context(context, digest.data(), size);
    OPENSSL_cleanse(trust_.data(), trust_.size());
    trust_.clear();
    if (!settings_.resumes_sessions) {
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context, 0);
        return;
    }
    SSL_CTX_set_num_tickets(context, 1);  // a device comes back with one connection
    SSL_CTX_set_timeout(context,
                        static_cast<long>(std::chrono::seconds{TicketKeys::generation}.count()));
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket_key);
    SSL_CTX_set_session_ticket_cb(context, nullptr, on_ticket, this);
}

int TlsContext::on_ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv,
                              EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int is_new) {
    TicketKeys& keys = *context_of(ssl)->tickets_;
    std::optional<TicketKey> key = is_new != 0 ? keys.current() : keys.find(name);
    if (!key) {
        return 0;  // too old: a full handshake
    }
    if (is_new != 0) {
        std::memcpy(name, key->name.data(), key->name.size());
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) {
            return -1;
        }
    }
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac.data(), key->mac.size()),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    const bool is_set = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipher.data(),
                                          iv, is_new) == 1 &&
                        EVP_MAC_CTX_set_params(mac, parameters) == 1;
    // A client of TLS 1.3 uses a ticket once, lest its visits be told apart (RFC 8446, C.4): it
    // needs another. In TLS 1.2 one serves until its key is changed.
    constexpr int with_another = 2;
    const bool wants_another =
        is_new == 0 && (SSL_version(ssl) == TLS1_3_VERSION || !keys.is_current(*key));
    OPENSSL_cleanse(&*key, sizeof *key);
    if (!is_set) {
        return -1;
    }
    return wants_another ? with_another : 1;
}

/// The signature of a client's certificate was checked when the session began; what may have
/// changed since under the same files is the time.
SSL_TICKET_RETURN TlsContext::on_ticket(SSL*, SSL_SESSION* session, const unsigned char*,
                                        std::size_t, SSL_TICKET_STATUS status, void*) {
    switch (status) {
        case SSL_TICKET_SUCCESS:
        case SSL_TICKET_SUCCESS_RENEW: {
            const X509* const peer = SSL_SESSION_get0_peer(session);
            if (peer != nullptr && X509_cmp_current_time(X509_get0_notAfter(peer)) <= 0) {
                return SSL_TICKET_RETURN_IGNORE_RENEW;
            }
            return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE
                                                : SSL_TICKET_RETURN_USE_RENEW;
        }
        case SSL_TICKET_EMPTY:
        case SSL_TICKET_NO_DECRYPT:
            return SSL_TICKET_RETURN_IGNORE_RENEW;
        default:
            return SSL_TICKET_RETURN_IGNORE;
    }
}

}  // namespace gw::transport
