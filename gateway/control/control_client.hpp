#pragma once

#include "broker-core/base/result.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace gw {

/// Sends one line to the program that runs on this data folder and returns the line it answers.
/// Blocks, at most some 15 s.
///
/// @error  unavailable  nobody answers there
/// @error  io           the connection broke or took too long
Result<std::string> ask_running_program(const std::filesystem::path& data_dir,
                                        std::string_view request);

}  // namespace gw
