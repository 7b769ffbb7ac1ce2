#pragma once

#include "broker-core/access/acl_table.hpp"
#include "broker-core/base/result.hpp"
#include "config/model/config.hpp"
#include "gateway/control/manage.hpp"

#include <string>

namespace gw {

/// Which rule decides whether a client may do something, for people to read. Fields: user, client,
/// ip, protocol, group and attr (name=value; several, a line each), superuser (any text), action
/// (publish, subscribe, receive), topic. The first line is "allowed" or "denied".
///
/// @error  invalid_argument  a field that cannot be understood, or a topic that is none
Result<std::string> answer_acl_question(const AclTable& table, const config::Config& config,
                                        const ManageFields& fields);

}  // namespace gw
