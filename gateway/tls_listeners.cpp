#include "gateway/tls_listeners.hpp"

#include "adapters/transport/tls/tls_layer.hpp"
#include "broker-core/base/assert.hpp"
#include "gateway/auth/modules.hpp"
#include "gateway/auth/user_store.hpp"
#include "gateway/tls_files.hpp"

#include <chrono>
#include <ctime>
#include <utility>

namespace gw {

namespace {

/// Days in which somebody should renew a certificate.
constexpr std::chrono::hours expiry_warning{14 * 24};

std::string date_text(WallTime when) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char text[32];
    return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

/// Empty: the certificate has no such name, or one that could not be a user's.
std::string name_in(const TransportIdentity& identity, config::CertificateField field) {
    using enum auth::NameInCertificate;
    const auto read = [&](auth::NameInCertificate where) {
        std::string name = auth::name_in_certificate(identity, where);
        return auth::is_user_name(name) ? name : std::string{};
    };
    switch (field) {
        case config::CertificateField::off:
            return {};
        case config::CertificateField::cn:
            return read(common_name);
        case config::CertificateField::dn:
            return read(subject);
        case config::CertificateField::san_dns:
            return read(dns);
        case config::CertificateField::san_uri:
            return read(uri);
        case config::CertificateField::san_email:
            return read(email);
        case config::CertificateField::fingerprint:
            return read(fingerprint);
    }
    GW_UNREACHABLE();
}

}  // namespace

void TlsSetup::add_layer(transport::LayerSetup& setup) const {
    setup.layers.push_back(std::make_unique<transport::TlsLayer>(context_, gate_));
    setup.timeout += rules_.handshake_timeout;
    // A chain of certificates as long as OpenSSL takes one, and what goes with it.
    constexpr std::uint32_t handshake_bytes_max = 128 * 1024;
    setup.bytes_max += handshake_bytes_max;
}

void TlsSetup::name_peer(PeerInfo& peer) const {
    if (!peer.identity) {
        return;
    }
    const TransportIdentity& identity = *peer.identity;
    if (!identity.psk_identity.empty()) {
        if (rules_.psk_as_username) {
            peer.lacks_name = !auth::is_user_name(identity.psk_identity);
            peer.username = peer.lacks_name ? std::string{} : identity.psk_identity;
        }
        return;
    }
    peer.username = name_in(identity, rules_.username_from);
    peer.client_id = name_in(identity, rules_.client_id_from);
    peer.lacks_name =
        (rules_.username_from != config::CertificateField::off && peer.username.empty()) ||
        (rules_.client_id_from != config::CertificateField::off && peer.client_id.empty());
}

Result<TlsListeners::Setups> TlsListeners::read(const config::Config& config) {
    Setups setups;
    for (const TlsListenerConfig& listener : tls_listeners_of(config)) {
        const Lasting& lasting = lasting_[listener.name];
        auto context = transport::TlsContext::make(tls_settings(listener), lasting.tickets);
        if (!context) {
            return std::move(context).error().within("listener." + listener.name);
        }
        setups[listener.name] =
            std::make_shared<TlsSetup>(*listener.tls, std::move(*context), lasting.gate);
    }
    return setups;
}

std::vector<std::string> TlsListeners::report(const Setups& setups, WallTime now, Log& log) {
    std::vector<std::string> lines;
    for (const auto& [name, setup] : setups) {
        for (const auto& certificate : setup->context().certificates()) {
            const std::string expires = date_text(certificate.expires_at);
            lines.push_back("listener." + name + ": certificate " + certificate.subject +
                            ", good until " + expires);
            const Log::Fields fields{{"listener", name},
                                     {"file", certificate.file},
                                     {"subject", certificate.subject},
                                     {"expires", expires}};
            if (certificate.expires_at <= now) {
                log.error("tls.certificate_expired", fields);
            } else if (certificate.expires_at - now < expiry_warning) {
                log.warning("tls.certificate_expires_soon", fields);
            } else {
                log.info("tls.certificate", fields);
            }
        }
    }
    return lines;
}

}  // namespace gw
