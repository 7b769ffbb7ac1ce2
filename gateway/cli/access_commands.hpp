#pragma once

#include "gateway/cli/options.hpp"
#include "gateway/control/manage.hpp"
#include "gateway/program.hpp"

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}  // namespace CLI

namespace gw::cli {

/// `mangrove acl ...` and `mangrove ban ...`: their options, and what they do.
class AccessCommands {
public:
    /// Makes one command of the command line: parent, name, summary, footer, action. Options that
    /// all commands have are added.
    using Add = std::function<CLI::App*(CLI::App& parent, const char* name, const char* summary,
                                        const char* footer, std::function<ExitCode()> action)>;

    AccessCommands(CLI::App& app, const CommonOptions& common, const Add& add);

private:
    void add_acl(CLI::App& app, const Add& add);
    void add_ban(CLI::App& app, const Add& add);
    ExitCode check() const;
    ExitCode test() const;
    ExitCode import() const;
    ExitCode ban(const std::string& name) const;
    ExitCode change_ban_file(const std::string& name, const std::string& data_dir) const;
    ManageFields fields() const;

    const CommonOptions& common_;
    std::string file_, output_;
    std::string user_, client_, ip_, protocol_, action_, topic_, address_, reason_, time_;
    std::vector<std::string> groups_, attributes_;
    bool is_superuser_ = false;
    bool asks_running_ = false;
};

}  // namespace gw::cli
