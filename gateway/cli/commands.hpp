#pragma once

#include "gateway/cli/options.hpp"
#include "gateway/program.hpp"
#include "gateway/reload.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

/// What the commands of the command line do. Each prints to standard output, errors to standard
/// error, and returns the exit code.
namespace gw::cli {

enum class StatusForm { page, json };

/// Starts the program in the background; returns when it listens or has failed.
ExitCode start(const CommonOptions& options);
/// Asks the running program to stop and waits for its end.
ExitCode stop(const CommonOptions& options, std::chrono::seconds timeout);
ExitCode restart(const CommonOptions& options, std::chrono::seconds timeout);
ExitCode status(const CommonOptions& options, StatusForm form);

ExitCode config_check(const CommonOptions& options);
ExitCode config_show(const CommonOptions& options);
/// The whole reference, or that of one key.
ExitCode config_doc(const std::string& key);
/// The store's file from outside: check, backup and export also beside a running program; import
/// into an empty one. An empty file name: standard output or input.
ExitCode store_check(const CommonOptions& options);
ExitCode store_export(const CommonOptions& options, const std::string& file);
ExitCode store_import(const CommonOptions& options, const std::string& file);
ExitCode store_backup(const CommonOptions& options, const std::string& target);

/// What `mangrove passwd add` is told of a user. What is not given stays as it was; a new user is
/// no superuser and in no group.
struct UserSettings {
    std::string name;
    std::optional<bool> is_superuser;
    std::optional<std::vector<std::string>> groups;
};

/// The built-in users; also while the program runs, which hears of it. Passwords come from standard
/// input, or from a prompt that shows nothing.
ExitCode passwd_add(const CommonOptions& options, const UserSettings& user);
ExitCode passwd_remove(const CommonOptions& options, const std::string& name);
ExitCode passwd_list(const CommonOptions& options);
/// Whether it is the password that standard input gives.
ExitCode passwd_check(const CommonOptions& options, const std::string& name);
/// A password file of mosquitto, whole or, when a line of it is wrong, not at all.
enum class ExistingUsers { keep, replace };
ExitCode passwd_import(const CommonOptions& options, const std::string& file,
                       ExistingUsers existing);

ExitCode config_reload(const CommonOptions& options, ReloadMode mode);

}  // namespace gw::cli
