#pragma once

#include "config/parse/diagnostic.hpp"
#include "gateway/cli/options.hpp"

#include <filesystem>
#include <optional>

namespace gw::cli {

/// Prints each to standard error, a line each.
void print_diagnostics(const config::Diagnostics& diagnostics);

/// The data folder that the options name. With --data a configuration that cannot be read is no
/// hindrance: one must be able to stop a program whose file has been broken since. Empty, with
/// the diagnostics printed, when it cannot be known.
std::optional<std::filesystem::path> data_folder(const CommonOptions& options);

}  // namespace gw::cli
