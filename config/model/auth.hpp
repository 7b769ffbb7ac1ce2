#pragma once

#include "broker-core/base/clock.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace gw::config {

/// How new passwords of built-in users are hashed.
enum class PasswordHash { argon2id, bcrypt, pbkdf2_sha256, pbkdf2_sha512 };
/// Which part of a verified certificate is the user's name.
enum class CertificateName { common_name, subject, fingerprint, dns, uri, email };
/// Where MQTT clients put a token.
enum class TokenField { password, username };
enum class CookieFormat { signed_value, jwt };

/// A name and a password, or its hash, that stand in the configuration.
struct AuthEntry {
    std::string name;
    std::string password;
};

struct AuthUsers {
    std::string file;                            ///< auth.users.file, within the data folder
    PasswordHash hash = PasswordHash::argon2id;  ///< auth.users.hash
    std::uint64_t argon2_memory_bytes = 0;       ///< auth.users.argon2.memory
    std::uint32_t argon2_passes = 0;             ///< auth.users.argon2.passes
    std::uint32_t bcrypt_cost = 0;               ///< auth.users.bcrypt.cost
    std::uint32_t pbkdf2_iterations = 0;         ///< auth.users.pbkdf2.iterations
    bool scram = true;                           ///< auth.scram
    std::uint32_t scram_iterations = 0;          ///< auth.scram.iterations
};

struct AuthJwt {
    std::string secret;                      ///< auth.jwt.secret
    std::string secret_file;                 ///< auth.jwt.secret_file
    bool secret_base64 = false;              ///< auth.jwt.secret_base64
    std::string public_key;                  ///< auth.jwt.pubkey: file in PEM
    std::string key_set;                     ///< auth.jwt.jwks: file
    std::string algorithms;                  ///< auth.jwt.algorithms; empty: what the keys are for
    TokenField from = TokenField::password;  ///< auth.jwt.from
    std::string user_claims;                 ///< auth.jwt.user_claim, separated by commas
    std::string acl_claim;                   ///< auth.jwt.acl_claim
    std::string superuser_claim;             ///< auth.jwt.superuser_claim
    std::string groups_claim;                ///< auth.jwt.groups_claim
    std::string attributes_claim;            ///< auth.jwt.attributes_claim
    std::string client_id_claim;             ///< auth.jwt.clientid_claim
    std::string audience;                    ///< auth.jwt.audience
    std::string issuer;                      ///< auth.jwt.issuer
    Milliseconds leeway{0};                  ///< auth.jwt.leeway
    bool requires_expiry = false;            ///< auth.jwt.require_exp
};

struct AuthCookie {
    std::string name;  ///< auth.cookie.name; empty: no cookie is looked at
    CookieFormat format = CookieFormat::signed_value;  ///< auth.cookie.format
    std::string secret;                                ///< auth.cookie.secret
    std::string secret_file;                           ///< auth.cookie.secret_file
};

/// Who clients are.
struct Auth {
    std::string order;                    ///< auth.order, separated by commas
    Milliseconds timeout{0};              ///< auth.timeout
    std::uint32_t thread_count = 0;       ///< auth.threads; 0: half the cores
    std::uint32_t waiting_count_max = 0;  ///< auth.queue
    std::uint32_t cache_count_max = 0;    ///< auth.cache.size
    Milliseconds cache_ttl{0};            ///< auth.cache.ttl; 0: nothing is remembered
    Milliseconds cache_failure_ttl{0};    ///< auth.cache.failure_ttl
    AuthUsers users;
    std::map<std::uint32_t, AuthEntry> user_entries;                  ///< auth.user.<N>.*
    std::map<std::uint32_t, AuthEntry> client_entries;                ///< auth.client.<N>.*
    std::string client_id_file;                                       ///< auth.client_id.file
    CertificateName certificate_name = CertificateName::common_name;  ///< auth.certificate.name
    AuthJwt jwt;
    AuthCookie cookie;
};

}  // namespace gw::config
