#pragma once

#include "broker-core/base/result.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct evp_pkey_st;

namespace gw::auth {

/// Signature algorithms of tokens (RFC 7518, 3.1; RFC 8037 for EdDSA). "none" is not one.
enum class JwtAlgorithm : std::uint8_t {
    hs256,
    hs384,
    hs512,
    rs256,
    rs384,
    rs512,
    ps256,
    ps384,
    ps512,
    es256,
    es384,
    es512,
    eddsa,
};

/// By the exact name that stands in a token's header.
std::optional<JwtAlgorithm> jwt_algorithm(std::string_view name);

/// One key and what it may verify. A key's own kind says which algorithms fit it, never the token:
/// a public key is no secret for HMAC.
class JwtKey {
public:
    static JwtKey from_secret(std::string secret);
    /// @error  invalid_argument  a kind or size that no algorithm is for
    static Result<JwtKey> from_public_key(std::shared_ptr<evp_pkey_st> key);

    /// Restricts the key to one algorithm, and gives it a name.
    void set_algorithm(JwtAlgorithm only) { only_ = only; }
    void set_id(std::string id) { id_ = std::move(id); }

    const std::string& id() const { return id_; }
    bool fits(JwtAlgorithm algorithm) const;
    /// Whether `signature` signs `data`. False when the algorithm does not fit the key.
    bool verifies(JwtAlgorithm algorithm, std::string_view data, std::string_view signature) const;

private:
    enum class Kind : std::uint8_t { secret, rsa, p256, p384, p521, ed25519 };

    JwtKey() = default;

    Kind kind_ = Kind::secret;
    std::string secret_;
    std::shared_ptr<evp_pkey_st> public_key_;  // used by several threads at once, never changed
    std::optional<JwtAlgorithm> only_;
    std::string id_;
};

/// The keys that tokens may be signed with. Any thread.
class JwtKeys {
public:
    void add(JwtKey key) { keys_.push_back(std::move(key)); }
    bool empty() const { return keys_.empty(); }
    std::size_t size() const { return keys_.size(); }

    /// Whether one of the keys that the token may mean signs it: those of its key id when there
    /// are any, else those without an id; without a key id, all.
    bool verify(JwtAlgorithm algorithm, std::string_view key_id, std::string_view data,
                std::string_view signature) const;

private:
    std::vector<JwtKey> keys_;
};

/// Public keys and certificates in PEM.
///
/// @error  invalid_argument  none in it, a private key, or one that no algorithm is for
Result<std::vector<JwtKey>> parse_pem_keys(std::string_view text);

/// A JSON Web Key Set (RFC 7517), or a single key. Keys for encryption, and of kinds that are not
/// known, are passed over, as section 5 demands.
///
/// @error  invalid_argument  no JSON, no usable key in it, or a key with wrong content
Result<std::vector<JwtKey>> parse_jwks(std::string_view text);

}  // namespace gw::auth
