#include "gateway/auth/auth_settings.hpp"

#include "gateway/auth/crypto.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <utility>

namespace gw::auth {

namespace {

constexpr std::size_t file_bytes_max = 64 << 20;

Error bad(const std::string& key, const std::string& what) {
    return {Errc::invalid_argument, key + ": " + what};
}

Result<std::string> read_file(const std::string& key, const std::string& path) {
    std::ifstream file{path, std::ios::binary};
    std::string text{std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{}};
    if (!file.is_open() || file.bad()) {
        return Error{Errc::io, key + ": cannot read " + path};
    }
    if (text.size() > file_bytes_max) {
        return bad(key, path + " is too large");
    }
    return text;
}

/// The parts between commas without the spaces around them; empty ones are left out.
std::vector<std::string> list_of(std::string_view text) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(','), text.size());
        std::string_view part = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const std::size_t first = part.find_first_not_of(" \t");
        if (first != std::string_view::npos) {
            parts.emplace_back(part.substr(first, part.find_last_not_of(" \t") - first + 1));
        }
    }
    return parts;
}

/// A secret that stands in the configuration or in a file; empty when in neither.
Result<std::string> secret_of(const std::string& key, const std::string& text,
                              const std::string& file) {
    if (file.empty()) {
        return text;
    }
    if (!text.empty()) {
        return bad(key, "is set beside " + key + "_file: only one of them can count");
    }
    auto secret = read_file(key + "_file", file);
    if (!secret) {
        return secret;
    }
    if (secret->ends_with('\n')) {
        secret->pop_back();
    }
    if (secret->ends_with('\r')) {
        secret->pop_back();
    }
    if (secret->empty()) {
        return bad(key + "_file", file + " is empty");
    }
    // A public key is known to everybody: whoever takes it for a secret lets everybody sign.
    if (secret->find("-----BEGIN") != std::string::npos) {
        return bad(key + "_file", file + " holds a key in PEM, which is no secret of HMAC");
    }
    return secret;
}

Result<void> add_secret(const config::AuthJwt& config, JwtKeys& keys) {
    auto secret = secret_of("auth.jwt.secret", config.secret, config.secret_file);
    if (!secret) {
        return std::move(secret).error();
    }
    if (secret->empty()) {
        return {};
    }
    if (secret->find("-----BEGIN") != std::string::npos) {
        return bad("auth.jwt.secret", "is a key in PEM, which is no secret of HMAC");
    }
    if (config.secret_base64) {
        auto decoded = base64_decode(*secret);
        if (!decoded) {
            while (secret->ends_with('=')) {
                secret->pop_back();
            }
            decoded = base64_decode(*secret, Base64::url);
        }
        if (!decoded || decoded->empty()) {
            return bad("auth.jwt.secret", "is not base64");
        }
        secret = std::move(*decoded);
    }
    keys.add(JwtKey::from_secret(std::move(*secret)));
    return {};
}

Result<void> add_keys(const std::string& key, const std::string& path,
                      Result<std::vector<JwtKey>> (*parse)(std::string_view), JwtKeys& keys) {
    if (path.empty()) {
        return {};
    }
    const auto text = read_file(key, path);
    if (!text) {
        return text.error();
    }
    auto parsed = parse(*text);
    if (!parsed) {
        return std::move(parsed).error().within(key + ": " + path);
    }
    for (JwtKey& one : *parsed) {
        keys.add(std::move(one));
    }
    return {};
}

/// Without keys: the module has nothing to decide by.
Result<std::shared_ptr<const JwtOptions>> jwt_options(const config::AuthJwt& config) {
    auto options = std::make_shared<JwtOptions>();
    if (auto added = add_secret(config, options->keys); !added) {
        return std::move(added).error();
    }
    if (auto added = add_keys("auth.jwt.pubkey", config.public_key, parse_pem_keys, options->keys);
        !added) {
        return std::move(added).error();
    }
    if (auto added = add_keys("auth.jwt.jwks", config.key_set, parse_jwks, options->keys); !added) {
        return std::move(added).error();
    }
    JwtRules& rules = options->rules;
    for (const std::string& name : list_of(config.algorithms)) {
        const auto algorithm = jwt_algorithm(name);
        if (!algorithm) {
            return bad("auth.jwt.algorithms", "`" + name + "` is not known");
        }
        rules.algorithms.push_back(*algorithm);
    }
    rules.name_claims = list_of(config.user_claims);
    if (rules.name_claims.empty()) {
        return bad("auth.jwt.user_claim", "names no claim: every token would be refused");
    }
    rules.acl_claim = config.acl_claim;
    rules.superuser_claim = config.superuser_claim;
    rules.groups_claim = config.groups_claim;
    rules.attributes_claim = config.attributes_claim;
    rules.client_id_claim = config.client_id_claim;
    rules.audience = config.audience;
    rules.issuer = config.issuer;
    rules.leeway = config.leeway;
    rules.requires_expiry = config.requires_expiry;
    options->is_in_username = config.from == config::TokenField::username;
    return std::shared_ptr<const JwtOptions>{std::move(options)};
}

Result<KnownSecrets> entries_of(const std::map<std::uint32_t, config::AuthEntry>& entries,
                                const std::string& prefix, const std::string& name_key) {
    KnownSecrets known;
    for (const auto& [number, entry] : entries) {
        if (is_reserved_name(entry.name)) {
            return bad(prefix + std::to_string(number) + "." + name_key,
                       "`" + entry.name + "` is a name of the gateway's own");
        }
        KnownSecret secret =
            entry.password.empty() ? KnownSecret{} : KnownSecret::of(entry.password);
        if (!known.emplace(entry.name, std::move(secret)).second) {
            return bad(prefix + std::to_string(number) + "." + name_key, "stands twice");
        }
    }
    return known;
}

Result<void> add_client_file(const std::string& path, KnownSecrets& clients) {
    const auto text = read_file("auth.client_id.file", path);
    if (!text) {
        return text.error();
    }
    std::string_view rest = *text;
    for (std::size_t number = 1; !rest.empty(); ++number) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        line = line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
        if (line.empty() || line.starts_with('#')) {
            continue;
        }
        // An id may hold colons; a hash begins with a dollar sign and holds none.
        const std::size_t colon = line.rfind(":$");
        KnownSecret secret;
        if (colon != std::string_view::npos) {
            secret = KnownSecret::of(std::string{line.substr(colon + 1)});
        }
        if (colon != std::string_view::npos && !secret.is_hash) {
            return bad("auth.client_id.file",
                       path + ":" + std::to_string(number) + ": not a password hash");
        }
        const std::string_view client_id = line.substr(0, colon);
        if (is_reserved_name(client_id)) {
            return bad("auth.client_id.file",
                       path + ":" + std::to_string(number) + ": an id of the gateway's own");
        }
        clients.insert_or_assign(std::string{client_id}, std::move(secret));
    }
    return {};
}

NameInCertificate name_place(config::CertificateName name) {
    switch (name) {
        case config::CertificateName::common_name:
            return NameInCertificate::common_name;
        case config::CertificateName::subject:
            return NameInCertificate::subject;
        case config::CertificateName::fingerprint:
            return NameInCertificate::fingerprint;
        case config::CertificateName::dns:
            return NameInCertificate::dns;
        case config::CertificateName::uri:
            return NameInCertificate::uri;
        case config::CertificateName::email:
            return NameInCertificate::email;
    }
    GW_UNREACHABLE();
}

/// Makes the modules one after the other; null: it has nothing to decide by.
class Builder {
public:
    Builder(const config::Auth& config, const ModuleContext& context, bool users_exist)
        : config_(config), context_(context), users_exist_(users_exist) {}

    /// Keys that are set are read and checked even when `auth.order` leaves their module out.
    Result<void> read_keys() {
        auto jwt = jwt_options(config_.jwt);
        if (!jwt) {
            return std::move(jwt).error();
        }
        jwt_ = std::move(*jwt);
        return {};
    }

    Result<std::shared_ptr<AuthModule>> make(const std::string& name, bool is_last_for_passwords) {
        using Module = std::shared_ptr<AuthModule>;
        if (name == "client_id") {
            return client_ids();
        }
        if (name == "users") {
            return users(is_last_for_passwords);
        }
        if (name == "certificate") {
            return make_certificate_module(name_place(config_.certificate_name));
        }
        if (name == "psk") {
            return make_psk_module();
        }
        if (name == "jwt") {
            return jwt_->keys.empty() ? Module{} : make_jwt_module(context_, jwt_);
        }
        if (name == "cookie") {
            return cookie();
        }
        return bad("auth.order", "`" + name +
                                     "` is not known: client_id, users, certificate, psk, "
                                     "jwt and cookie are");
    }

    bool has_tokens() const { return !jwt_->keys.empty(); }

private:
    Result<std::shared_ptr<AuthModule>> client_ids() {
        auto known = entries_of(config_.client_entries, "auth.client.", "clientid");
        if (!known) {
            return std::move(known).error();
        }
        if (!config_.client_id_file.empty()) {
            if (auto added = add_client_file(config_.client_id_file, *known); !added) {
                return std::move(added).error();
            }
        } else if (known->empty()) {
            return std::shared_ptr<AuthModule>{};
        }
        return make_client_id_module(context_, std::move(*known));
    }

    Result<std::shared_ptr<AuthModule>> users(bool is_last_for_passwords) {
        auto known = entries_of(config_.user_entries, "auth.user.", "username");
        if (!known) {
            return std::move(known).error();
        }
        if (known->empty() && !users_exist_) {
            return std::shared_ptr<AuthModule>{};
        }
        return make_users_module(context_, {.users = std::move(*known),
                                            .has_file = users_exist_,
                                            .hides_unknown = is_last_for_passwords,
                                            .new_hashes = hash_parameters(config_.users)});
    }

    Result<std::shared_ptr<AuthModule>> cookie() {
        const config::AuthCookie& config = config_.cookie;
        if (config.name.empty()) {
            return std::shared_ptr<AuthModule>{};
        }
        CookieOptions options{.name = config.name, .secret = {}};
        if (config.format == config::CookieFormat::jwt) {
            if (jwt_->keys.empty()) {
                return bad("auth.cookie.format", "is jwt, but auth.jwt.* names no key");
            }
            // A cookie is a field of its own, wherever tokens stand otherwise.
            auto copy = std::make_shared<JwtOptions>(*jwt_);
            copy->is_in_username = false;
            options.jwt = std::move(copy);
            return make_cookie_module(context_, std::move(options));
        }
        auto secret = secret_of("auth.cookie.secret", config.secret, config.secret_file);
        if (!secret) {
            return std::move(secret).error();
        }
        constexpr std::size_t secret_bytes_min = 16;
        if (secret->size() < secret_bytes_min) {
            return bad("auth.cookie.secret", "must have 16 bytes at least");
        }
        options.secret = std::move(*secret);
        return make_cookie_module(context_, std::move(options));
    }

    const config::Auth& config_;
    const ModuleContext& context_;
    const bool users_exist_;
    std::shared_ptr<const JwtOptions> jwt_;
};

}  // namespace

HashParameters hash_parameters(const config::AuthUsers& users) {
    HashParameters parameters;
    switch (users.hash) {
        case config::PasswordHash::argon2id:
            parameters.scheme = HashScheme::argon2id;
            break;
        case config::PasswordHash::bcrypt:
            parameters.scheme = HashScheme::bcrypt;
            break;
        case config::PasswordHash::pbkdf2_sha256:
            parameters.scheme = HashScheme::pbkdf2_sha256;
            break;
        case config::PasswordHash::pbkdf2_sha512:
            parameters.scheme = HashScheme::pbkdf2_sha512;
            break;
    }
    parameters.argon2_memory_kib = static_cast<std::uint32_t>(users.argon2_memory_bytes >> 10);
    parameters.argon2_passes = users.argon2_passes;
    parameters.bcrypt_cost = users.bcrypt_cost;
    parameters.pbkdf2_iterations = users.pbkdf2_iterations;
    return parameters;
}

Result<AuthModuleSetPtr> build_modules(const config::Auth& config, const ModuleContext& context,
                                       bool users_exist) {
    Builder builder{config, context, users_exist};
    if (auto read = builder.read_keys(); !read) {
        return std::move(read).error();
    }
    auto set = std::make_shared<AuthModuleSet>();
    set->allow_ttl = config.cache_ttl;
    set->deny_ttl = config.cache_failure_ttl;
    const std::vector<std::string> order = list_of(config.order);
    std::set<std::string> seen;
    for (auto name = order.begin(); name != order.end(); ++name) {
        if (!seen.insert(*name).second) {
            return bad("auth.order", "`" + *name + "` stands twice");
        }
        const bool tokens_follow =
            builder.has_tokens() && std::find(name, order.end(), "jwt") != order.end();
        auto module = builder.make(*name, !tokens_follow);
        if (!module) {
            return std::move(module).error();
        }
        if (*module) {
            set->modules.push_back(std::move(*module));
        }
    }
    return AuthModuleSetPtr{std::move(set)};
}

}  // namespace gw::auth
