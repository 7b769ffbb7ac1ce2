#include "gateway/auth/jwt.hpp"

#include "broker-core/base/assert.hpp"
#include "gateway/auth/crypto.hpp"
#include "gateway/auth/jwt_claims.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <optional>

namespace gw::auth {

namespace json = boost::json;

namespace {

constexpr std::size_t token_bytes_max = 64 << 10;

/// The three parts, still encoded.
struct Parts {
    std::string_view header, claims, signature;
    std::string_view signed_text;
};

std::optional<Parts> split(std::string_view token) {
    const std::size_t first = token.find('.');
    const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
    if (token.size() > token_bytes_max || second == std::string_view::npos ||
        token.find('.', second + 1) != std::string_view::npos) {
        return std::nullopt;
    }
    return Parts{.header = token.substr(0, first),
                 .claims = token.substr(first + 1, second - first - 1),
                 .signature = token.substr(second + 1),
                 .signed_text = token.substr(0, second)};
}

std::optional<json::object> object_of(std::string_view encoded) {
    const auto text = base64_decode(encoded, Base64::url);
    if (!text) {
        return std::nullopt;
    }
    boost::system::error_code failure;
    json::value parsed = json::parse(json::string_view{text->data(), text->size()}, failure);
    if (failure || !parsed.is_object()) {
        return std::nullopt;
    }
    return std::move(parsed.get_object());
}

std::optional<std::string> text_of(const json::object& object, std::string_view name) {
    const json::value* const member = object.if_contains(name);
    const json::string* const text = member == nullptr ? nullptr : member->if_string();
    return text == nullptr ? std::nullopt
                           : std::optional<std::string>{std::string{text->data(), text->size()}};
}

}  // namespace

std::string_view jwt_error_text(JwtError error) {
    switch (error) {
        case JwtError::not_a_token:
            return "not a token";
        case JwtError::malformed:
            return "malformed";
        case JwtError::algorithm:
            return "algorithm";
        case JwtError::critical:
            return "critical extension";
        case JwtError::signature:
            return "signature";
        case JwtError::expired:
            return "expired";
        case JwtError::not_yet_valid:
            return "not yet valid";
        case JwtError::audience:
            return "audience";
        case JwtError::issuer:
            return "issuer";
        case JwtError::no_name:
            return "names nobody";
        case JwtError::client_id:
            return "client id";
        case JwtError::wrong_claim:
            return "wrong claim";
    }
    GW_UNREACHABLE();
}

bool looks_like_jwt(std::string_view text) {
    const auto parts = split(text);
    const auto header = parts ? object_of(parts->header) : std::nullopt;
    return header && header->contains("alg");
}

Result<JwtIdentity, JwtError> read_jwt(std::string_view token, const JwtKeys& keys,
                                       const JwtRules& rules, const JwtBearer& bearer,
                                       WallTime now) {
    const auto parts = split(token);
    const auto header = parts ? object_of(parts->header) : std::nullopt;
    if (!header || !header->contains("alg")) {
        return JwtError::not_a_token;
    }
    const auto algorithm = jwt_algorithm(text_of(*header, "alg").value_or(""));
    const bool is_wanted = algorithm && (rules.algorithms.empty() ||
                                         std::find(rules.algorithms.begin(), rules.algorithms.end(),
                                                   *algorithm) != rules.algorithms.end());
    if (!is_wanted) {
        return JwtError::algorithm;
    }
    if (header->contains("crit")) {
        return JwtError::critical;
    }
    const auto signature = base64_decode(parts->signature, Base64::url);
    if (!signature) {
        return JwtError::malformed;
    }
    if (!keys.verify(*algorithm, text_of(*header, "kid").value_or(""), parts->signed_text,
                     *signature)) {
        return JwtError::signature;
    }
    const auto claims = object_of(parts->claims);
    if (!claims) {
        return JwtError::malformed;
    }
    return read_claims(*claims, rules, bearer, now);
}

}  // namespace gw::auth
