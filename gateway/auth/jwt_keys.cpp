#include "gateway/auth/jwt_keys.hpp"

#include "broker-core/base/assert.hpp"
#include "gateway/auth/crypto.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <array>

namespace gw::auth {

namespace {

struct Named {
    std::string_view name;
    JwtAlgorithm algorithm;
};

constexpr std::array<Named, 13> algorithms{{
    {"HS256", JwtAlgorithm::hs256},
    {"HS384", JwtAlgorithm::hs384},
    {"HS512", JwtAlgorithm::hs512},
    {"RS256", JwtAlgorithm::rs256},
    {"RS384", JwtAlgorithm::rs384},
    {"RS512", JwtAlgorithm::rs512},
    {"PS256", JwtAlgorithm::ps256},
    {"PS384", JwtAlgorithm::ps384},
    {"PS512", JwtAlgorithm::ps512},
    {"ES256", JwtAlgorithm::es256},
    {"ES384", JwtAlgorithm::es384},
    {"ES512", JwtAlgorithm::es512},
    {"EdDSA", JwtAlgorithm::eddsa},
}};

HashKind hash_of(JwtAlgorithm algorithm) {
    switch (algorithm) {
        case JwtAlgorithm::hs256:
        case JwtAlgorithm::rs256:
        case JwtAlgorithm::ps256:
        case JwtAlgorithm::es256:
        case JwtAlgorithm::eddsa:  // has its own; never asked for
            return HashKind::sha256;
        case JwtAlgorithm::hs384:
        case JwtAlgorithm::rs384:
        case JwtAlgorithm::ps384:
        case JwtAlgorithm::es384:
            return HashKind::sha384;
        case JwtAlgorithm::hs512:
        case JwtAlgorithm::rs512:
        case JwtAlgorithm::ps512:
        case JwtAlgorithm::es512:
            return HashKind::sha512;
    }
    GW_UNREACHABLE();
}

const EVP_MD* function_of(JwtAlgorithm algorithm) {
    switch (hash_of(algorithm)) {
        case HashKind::sha256:
            return EVP_sha256();
        case HashKind::sha384:
            return EVP_sha384();
        case HashKind::sha512:
            return EVP_sha512();
    }
    GW_UNREACHABLE();
}

bool is_pss(JwtAlgorithm algorithm) {
    return algorithm == JwtAlgorithm::ps256 || algorithm == JwtAlgorithm::ps384 ||
           algorithm == JwtAlgorithm::ps512;
}

bool verify_with(EVP_PKEY* key, JwtAlgorithm algorithm, std::string_view data,
                 std::string_view signature) {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(),
                                                                          &EVP_MD_CTX_free};
    EVP_PKEY_CTX* parameters = nullptr;  // the context's
    const EVP_MD* const function =
        algorithm == JwtAlgorithm::eddsa ? nullptr : function_of(algorithm);
    if (!context || EVP_DigestVerifyInit(context.get(), &parameters, function, nullptr, key) != 1) {
        return false;
    }
    // The salt is as long as the hash (RFC 7518, 3.5).
    if (is_pss(algorithm) &&
        (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) != 1)) {
        return false;
    }
    return EVP_DigestVerify(context.get(), as_bytes(signature).data(), signature.size(),
                            as_bytes(data).data(), data.size()) == 1;
}

/// A token holds the two numbers side by side (RFC 7518, 3.4), OpenSSL wants them in DER.
bool verify_ecdsa(EVP_PKEY* key, JwtAlgorithm algorithm, std::size_t number_bytes,
                  std::string_view data, std::string_view signature) {
    if (signature.size() != 2 * number_bytes) {
        return false;
    }
    const auto half = static_cast<int>(number_bytes);
    const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> numbers{ECDSA_SIG_new(),
                                                                        &ECDSA_SIG_free};
    BIGNUM* const r = BN_bin2bn(as_bytes(signature).data(), half, nullptr);
    BIGNUM* const s = BN_bin2bn(as_bytes(signature).data() + number_bytes, half, nullptr);
    if (!numbers || ECDSA_SIG_set0(numbers.get(), r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return false;
    }
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(numbers.get(), &der);
    if (size <= 0) {
        return false;
    }
    const std::string encoded{reinterpret_cast<char*>(der), static_cast<std::size_t>(size)};
    OPENSSL_free(der);
    return verify_with(key, algorithm, data, encoded);
}

std::string curve_of(EVP_PKEY* key) {
    std::array<char, 64> name{};
    std::size_t size = 0;
    if (EVP_PKEY_get_group_name(key, name.data(), name.size(), &size) != 1) {
        return {};
    }
    return {name.data(), size};
}

}  // namespace

std::optional<JwtAlgorithm> jwt_algorithm(std::string_view name) {
    for (const Named& one : algorithms) {
        if (one.name == name) {
            return one.algorithm;
        }
    }
    return std::nullopt;
}

JwtKey JwtKey::from_secret(std::string secret) {
    JwtKey key;
    key.secret_ = std::move(secret);
    return key;
}

Result<JwtKey> JwtKey::from_public_key(std::shared_ptr<evp_pkey_st> public_key) {
    JwtKey key;
    switch (EVP_PKEY_get_base_id(public_key.get())) {
        case EVP_PKEY_RSA:
            // RFC 7518, 3.3: a key of 2048 bits or larger MUST be used.
            if (EVP_PKEY_get_bits(public_key.get()) < 2048) {
                return Error{Errc::invalid_argument, "an RSA key of less than 2048 bits"};
            }
            key.kind_ = Kind::rsa;
            break;
        case EVP_PKEY_EC: {
            const std::string curve = curve_of(public_key.get());
            if (curve == "prime256v1") {
                key.kind_ = Kind::p256;
            } else if (curve == "secp384r1") {
                key.kind_ = Kind::p384;
            } else if (curve == "secp521r1") {
                key.kind_ = Kind::p521;
            } else {
                return Error{Errc::invalid_argument, "an EC key on the curve " + curve};
            }
            break;
        }
        case EVP_PKEY_ED25519:
            key.kind_ = Kind::ed25519;
            break;
        default:
            return Error{Errc::invalid_argument, "a key of a kind that signs no tokens"};
    }
    key.public_key_ = std::move(public_key);
    return key;
}

bool JwtKey::fits(JwtAlgorithm algorithm) const {
    if (only_ && *only_ != algorithm) {
        return false;
    }
    switch (algorithm) {
        case JwtAlgorithm::hs256:
        case JwtAlgorithm::hs384:
        case JwtAlgorithm::hs512:
            return kind_ == Kind::secret;
        case JwtAlgorithm::rs256:
        case JwtAlgorithm::rs384:
        case JwtAlgorithm::rs512:
        case JwtAlgorithm::ps256:
        case JwtAlgorithm::ps384:
        case JwtAlgorithm::ps512:
            return kind_ == Kind::rsa;
        case JwtAlgorithm::es256:
            return kind_ == Kind::p256;
        case JwtAlgorithm::es384:
            return kind_ == Kind::p384;
        case JwtAlgorithm::es512:
            return kind_ == Kind::p521;
        case JwtAlgorithm::eddsa:
            return kind_ == Kind::ed25519;
    }
    GW_UNREACHABLE();
}

bool JwtKey::verifies(JwtAlgorithm algorithm, std::string_view data,
                      std::string_view signature) const {
    if (!fits(algorithm)) {
        return false;
    }
    switch (kind_) {
        case Kind::secret:
            return equal_in_constant_time(hmac(hash_of(algorithm), secret_, data), signature);
        case Kind::rsa:
        case Kind::ed25519:
            return verify_with(public_key_.get(), algorithm, data, signature);
        case Kind::p256:
            return verify_ecdsa(public_key_.get(), algorithm, 32, data, signature);
        case Kind::p384:
            return verify_ecdsa(public_key_.get(), algorithm, 48, data, signature);
        case Kind::p521:
            return verify_ecdsa(public_key_.get(), algorithm, 66, data, signature);
    }
    GW_UNREACHABLE();
}

bool JwtKeys::verify(JwtAlgorithm algorithm, std::string_view key_id, std::string_view data,
                     std::string_view signature) const {
    bool is_known = false;
    for (const JwtKey& key : keys_) {
        is_known = is_known || (!key_id.empty() && key.id() == key_id);
    }
    for (const JwtKey& key : keys_) {
        const bool is_meant = key_id.empty() || (is_known ? key.id() == key_id : key.id().empty());
        if (is_meant && key.verifies(algorithm, data, signature)) {
            return true;
        }
    }
    return false;
}

}  // namespace gw::auth
