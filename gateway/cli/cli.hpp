#pragma once

#include "gateway/service.hpp"

namespace gw::cli {

/// Parses the command line and runs the command. Returns the process's exit code.
int run(int argc, char** argv, const ServiceFactory& make_service);

}  // namespace gw::cli
