#include "broker-core/message/identity.hpp"

#include "broker-core/base/assert.hpp"

namespace gw {

std::string_view auth_source_name(AuthSource source) {
    switch (source) {
        case AuthSource::none:
            return "none";
        case AuthSource::client_id:
            return "client_id";
        case AuthSource::users:
            return "users";
        case AuthSource::certificate:
            return "certificate";
        case AuthSource::psk:
            return "psk";
        case AuthSource::jwt:
            return "jwt";
        case AuthSource::cookie:
            return "cookie";
        case AuthSource::scram:
            return "scram";
    }
    GW_UNREACHABLE();
}

ProofStrength strength_of(AuthSource source) {
    switch (source) {
        case AuthSource::none:
            return ProofStrength::none;
        case AuthSource::client_id:
            return ProofStrength::listed;
        case AuthSource::users:
        case AuthSource::jwt:
        case AuthSource::cookie:
            return ProofStrength::secret;
        case AuthSource::certificate:
        case AuthSource::psk:
        case AuthSource::scram:
            return ProofStrength::key;
    }
    GW_UNREACHABLE();
}

bool is_reserved_name(std::string_view name) {
    return name.starts_with('\0') || name.starts_with("console:") || name.starts_with("local:");
}

std::string ClientIdentity::peer() const {
    if (!peer_name.empty()) {
        return peer_name.str();
    }
    const std::string host = ip.is_v4() ? ip.text() : "[" + ip.text() + "]";
    return host + ":" + std::to_string(port);
}

}  // namespace gw
