#pragma once

#include "broker-core/base/clock.hpp"
#include "broker-core/base/result.hpp"
#include "broker-core/message/identity.hpp"
#include "gateway/auth/jwt_keys.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gw::auth {

/// Why a token was refused.
enum class JwtError : std::uint8_t {
    not_a_token,  // not even shaped like one: perhaps a password
    malformed,
    algorithm,  // unknown, "none", or one that is not wanted here
    critical,   // an extension that must be understood (RFC 7515, 4.1.11)
    signature,  // no key of ours signs it
    expired,
    not_yet_valid,
    audience,
    issuer,
    no_name,      // names nobody
    client_id,    // is for another client id
    wrong_claim,  // a claim that we read has another type than it must have
};
/// One sentence part for a log: "signature".
std::string_view jwt_error_text(JwtError error);

/// How tokens are read and what they must say.
struct JwtRules {
    std::vector<JwtAlgorithm> algorithms;  // empty: those that the keys are for
    std::vector<std::string> name_claims;  // the first that is there names the user
    std::string acl_claim;                 // empty claim names: not read
    std::string superuser_claim;
    std::string groups_claim;
    std::string attributes_claim;
    std::string client_id_claim;  // must be the client's id when not empty
    std::string audience;         // must be among "aud" when not empty
    std::string issuer;           // must be "iss" when not empty
    Milliseconds leeway{0};       // by which clocks may differ
    bool requires_expiry = false;
};

/// The client that shows the token.
struct JwtBearer {
    std::string_view client_id;
    std::string_view shown_name;  // empty: none
};

/// What a valid token says.
struct JwtIdentity {
    std::string username;
    bool is_superuser = false;
    AuthGrantsPtr grants;
};

/// Checks the signature of a JSON Web Token in compact form (RFC 7515, 7518, 7519) and reads its
/// claims. Some 100 us for a public key: not on a worker's thread. Pure.
///
/// The rights in the claim `acl_claim` are those of EMQX:
///   {"pub": [filters], "sub": [filters], "all": [filters]}, also "publish" and "subscribe", or
///   [{"permission": "allow|deny", "action": "publish|subscribe|all", "topic": filter}, ..]
/// `${username}`, `${clientid}`, `%u` and `%c` stand for themselves as whole levels.
Result<JwtIdentity, JwtError> read_jwt(std::string_view token, const JwtKeys& keys,
                                       const JwtRules& rules, const JwtBearer& bearer,
                                       WallTime now);

/// Whether the text is shaped like a token: three parts, the first a JSON object with "alg".
bool looks_like_jwt(std::string_view text);

}  // namespace gw::auth
