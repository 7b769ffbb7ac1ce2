#pragma once

#include "broker-core/base/clock.hpp"
#include "broker-core/base/result.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace gw::auth {

/// The value of the named cookie in a Cookie header (RFC 6265, 5.4); of several, the first, which
/// is the most specific one. Quotes around it are taken off. Nothing: there is none.
std::optional<std::string_view> find_cookie(std::string_view header, std::string_view name);

/// What a signed cookie says: whose it is and until when.
struct SignedCookie {
    std::string username;
    WallTime expires_at;
};

/// The value of a signed cookie:
///   base64url(user name) "." seconds since 1970 "." base64url(HMAC-SHA256(secret, signed text))
/// The signed text is the cookie's name, "=", and what stands before the last dot; so a value is
/// good for a cookie of this name only.
std::string make_signed_cookie(std::string_view secret, std::string_view name,
                               const SignedCookie& cookie);

/// @error  invalid_argument  malformed, signed with another secret, or expired
Result<SignedCookie> read_signed_cookie(std::string_view secret, std::string_view name,
                                        std::string_view value, WallTime now);

}  // namespace gw::auth
