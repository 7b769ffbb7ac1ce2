#pragma once

#include "config/parse/loader.hpp"
#include "gateway/service.hpp"

#include <string>

namespace gw {

/// Exit codes of the program; `mangrove --help` tells them.
enum class ExitCode : int {
    success = 0,
    failure = 1,
    bad_input = 2,    ///< wrong arguments or configuration
    not_running = 3,  ///< `status` alone
};

enum class RunMode {
    foreground,  ///< logs to its output as the configuration says
    detached,    ///< made by `mangrove start`: no terminal, so `console` logs to the file
};

struct RunOptions {
    config::Sources sources;
    RunMode mode = RunMode::foreground;
    /// Detached: descriptor to which "ready" and the listeners, a line each, are written once
    /// everything listens; closed without a word when the start fails. -1: none.
    int ready_descriptor = -1;
};

/// The life of `mangrove run`: reads the configuration, locks the data folder, starts the service,
/// serves signals and the control socket on the calling thread, and stops it again.
///
/// SIGTERM and SIGINT stop gracefully, a second one ends at once; SIGHUP reloads. What goes wrong
/// before the log is there is printed to standard error. Call it once in a process: it handles the
/// process's signals.
ExitCode run_program(const RunOptions& options, const ServiceFactory& make_service);

}  // namespace gw
