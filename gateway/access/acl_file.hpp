#pragma once

#include "broker-core/access/acl_table.hpp"
#include "config/model/config.hpp"
#include "config/parse/diagnostic.hpp"

#include <string>

namespace gw {

/// The file that the configuration names, or that lies beside it; empty: the built-in rules count.
std::string acl_file_of(const config::Config& config);

/// Reads the access rules that the configuration asks for. The failure is everything that is wrong,
/// with its place. Blocks on the file.
Result<AclTablePtr, config::Diagnostics> load_acl(const config::Config& config);
/// The rules of one file.
Result<AclTablePtr, config::Diagnostics> load_acl_file(const std::string& path,
                                                       AccessDecision no_match);

/// Reads a file of at most 4 MB, as access rules are.
Result<std::string> read_small_file(const std::string& path);

}  // namespace gw
