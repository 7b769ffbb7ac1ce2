#pragma once

#include "config/parse/loader.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gw::cli {

/// What every command takes: where the configuration comes from.
struct CommonOptions {
    std::string file;                   ///< --config; empty: none
    std::string data_dir;               ///< --data; empty: not given
    std::vector<std::string> settings;  ///< --set, in order

    /// Joined with the environment of this process.
    config::Sources sources() const;
    /// The same as arguments, for the process that `start` makes.
    std::vector<std::string> arguments() const;
};

}  // namespace gw::cli
