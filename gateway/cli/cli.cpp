#include "gateway/cli/cli.hpp"

#include "gateway/cli/access_commands.hpp"
#include "gateway/cli/client_commands.hpp"
#include "gateway/cli/commands.hpp"
#include "gateway/program.hpp"
#include "gateway/version.hpp"

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <vector>

namespace gw::cli {

namespace {

constexpr const char* main_footer = R"(
Examples:
  mangrove run                                        listens on 127.0.0.1:1883, stores in ./data
  mangrove run --set listener.tcp.lan=0.0.0.0:1883 --set allow_anonymous=true
  mangrove start --config config/gateway.conf         in the background
  mangrove status                                     what is it doing?
  mangrove passwd add alice                           a user; asks for the password
  mangrove config check --config config/gateway.conf  is the file right?

Exit codes: 0 done; 1 failed; 2 wrong arguments or configuration; 3 not running (status).)";

constexpr const char* run_footer = R"(
Ready when the ports accept; under systemd it says so (Type=notify).
Signals: SIGTERM and SIGINT stop gracefully, a second one at once; SIGHUP reloads the configuration.
Example:
  mangrove run --config config/gateway.conf --data /var/lib/mangrove --set log.console.level=debug)";

constexpr const char* start_footer = R"(
Returns when every listener accepts, or with the reason why not. Logs to log.console.file.
Example:
  mangrove start --config config/gateway.conf --data data)";

constexpr const char* stop_footer = R"(
Finds the program by its data folder. Nothing running is not an error.
Example:
  mangrove stop --data data --timeout 60)";

constexpr const char* restart_footer = R"(
Checks the configuration first, so that a mistake in it stops nothing.
Example:
  mangrove restart --config config/gateway.conf)";

constexpr const char* status_footer = R"(
Exit code 0: it is running; 3: it is not.
Example:
  mangrove status --data data --json)";

constexpr const char* store_footer =
    "The file is store.file in node.data_dir. check, export and backup work beside a running "
    "program.\nExample: mangrove store backup /backup/mangrove.db";
constexpr const char* passwd_footer = R"(
Users are kept in auth.users.file in node.data_dir. A change counts at once, also for a program that
runs: sessions of a removed user end, and connections of one whose password or rights were changed.
Examples:
  mangrove passwd add alice                    asks for the password
  mangrove passwd add meter-7 --group meters < password.txt
  mangrove passwd import /etc/mosquitto/passwd)";
constexpr const char* config_footer = R"(
Examples:
  mangrove config check --config config/gateway.conf
  mangrove config show --set mqtt.max_packet_size=2MB
  mangrove config doc mqtt.max_packet_size
  mangrove config reload --dry-run)";

constexpr const char* check_footer = R"(
Tells everything that is wrong at once, with file, line and column.
Example:
  mangrove config check --config config/gateway.conf)";

constexpr const char* show_footer = R"(
Prints a file that would give the same values; each line says where its value came from.
Example:
  MANGROVE_MQTT__MAX_PACKET_SIZE=2MB mangrove config show --config config/gateway.conf)";

constexpr const char* doc_footer = R"(
Examples:
  mangrove config doc                            the whole reference, in Markdown
  mangrove config doc listener.tcp.lan.access.1)";

constexpr const char* reload_footer = R"(
The same as SIGHUP, with the outcome printed. Applied whole, or not at all when something is wrong or
a changed key needs a restart. The program reads the sources it was started with.
Example:
  mangrove config reload --dry-run)";

/// All options of all commands, and the command that was chosen.
class CommandLine {
public:
    explicit CommandLine(const ServiceFactory& make_service) : make_service_(make_service) {
        app_.name("mangrove");
        app_.set_version_flag("--version", "mangrove " + std::string{version});
        app_.require_subcommand(1);
        app_.footer(main_footer);
        add_run();
        add_process_commands();
        add_config_commands();
        add_store_commands();
        add_passwd_commands();
        add_reload();
    }

    int run(int argc, char** argv) {
        try {
            app_.parse(argc, argv);
        } catch (const CLI::RequiredError& failure) {
            // A command that does not exist is left over, as if none had been given.
            if (const auto rest = app_.remaining(true); !rest.empty() && rest[0][0] != '-') {
                std::fprintf(
                    stderr, "mangrove: unknown command %s\nRun with --help for more information.\n",
                    rest[0].c_str());
                return static_cast<int>(ExitCode::bad_input);
            }
            return app_.exit(failure) == 0 ? 0 : static_cast<int>(ExitCode::bad_input);
        } catch (const CLI::ParseError& failure) {
            return app_.exit(failure) == 0 ? 0 : static_cast<int>(ExitCode::bad_input);
        }
        return static_cast<int>(chosen_());
    }

private:
    CLI::App* add(CLI::App& parent, const char* name, const char* summary, const char* footer,
                  std::function<ExitCode()> action) {
        CLI::App* command = parent.add_subcommand(name, summary);
        command->footer(footer);
        command->callback([this, action = std::move(action)] { chosen_ = action; });
        return command;
    }

    CLI::App* with_common(CLI::App* command) {
        command->add_option("--config", common_.file, "Configuration file (else MANGROVE_CONFIG)")
            ->envname("MANGROVE_CONFIG")
            ->type_name("FILE");
        command
            ->add_option("--data", common_.data_dir,
                         "Data folder, in place of node.data_dir (else MANGROVE_DATA)")
            ->envname("MANGROVE_DATA")
            ->type_name("DIR");
        command->add_option("--set", common_.settings, "Sets a key; may be repeated")
            ->type_name("KEY=VALUE")
            ->allow_extra_args(false)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
        return command;
    }

    CLI::App* with_timeout(CLI::App* command) {
        command->add_option("--timeout", timeout_seconds_, "Seconds to wait for its end")
            ->type_name("SECONDS")
            ->check(CLI::Range(1, 86400))
            ->capture_default_str();
        return command;
    }

    std::chrono::seconds timeout() const { return std::chrono::seconds{timeout_seconds_}; }

    void add_run() {
        CLI::App* command =
            with_common(add(app_, "run", "Runs in the foreground", run_footer, [this] {
                RunOptions options{.sources = common_.sources()};
                if (detached_) {
                    options.mode = RunMode::detached;
                    options.ready_descriptor = 3;
                }
                return run_program(options, make_service_);
            }));
        command->add_flag("--detached", detached_)->group("");  // hidden: what `start` adds
    }

    void add_process_commands() {
        with_common(add(app_, "start", "Starts in the background", start_footer,
                        [this] { return start(common_); }));
        with_timeout(with_common(add(app_, "stop", "Stops the one in the background", stop_footer,
                                     [this] { return stop(common_, timeout()); })));
        with_timeout(
            with_common(add(app_, "restart", "Stops it and starts it again", restart_footer,
                            [this] { return restart(common_, timeout()); })));
        with_common(add(app_, "status", "What the running one does", status_footer, [this] {
            return status(common_, json_ ? StatusForm::json : StatusForm::page);
        }))->add_flag("--json", json_, "One line of JSON");
    }

    void add_config_commands() {
        CLI::App* config = app_.add_subcommand("config", "Checks, shows, explains, reloads");
        config->require_subcommand(1);
        config->footer(config_footer);
        with_common(add(*config, "check", "Checks the configuration", check_footer,
                        [this] { return config_check(common_); }));
        with_common(add(*config, "show", "Prints the effective values", show_footer,
                        [this] { return config_show(common_); }));
        with_common(add(*config, "doc", "Prints the reference of all keys, or of one", doc_footer,
                        [this] { return config_doc(key_); }))
            ->add_option("KEY", key_, "A key");
        with_common(add(*config, "reload", "Makes the running one read it again", reload_footer,
                        [this] {
                            return config_reload(
                                common_, dry_run_ ? ReloadMode::dry_run : ReloadMode::apply);
                        }))
            ->add_flag("--dry-run", dry_run_, "Only tells what would change");
    }

    void add_store_commands() {
        CLI::App* store =
            app_.add_subcommand("store", "Checks, copies, exports and imports what is stored");
        store->require_subcommand(1);
        store->footer(store_footer);
        with_common(add(*store, "check", "Looks at everything in the store; exit 1: a problem",
                        "Example: mangrove store check --data /var/lib/mangrove",
                        [this] { return store_check(common_); }));
        with_common(add(*store, "export", "Writes the store as JSON lines",
                        "Example: mangrove store export --file all.jsonl",
                        [this] { return store_export(common_, file_); }))
            ->add_option("--file", file_, "Where to; else standard output");
        with_common(add(*store, "import", "Fills an empty store from JSON lines",
                        "Example: mangrove store import --data new --file all.jsonl",
                        [this] { return store_import(common_, file_); }))
            ->add_option("--file", file_, "Where from; else standard input");
        with_common(add(*store, "backup", "Copies the store, also while the program runs",
                        "Example: mangrove store backup /backup/mangrove.db",
                        [this] { return store_backup(common_, file_); }))
            ->add_option("FILE", file_, "Where to; must not be there yet")
            ->required();
    }

    void add_passwd_commands() {
        CLI::App* passwd = app_.add_subcommand("passwd", "Adds, removes and lists built-in users");
        passwd->require_subcommand(1);
        passwd->footer(passwd_footer);
        CLI::App* adding = with_common(add(
            *passwd, "add", "Adds a user, or changes one; the password comes from standard input",
            "Example: mangrove passwd add alice --superuser",
            [this] { return passwd_add(common_, user_settings()); }));
        adding->add_option("USER", user_, "Name of the user")->required();
        adding->add_flag("--superuser,!--no-superuser", superuser_, "No access rule is asked");
        adding->add_option("--group", groups_, "Puts the user into a group; may be repeated")
            ->type_name("GROUP")
            ->allow_extra_args(false)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
        adding->add_flag("--no-groups", no_groups_, "Takes the user out of all groups");
        with_common(add(*passwd, "del", "Removes a user and ends his sessions",
                        "Example: mangrove passwd del alice",
                        [this] { return passwd_remove(common_, user_); }))
            ->add_option("USER", user_, "Name of the user")
            ->required();
        with_common(add(*passwd, "list", "Lists the users", "Example: mangrove passwd list",
                        [this] { return passwd_list(common_); }));
        with_common(add(*passwd, "check", "Exit code 0: the password from standard input is right",
                        "Example: mangrove passwd check alice < password.txt",
                        [this] { return passwd_check(common_, user_); }))
            ->add_option("USER", user_, "Name of the user")
            ->required();
        CLI::App* importing = with_common(
            add(*passwd, "import", "Takes over a password file of mosquitto",
                "Example: mangrove passwd import /etc/mosquitto/passwd --replace", [this] {
                    return passwd_import(common_, file_,
                                         replace_ ? ExistingUsers::replace : ExistingUsers::keep);
                }));
        importing->add_option("FILE", file_, "The password file")->required();
        importing->add_flag("--replace", replace_, "Also users that exist already");
    }

    UserSettings user_settings() const {
        UserSettings settings{.name = user_, .is_superuser = superuser_, .groups = {}};
        if (!groups_.empty() || no_groups_) {
            settings.groups = groups_;
        }
        return settings;
    }

    /// The same as `config reload`, where one looks for it.
    void add_reload() {
        with_common(add(app_, "reload", "Makes the running one read its files again", reload_footer,
                        [this] {
                            return config_reload(
                                common_, dry_run_ ? ReloadMode::dry_run : ReloadMode::apply);
                        }))
            ->add_flag("--dry-run", dry_run_, "Only tells what would change");
    }

    const ServiceFactory& make_service_;
    CLI::App app_{"Mangrove: an IoT gateway and MQTT broker"};
    CommonOptions common_;
    std::string key_;
    std::string file_;
    int timeout_seconds_ = 30;
    std::string user_;
    std::optional<bool> superuser_;
    std::vector<std::string> groups_;
    bool no_groups_ = false;
    bool replace_ = false;
    bool json_ = false;
    bool dry_run_ = false;
    bool detached_ = false;
    std::function<ExitCode()> chosen_;
    const AccessCommands::Add add_with_common_ = [this](CLI::App& parent, const char* name,
                                                        const char* summary, const char* footer,
                                                        std::function<ExitCode()> action) {
        return with_common(add(parent, name, summary, footer, std::move(action)));
    };
    ClientCommands clients_{app_, common_, add_with_common_};
    AccessCommands access_{app_, common_, add_with_common_};
};

}  // namespace

int run(int argc, char** argv, const ServiceFactory& make_service) {
    // What is made, by whatever command, holds messages, names or secrets: nothing of it is for
    // everybody on this machine.
    ::umask(::umask(0) | 0007);
    return CommandLine{make_service}.run(argc, argv);
}

}  // namespace gw::cli
