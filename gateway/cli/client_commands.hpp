#pragma once

#include "gateway/cli/access_commands.hpp"

#include <string>

namespace gw::cli {

/// `mangrove clients ...`: their options, and what they do.
class ClientCommands {
public:
    ClientCommands(CLI::App& app, const CommonOptions& common, const AccessCommands::Add& add);

private:
    ExitCode ask(const std::string& name) const;

    const CommonOptions& common_;
    std::string client_;
    std::string limit_;
    bool online_ = false;
    bool offline_ = false;
};

}  // namespace gw::cli
