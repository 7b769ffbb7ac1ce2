#pragma once

#include "adapters/transport/tls/tls_settings.hpp"
#include "config/model/config.hpp"

#include <string>
#include <vector>

namespace gw {

/// A listener that speaks TLS, as the configuration has it.
struct TlsListenerConfig {
    std::string name;               // "ssl.external"
    const config::Tls* tls;         // good as long as the configuration
    std::vector<std::string> alpn;  // what it calls its protocol
};

/// All of them, of every kind.
std::vector<TlsListenerConfig> tls_listeners_of(const config::Config& config);

transport::TlsSettings tls_settings(const TlsListenerConfig& listener);

/// Reads every certificate, key, revocation list and key file that the configuration names, and
/// says what is wrong with them: "listener.ssl.external: /etc/key.pem: ...". Blocks on the files.
std::vector<std::string> tls_file_errors(const config::Config& config);

}  // namespace gw
