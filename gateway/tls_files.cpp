#include "gateway/tls_files.hpp"

#include "adapters/transport/tls/tls_context.hpp"

#include <memory>

namespace gw {

using transport::TlsSettings;

std::vector<TlsListenerConfig> tls_listeners_of(const config::Config& config) {
    std::vector<TlsListenerConfig> all;
    for (const config::SslListener& listener : config.ssl_listeners) {
        all.push_back({"ssl." + listener.name, &listener.tls, {"mqtt"}});
    }
    for (const config::SslListener& listener : config.stomps_listeners) {
        all.push_back({"stomps." + listener.name, &listener.tls, {}});
    }
    for (const config::WssListener& listener : config.wss_listeners) {
        all.push_back({"wss." + listener.name, &listener.tls, {"http/1.1"}});
    }
    for (const config::SockJsListener& listener : config.sockjs_listeners) {
        if (listener.speaks_tls) {
            all.push_back({"sockjs." + listener.name, &listener.tls, {"http/1.1"}});
        }
    }
    return all;
}

TlsSettings tls_settings(const TlsListenerConfig& listener) {
    const config::Tls& tls = *listener.tls;
    TlsSettings settings;
    settings.certificate = {tls.certificate_file, tls.key_file};
    for (const config::Tls::NamedCertificate& one : tls.named_certificates) {
        settings.named_certificates.push_back({one.certificate_file, one.key_file});
    }
    settings.ca_file = tls.ca_file;
    settings.crl_file = tls.crl_file;
    settings.dh_file = tls.dh_file;
    settings.psk_file = tls.psk_file;
    settings.psk_hint = tls.psk_hint;
    settings.verify = tls.verify == config::TlsVerify::peer ? TlsSettings::Verify::peer
                                                            : TlsSettings::Verify::none;
    settings.requires_certificate = tls.requires_certificate;
    settings.crl_check = tls.crl_check == config::TlsCrlCheck::chain ? TlsSettings::CrlCheck::chain
                                                                     : TlsSettings::CrlCheck::leaf;
    settings.verify_depth = static_cast<int>(tls.verify_depth);
    switch (tls.versions) {
        case config::TlsVersions::tls_1_2_and_1_3:
            settings.versions = TlsSettings::Versions::tls_1_2_and_1_3;
            break;
        case config::TlsVersions::tls_1_3:
            settings.versions = TlsSettings::Versions::tls_1_3;
            break;
        case config::TlsVersions::tls_1_2:
            settings.versions = TlsSettings::Versions::tls_1_2;
            break;
    }
    settings.ciphers = tls.ciphers;
    settings.groups = tls.groups;
    settings.honors_cipher_order = tls.honors_cipher_order;
    settings.resumes_sessions = tls.resumes_sessions;
    settings.alpn = listener.alpn;
    settings.alpn_mismatch = tls.alpn_mismatch == config::TlsAlpnMismatch::refuse
                                 ? TlsSettings::AlpnMismatch::refuse
                                 : TlsSettings::AlpnMismatch::accept;
    return settings;
}

std::vector<std::string> tls_file_errors(const config::Config& config) {
    std::vector<std::string> errors;
    for (const TlsListenerConfig& listener : tls_listeners_of(config)) {
        const auto made = transport::TlsContext::make(tls_settings(listener),
                                                      std::make_shared<transport::TicketKeys>());
        if (!made) {
            errors.push_back("listener." + listener.name + ": " + made.error().text());
        }
    }
    return errors;
}

}  // namespace gw
