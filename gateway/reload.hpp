#pragma once

#include "config/parse/loader.hpp"
#include "gateway/service.hpp"

#include <string>
#include <vector>

namespace gw {

enum class ReloadMode { apply, dry_run };

/// How a reload went.
struct ReloadOutcome {
    bool accepted = false;                ///< a dry run: would have been
    std::vector<config::Change> changes;  ///< also those that made it fail
    std::vector<std::string> notes;       ///< what the service did
    std::vector<std::string> errors;      ///< why nothing was changed
};

/// Reads all sources again and, when everything is right and no changed key needs a restart, gives
/// the new configuration to the service and puts it in the place of `current`. Otherwise nothing
/// changes. Blocks on the files.
ReloadOutcome reload_config(const config::Sources& sources, config::Loaded& current,
                            Service& service, ReloadMode mode);

}  // namespace gw
