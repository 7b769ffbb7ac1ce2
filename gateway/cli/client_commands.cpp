#include "gateway/cli/client_commands.hpp"

#include "gateway/cli/data_folder.hpp"
#include "gateway/control/control_client.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>

namespace gw::cli {

namespace {

constexpr const char* footer = R"(
Clients of all protocols; a client id has one session, by whatever protocol it comes.
Examples:
  mangrove clients list --online
  mangrove clients show meter-7
  mangrove clients kick meter-7)";

}  // namespace

ClientCommands::ClientCommands(CLI::App& app, const CommonOptions& common,
                               const AccessCommands::Add& add)
    : common_(common) {
    CLI::App* const clients =
        app.add_subcommand("clients", "Lists, shows and disconnects clients of the running one");
    clients->require_subcommand(1);
    clients->footer(footer);
    CLI::App* const list =
        add(*clients, "list", "One line for each session", "Example: mangrove clients list",
            [this] { return ask("clients_list"); });
    list->add_flag("--online", online_, "Those that are connected");
    list->add_flag("--offline", offline_, "Those that are not")->excludes("--online");
    list->add_option("--limit", limit_, "How many at most; 0: all; 1000 if not given");
    add(*clients, "show", "One session, with its subscriptions",
        "Example: mangrove clients show meter-7", [this] { return ask("clients_show"); })
        ->add_option("CLIENT", client_, "The client id")
        ->required();
    add(*clients, "kick", "Ends a client's connection; its session stays",
        "Example: mangrove clients kick meter-7", [this] { return ask("clients_kick"); })
        ->add_option("CLIENT", client_, "The client id")
        ->required();
}

ExitCode ClientCommands::ask(const std::string& name) const {
    const auto data_dir = data_folder(common_);
    if (!data_dir) {
        return ExitCode::bad_input;
    }
    ManageFields fields{{"client", client_}, {"limit", limit_}};
    fields["state"] = online_ ? "online" : offline_ ? "offline" : "";
    const auto reply = ask_running_program(*data_dir, manage_line(name, fields));
    if (!reply) {
        std::fprintf(stderr, "mangrove: not running on %s\n", data_dir->c_str());
        return ExitCode::not_running;
    }
    const auto text = manage_text(*reply);
    if (!text) {
        std::fprintf(stderr, "mangrove: %s\n", text.error().text().c_str());
        return ExitCode::failure;
    }
    std::fputs(text->c_str(), stdout);
    return ExitCode::success;
}

}  // namespace gw::cli
