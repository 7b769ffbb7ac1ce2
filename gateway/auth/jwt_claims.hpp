#pragma once

#include "gateway/auth/jwt.hpp"

#include <boost/json/object.hpp>

namespace gw::auth {

/// What the claims of a token whose signature is right say about its bearer: times, audience and
/// issuer checked, name, rights, groups and attributes read. Pure.
Result<JwtIdentity, JwtError> read_claims(const boost::json::object& claims, const JwtRules& rules,
                                          const JwtBearer& bearer, WallTime now);

}  // namespace gw::auth
