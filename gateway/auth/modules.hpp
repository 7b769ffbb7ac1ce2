#pragma once

#include "broker-core/auth/auth_module.hpp"
#include "broker-core/base/hash.hpp"
#include "gateway/auth/auth_pool.hpp"
#include "gateway/auth/jwt.hpp"
#include "gateway/auth/password_hash.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The modules of the authentication chain (broker-core/auth). Each says in its comment when it
/// passes a client on. Where a client shows a name that is not the one that a module has proven,
/// the module passes it on: somebody else may know that name.
namespace gw::auth {

/// Where modules have slow work done, and whom they tell. Outlives them.
struct ModuleContext {
    AuthPool& hashing;
    AuthPool& tokens;
    AuthAnswers& answers;
};

/// What a client has to show beside its id or name: nothing, a password, or what a hash is of.
struct KnownSecret {
    std::optional<std::string> text;  // nothing: the name is enough
    bool is_hash = false;

    static KnownSecret of(std::string text);
    bool operator==(const KnownSecret&) const = default;
};

using KnownSecrets = NameTable<KnownSecret>;

/// A module that goes by a list of its own: whoever is in by an entry that is not in the next one,
/// or with another secret, has to log in anew.
class ListModule : public AuthModule {
public:
    virtual const KnownSecrets& known() const = 0;
};

/// Client ids that are let in, some with a password. A listed id without a password is let in
/// unless the client claims another name; a wrong password is refused, but passed on when the
/// client claims another name.
std::shared_ptr<AuthModule> make_client_id_module(const ModuleContext& context,
                                                  KnownSecrets clients);

/// Built-in users: those of the configuration, then those of the file when `has_file`. Passes on
/// clients that show no name and names that it does not know; a known name without its password is
/// refused. `hides_unknown`: nobody after this module takes passwords, so that a name that is not
/// known takes as long to refuse as a wrong password.
struct UsersOptions {
    KnownSecrets users;
    bool has_file = false;
    bool hides_unknown = false;
    HashParameters new_hashes;
};
std::shared_ptr<AuthModule> make_users_module(const ModuleContext& context, UsersOptions options);

/// The name in a certificate that a trusted authority signed. Passes on clients without one.
enum class NameInCertificate : std::uint8_t { common_name, subject, fingerprint, dns, uri, email };
std::shared_ptr<AuthModule> make_certificate_module(NameInCertificate where);
std::string name_in_certificate(const TransportIdentity& identity, NameInCertificate where);

/// The identity of a pre-shared key that the transport has checked.
std::shared_ptr<AuthModule> make_psk_module();

/// Tokens in the password or the user name. Passes on what is not shaped like a token; a token
/// that is not good is refused.
struct JwtOptions {
    JwtKeys keys;
    JwtRules rules;
    bool is_in_username = false;
};
std::shared_ptr<AuthModule> make_jwt_module(const ModuleContext& context,
                                            std::shared_ptr<const JwtOptions> options);

/// A cookie of the upgrade request. Passes on clients without it, and those that show a password
/// too; one that is not good is refused.
struct CookieOptions {
    std::string name;
    std::string secret;                       // of signed cookies
    std::shared_ptr<const JwtOptions> jwt{};  // not null: the cookie is a token
};
std::shared_ptr<AuthModule> make_cookie_module(const ModuleContext& context, CookieOptions options);

/// What a built-in user who has proven himself is let in as.
AuthDecision decision_for(const User& user, AuthSource source);

}  // namespace gw::auth
