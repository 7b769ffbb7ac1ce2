// The modules for what the transport has proven: certificates and pre-shared keys.
#include "broker-core/base/assert.hpp"
#include "gateway/auth/modules.hpp"
#include "gateway/auth/user_store.hpp"

namespace gw::auth {

namespace {

/// Lets the client in under the proven name, unless it claims to be somebody else or the name
/// cannot be one.
AuthVerdict under_name(const AuthRequest& request, AuthSource source, std::string name) {
    const bool is_claimed = request.shown_name().empty() || request.shown_name() == name;
    if (name.empty() || !is_user_name(name) || !is_claimed) {
        return AuthVerdict::pass();
    }
    return AuthVerdict::allow(source, std::move(name));
}

class CertificateModule final : public AuthModule {
public:
    explicit CertificateModule(NameInCertificate where) : where_(where) {}

    AuthSource source() const override { return AuthSource::certificate; }
    bool looks_at_client_id() const override { return false; }
    bool concerns(const AuthRequest& request) const override {
        return request.peer.identity != nullptr;
    }

    std::optional<AuthVerdict> check(const AuthRequestPtr& request, const AuthTicket&) override {
        const TransportIdentityPtr& identity = request->peer.identity;
        // A trusted proxy that has seen the certificate may tell its name, and nothing else.
        if (!identity || (identity->fingerprint.empty() && identity->common_name.empty())) {
            return AuthVerdict::pass();
        }
        return under_name(*request, AuthSource::certificate,
                          name_in_certificate(*identity, where_));
    }

private:
    const NameInCertificate where_;
};

class PskModule final : public AuthModule {
public:
    AuthSource source() const override { return AuthSource::psk; }
    bool looks_at_client_id() const override { return false; }
    bool concerns(const AuthRequest& request) const override {
        return request.peer.identity != nullptr;
    }

    std::optional<AuthVerdict> check(const AuthRequestPtr& request, const AuthTicket&) override {
        const TransportIdentityPtr& identity = request->peer.identity;
        if (!identity || identity->psk_identity.empty()) {
            return AuthVerdict::pass();
        }
        return under_name(*request, AuthSource::psk, identity->psk_identity);
    }
};

}  // namespace

std::string name_in_certificate(const TransportIdentity& identity, NameInCertificate where) {
    std::string_view prefix;
    switch (where) {
        case NameInCertificate::common_name:
            return identity.common_name;
        case NameInCertificate::subject:
            return identity.subject;
        case NameInCertificate::fingerprint:
            return identity.fingerprint;
        case NameInCertificate::dns:
            prefix = "DNS:";
            break;
        case NameInCertificate::uri:
            prefix = "URI:";
            break;
        case NameInCertificate::email:
            prefix = "email:";
            break;
    }
    for (const std::string& name : identity.alternative_names) {
        if (name.starts_with(prefix)) {
            return name.substr(prefix.size());
        }
    }
    return {};
}

std::shared_ptr<AuthModule> make_certificate_module(NameInCertificate where) {
    return std::make_shared<CertificateModule>(where);
}

std::shared_ptr<AuthModule> make_psk_module() {
    return std::make_shared<PskModule>();
}

}  // namespace gw::auth
