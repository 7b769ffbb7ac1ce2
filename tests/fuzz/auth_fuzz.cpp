// What clients and files can make our own parsers read, chosen by the first byte: tokens, key sets,
// password files and hashes, cookies, SCRAM messages. Properties:
//   1. a token that is refused under one key is never let in under another one by its own word:
//      nobody without the key gets in, whatever the bytes;
//   2. base64 has one spelling;
//   3. what a password file gives is a hash that can be told;
// and the sanitizers see to it that no byte outside the input is touched.
#include "broker-core/base/assert.hpp"
#include "broker-core/base/bytes.hpp"
#include "gateway/auth/crypto.hpp"
#include "gateway/auth/jwt.hpp"
#include "gateway/auth/jwt_claims.hpp"
#include "gateway/auth/password_file.hpp"
#include "gateway/auth/password_hash.hpp"
#include "gateway/auth/scram.hpp"
#include "gateway/auth/signed_cookie.hpp"

#include <boost/json.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace {

using namespace gw::auth;

const gw::WallTime now{gw::Seconds{1'700'000'000}};

JwtRules rules() {
    JwtRules rules;
    rules.name_claims = {"sub"};
    rules.acl_claim = "acl";
    rules.superuser_claim = "is_superuser";
    rules.groups_claim = "groups";
    rules.attributes_claim = "client_attrs";
    return rules;
}

void check_token(std::string_view text) {
    // A key that was drawn for this run: nothing that a fuzzer writes is signed with it.
    static const std::string secret = random_bytes(32);
    JwtKeys keys;
    keys.add(JwtKey::from_secret(secret));
    const JwtBearer bearer{.client_id = "c", .shown_name = {}};
    GW_ASSERT(!read_jwt(text, keys, rules(), bearer, now).has_value());
    static_cast<void>(looks_like_jwt(text));
}

void check_claims(std::string_view text) {
    boost::system::error_code failure;
    const auto parsed =
        boost::json::parse(boost::json::string_view{text.data(), text.size()}, failure);
    if (!failure && parsed.is_object()) {
        const JwtBearer bearer{.client_id = "c", .shown_name = "u"};
        const auto identity = read_claims(parsed.get_object(), rules(), bearer, now);
        GW_ASSERT(!identity || is_user_name(identity->username));
        GW_ASSERT(!identity || identity->grants->expires_at > now);
    }
}

void check_scram(std::string_view text) {
    static const ScramKeys keys = derive_scram_keys("secret", "salt", 1);
    const std::size_t cut = text.find('\n');
    ScramServer server{"nonce"};
    const auto name = server.on_first(text.substr(0, cut));
    if (name) {
        GW_ASSERT(is_user_name(*name));
        server.challenge(keys);
        if (cut != std::string_view::npos) {
            static_cast<void>(server.on_final(text.substr(cut + 1)));
        }
    }
}

void check_cookie(std::string_view text) {
    static const std::string secret = random_bytes(32);
    const auto value = find_cookie(text, "session");
    GW_ASSERT(!value || !read_signed_cookie(secret, "session", *value, now).has_value());
    static_cast<void>(read_signed_cookie(secret, "session", text, now));
}

void check_base64(std::string_view text) {
    for (const Base64 alphabet : {Base64::standard, Base64::url}) {
        const auto bytes = base64_decode(text, alphabet);
        GW_ASSERT(!bytes || base64_encode(*bytes, alphabet) == text);
        GW_ASSERT(base64_decode(base64_encode(text, alphabet), alphabet) == text);
    }
}

void check_passwords(std::string_view text) {
    for (const auto& entry : parse_password_file(text).entries) {
        GW_ASSERT(check_password_hash(entry.password_hash).has_value());
    }
    static_cast<void>(check_password_hash(text));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view text = gw::as_text({data + 1, size - 1});
    switch (data[0] % 7) {
        case 0:
            check_token(text);
            break;
        case 1:
            check_claims(text);
            break;
        case 2:
            check_scram(text);
            break;
        case 3:
            check_cookie(text);
            break;
        case 4:
            check_passwords(text);
            break;
        case 5:
            static_cast<void>(parse_jwks(text));
            static_cast<void>(parse_pem_keys(text));
            break;
        default:
            check_base64(text);
            break;
    }
    return 0;
}
