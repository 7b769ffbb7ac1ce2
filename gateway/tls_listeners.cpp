#include "gateway/tls_listeners.hpp"

#include "adapters/transport/tls/tls_layer.hpp"
#include "gateway/tls_files.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <string_view>
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

std::string first_name(const std::vector<std::string>& names, std::string_view kind) {
    const auto at = std::find_if(names.begin(), names.end(),
                                 [&](const std::string& name) { return name.starts_with(kind); });
    return at == names.end() ? std::string{} : at->substr(kind.size());
}

}  // namespace

std::string name_in_certificate(const TransportIdentity& identity, config::CertificateField field) {
    switch (field) {
        case config::CertificateField::off:
            return {};
        case config::CertificateField::cn:
            return identity.common_name;
        case config::CertificateField::dn:
            return identity.subject;
        case config::CertificateField::san_dns:
            return first_name(identity.alternative_names, "DNS:");
        case config::CertificateField::san_uri:
            return first_name(identity.alternative_names, "URI:");
        case config::CertificateField::san_email:
            return first_name(identity.alternative_names, "email:");
        case config::CertificateField::fingerprint:
            return identity.fingerprint;
    }
    GW_UNREACHABLE();
}

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
        peer.username = rules_.psk_as_username ? identity.psk_identity : std::string{};
        return;
    }
    peer.username = name_in_certificate(identity, rules_.username_from);
    peer.client_id = name_in_certificate(identity, rules_.client_id_from);
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
