#pragma once

#include "broker-core/auth/auth_module.hpp"
#include "broker-core/base/result.hpp"
#include "config/model/auth.hpp"
#include "gateway/auth/modules.hpp"

#include <string>

namespace gw::auth {

/// How the configuration wants new passwords hashed.
HashParameters hash_parameters(const config::AuthUsers& users);

/// Makes the modules that a configuration names, in their order: reads and checks the files that it
/// names. Modules that have nothing to decide by are left out. `users_exist`: there is a file of
/// users. Blocks on files.
///
/// @error  invalid_argument, io, not_found  a file with wrong content, or none; the text names the
///                                          key, and never what is secret
Result<AuthModuleSetPtr> build_modules(const config::Auth& config, const ModuleContext& context,
                                       bool users_exist);

}  // namespace gw::auth
