#pragma once

#include "broker-core/base/clock.hpp"
#include "broker-core/base/result.hpp"
#include "broker-core/door/ban_list.hpp"
#include "gateway/control/manage.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace gw {

/// Bans in `<data>/bans`: a line for each, written anew as a whole with each change. Blocks.
///
/// @error  corrupt  the text says which line; nothing is taken from the file then
Result<std::vector<Ban>> read_bans(const std::filesystem::path& data_dir);
Result<void> write_bans(const std::filesystem::path& data_dir, const std::vector<Ban>& bans);

/// A ban as the command line asks for it: one of address, user and client; for (a duration),
/// reason.
///
/// @error  invalid_argument
Result<Ban> ban_of(const ManageFields& fields, WallTime now);

/// A line a ban, for people.
std::string ban_page(const std::vector<Ban>& bans, WallTime now);

}  // namespace gw
