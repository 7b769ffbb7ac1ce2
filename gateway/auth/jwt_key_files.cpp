// Keys as files hold them: PEM and JSON Web Key Sets (RFC 7517).
#include "broker-core/base/bytes.hpp"
#include "gateway/auth/crypto.hpp"
#include "gateway/auth/jwt_keys.hpp"

#include <boost/json.hpp>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace gw::auth {

namespace json = boost::json;

namespace {

constexpr std::size_t key_count_max = 100;

using KeyPtr = std::shared_ptr<EVP_PKEY>;
using Number = std::unique_ptr<BIGNUM, decltype(&BN_free)>;

KeyPtr owned(EVP_PKEY* key) {
    return {key, &EVP_PKEY_free};
}

Error bad(const std::string& what) {
    ERR_clear_error();
    return {Errc::invalid_argument, what};
}

/// The text of a member; nothing when it is missing or no text.
std::optional<std::string> text_of(const json::object& object, std::string_view name) {
    const json::value* const member = object.if_contains(name);
    const json::string* const text = member == nullptr ? nullptr : member->if_string();
    return text == nullptr ? std::nullopt
                           : std::optional<std::string>{std::string{text->data(), text->size()}};
}

std::optional<std::string> bytes_of(const json::object& object, std::string_view name) {
    const auto text = text_of(object, name);
    return text ? base64_decode(*text, Base64::url) : std::nullopt;
}

Result<KeyPtr> make_key(const char* kind, OSSL_PARAM_BLD* builder) {
    const std::unique_ptr<OSSL_PARAM, decltype(&OSSL_PARAM_free)> parameters{
        OSSL_PARAM_BLD_to_param(builder), &OSSL_PARAM_free};
    const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context{
        EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr), &EVP_PKEY_CTX_free};
    EVP_PKEY* key = nullptr;
    if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
        return bad("wrong numbers in the key");
    }
    return owned(key);
}

Number number_of(const std::string& bytes) {
    return {BN_bin2bn(as_bytes(bytes).data(), static_cast<int>(bytes.size()), nullptr), &BN_free};
}

Result<KeyPtr> rsa_key(const json::object& object) {
    const auto modulus = bytes_of(object, "n");
    const auto exponent = bytes_of(object, "e");
    if (!modulus || !exponent || modulus->size() > 2048 || exponent->size() > 8) {
        return bad("\"n\" or \"e\"");
    }
    const Number n = number_of(*modulus);
    const Number e = number_of(*exponent);
    const std::unique_ptr<OSSL_PARAM_BLD, decltype(&OSSL_PARAM_BLD_free)> builder{
        OSSL_PARAM_BLD_new(), &OSSL_PARAM_BLD_free};
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
    return make_key("RSA", builder.get());
}

Result<KeyPtr> ec_key(const json::object& object, const char* group, std::size_t bytes) {
    const auto x = bytes_of(object, "x");
    const auto y = bytes_of(object, "y");
    if (!x || !y || x->size() != bytes || y->size() != bytes) {
        return bad("\"x\" or \"y\"");
    }
    const std::string point = "\x04" + *x + *y;  // not compressed
    const std::unique_ptr<OSSL_PARAM_BLD, decltype(&OSSL_PARAM_BLD_free)> builder{
        OSSL_PARAM_BLD_new(), &OSSL_PARAM_BLD_free};
    OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
    OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                     point.size());
    return make_key("EC", builder.get());
}

Result<KeyPtr> ed25519_key(const json::object& object) {
    const auto x = bytes_of(object, "x");
    EVP_PKEY* const key =
        x && x->size() == 32
            ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, as_bytes(*x).data(), 32)
            : nullptr;
    if (key == nullptr) {
        return bad("\"x\"");
    }
    return owned(key);
}

/// Null: a kind that is not known.
Result<KeyPtr> public_key_of(const json::object& object, const std::string& kind) {
    const std::string curve = text_of(object, "crv").value_or("");
    if (kind == "RSA") {
        return rsa_key(object);
    }
    if (kind == "EC" && curve == "P-256") {
        return ec_key(object, "prime256v1", 32);
    }
    if (kind == "EC" && curve == "P-384") {
        return ec_key(object, "secp384r1", 48);
    }
    if (kind == "EC" && curve == "P-521") {
        return ec_key(object, "secp521r1", 66);
    }
    if (kind == "OKP" && curve == "Ed25519") {
        return ed25519_key(object);
    }
    return KeyPtr{};
}

bool is_for_signatures(const json::object& object) {
    if (text_of(object, "use").value_or("sig") != "sig") {
        return false;
    }
    const json::value* const operations = object.if_contains("key_ops");
    const json::array* const list = operations == nullptr ? nullptr : operations->if_array();
    if (list == nullptr) {
        return operations == nullptr;
    }
    for (const json::value& one : *list) {
        const json::string* const text = one.if_string();
        if (text != nullptr && *text == "verify") {
            return true;
        }
    }
    return false;
}

/// Nothing: not for us.
Result<std::optional<JwtKey>> parse_jwk(const json::object& object) {
    const auto kind = text_of(object, "kty");
    if (!kind) {
        return bad("no \"kty\"");
    }
    if (!is_for_signatures(object)) {
        return std::optional<JwtKey>{};
    }
    const auto name = text_of(object, "alg");
    std::optional<JwtAlgorithm> only{};
    if (name) {
        only = jwt_algorithm(*name);
        if (!only) {
            return std::optional<JwtKey>{};
        }
    }
    std::optional<JwtKey> key;
    if (*kind == "oct") {
        auto secret = bytes_of(object, "k");
        if (!secret || secret->empty()) {
            return bad("\"k\"");
        }
        key = JwtKey::from_secret(std::move(*secret));
    } else {
        auto public_key = public_key_of(object, *kind);
        if (!public_key) {
            return std::move(public_key).error();
        }
        if (*public_key == nullptr) {
            return std::optional<JwtKey>{};
        }
        auto made = JwtKey::from_public_key(std::move(*public_key));
        if (!made) {
            return std::move(made).error();
        }
        key = std::move(*made);
    }
    if (only) {
        if (!key->fits(*only)) {
            return bad("\"alg\" does not fit \"kty\"");
        }
        key->set_algorithm(*only);
    }
    key->set_id(text_of(object, "kid").value_or(""));
    return key;
}

}  // namespace

Result<std::vector<JwtKey>> parse_jwks(std::string_view text) {
    boost::system::error_code failure;
    const json::value parsed = json::parse(json::string_view{text.data(), text.size()}, failure);
    const json::object* const top = failure ? nullptr : parsed.if_object();
    if (top == nullptr) {
        return bad("no JSON object");
    }
    json::array list;
    if (const json::value* const keys = top->if_contains("keys")) {
        if (!keys->is_array()) {
            return bad("\"keys\" is no list");
        }
        list = keys->get_array();
    } else {
        list.push_back(*top);
    }
    if (list.size() > key_count_max) {
        return bad("more than " + std::to_string(key_count_max) + " keys");
    }
    std::vector<JwtKey> keys;
    for (std::size_t i = 0; i < list.size(); ++i) {
        const std::string place = "key " + std::to_string(i + 1);
        if (!list[i].is_object()) {
            return bad(place + ": no JSON object");
        }
        auto key = parse_jwk(list[i].get_object());
        if (!key) {
            return std::move(key).error().within(place);
        }
        if (*key) {
            keys.push_back(std::move(**key));
        }
    }
    if (keys.empty()) {
        return bad("no key that verifies signatures");
    }
    return keys;
}

Result<std::vector<JwtKey>> parse_pem_keys(std::string_view text) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> source{
        BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free};
    std::vector<JwtKey> keys;
    for (;;) {
        char* name = nullptr;
        char* header = nullptr;
        unsigned char* data = nullptr;
        long size = 0;
        if (PEM_read_bio(source.get(), &name, &header, &data, &size) != 1) {
            ERR_clear_error();
            break;
        }
        const std::string kind = name;
        const unsigned char* at = data;
        EVP_PKEY* key = nullptr;
        if (kind == "PUBLIC KEY") {
            key = d2i_PUBKEY(nullptr, &at, size);
        } else if (kind == "RSA PUBLIC KEY") {
            key = d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, size);
        } else if (kind == "CERTIFICATE") {
            X509* const certificate = d2i_X509(nullptr, &at, size);
            key = X509_get_pubkey(certificate);
            X509_free(certificate);
        }
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(data);
        if (kind.ends_with("PRIVATE KEY")) {
            EVP_PKEY_free(key);
            return bad("a private key: only the public one belongs here");
        }
        if (key == nullptr) {
            return bad("\"" + kind + "\" is no public key that can be read");
        }
        auto made = JwtKey::from_public_key(owned(key));
        if (!made) {
            return std::move(made).error();
        }
        if (keys.size() == key_count_max) {
            return bad("more than " + std::to_string(key_count_max) + " keys");
        }
        keys.push_back(std::move(*made));
    }
    if (keys.empty()) {
        return bad("no public key in PEM");
    }
    return keys;
}

}  // namespace gw::auth
