#include "gateway/cli/access_commands.hpp"

#include "config/acl/emq_acl.hpp"
#include "config/acl/mosquitto_acl.hpp"
#include "gateway/access/acl_file.hpp"
#include "gateway/access/acl_question.hpp"
#include "gateway/access/ban_file.hpp"
#include "gateway/cli/data_folder.hpp"
#include "gateway/control/control_client.hpp"
#include "gateway/data_lock.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>

namespace gw::cli {

namespace {

constexpr const char* acl_footer = R"(
Examples:
  mangrove acl check --config config/gateway.conf
  mangrove acl test --user ann --client c1 --ip 10.0.0.7 subscribe 'a/#'
  mangrove acl import /etc/mosquitto/aclfile --output config/acl.conf)";

constexpr const char* ban_footer = R"(
Kept in the data folder. Connections that a new ban fits are ended at once.
Examples:
  mangrove ban add --address 203.0.113.0/24 --for 1h --reason 'too many logins'
  mangrove ban add --client meter-7
  mangrove ban del --client meter-7
  mangrove ban list)";

ExitCode fail(const Error& error) {
    std::fprintf(stderr, "mangrove: %s\n", error.text().c_str());
    return error.code() == Errc::invalid_argument ? ExitCode::bad_input : ExitCode::failure;
}

std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) {
        text += line + "\n";
    }
    return text;
}

WallTime wall_now() {
    return std::chrono::time_point_cast<Milliseconds>(std::chrono::system_clock::now());
}

/// Asks the program that runs on the data folder.
Result<std::string> ask(const std::filesystem::path& data_dir, const std::string& name,
                        const ManageFields& fields) {
    const auto reply = ask_running_program(data_dir, manage_line(name, fields));
    return reply ? manage_text(*reply) : Result<std::string>{reply.error()};
}

}  // namespace

AccessCommands::AccessCommands(CLI::App& app, const CommonOptions& common, const Add& add)
    : common_(common) {
    add_acl(app, add);
    add_ban(app, add);
}

void AccessCommands::add_acl(CLI::App& app, const Add& add) {
    CLI::App* const acl = app.add_subcommand("acl", "Checks, tries and imports access rules");
    acl->require_subcommand(1);
    acl->footer(acl_footer);
    add(*acl, "check", "Checks the access rules; tells everything that is wrong at once",
        "Example: mangrove acl check config/acl.conf", [this] { return check(); })
        ->add_option("FILE", file_, "The rules; else those of the configuration");
    CLI::App* const test =
        add(*acl, "test", "Says which rule decides; exit code 0: allowed, 1: denied",
            "Example: mangrove acl test --user ann --ip 10.0.0.7 publish a/b",
            [this] { return this->test(); });
    test->add_option("--user", user_, "The proven user name; without it an anonymous client");
    test->add_option("--client", client_, "The client id");
    test->add_option("--ip", ip_, "The address; without it a client of a Unix socket");
    test->add_option("--protocol", protocol_, "mqtt, mqtt-sn, coap or stomp");
    test->add_option("--group", groups_, "A group; may be repeated")->allow_extra_args(false);
    test->add_option("--attr", attributes_, "An attribute, name=value; may be repeated")
        ->allow_extra_args(false);
    test->add_flag("--superuser", is_superuser_, "A superuser");
    test->add_flag("--running", asks_running_, "Asks the running program, not the file");
    test->add_option("ACTION", action_, "publish, subscribe or receive")->required();
    test->add_option("TOPIC", topic_, "A topic, or to subscribe a filter")->required();
    CLI::App* const importing = add(*acl, "import", "Translates an access file of mosquitto or EMQ",
                                    "Example: mangrove acl import aclfile --output config/acl.conf",
                                    [this] { return import(); });
    importing->add_option("FILE", file_, "The file: mosquitto's, or EMQ's Erlang terms")
        ->required();
    importing->add_option("--output", output_, "Where to; else standard output");
}

void AccessCommands::add_ban(CLI::App& app, const Add& add) {
    CLI::App* const ban = app.add_subcommand("ban", "Keeps addresses, users and clients out");
    ban->require_subcommand(1);
    ban->footer(ban_footer);
    const auto with_subject = [this](CLI::App* command) {
        command->add_option("--address", address_, "An address or a range such as 10.0.0.0/8");
        command->add_option("--user", user_, "A user name, proven or not");
        command->add_option("--client", client_, "A client id");
        return command;
    };
    CLI::App* const adding = with_subject(add(*ban, "add", "Adds a ban, or changes one",
                                              "Example: mangrove ban add --user eve",
                                              [this] { return this->ban("ban_add"); }));
    adding->add_option("--reason", reason_, "Why; for people");
    adding->add_option("--for", time_, "How long: 10m, 2h, 7d; else until it is lifted");
    with_subject(add(*ban, "del", "Lifts a ban", "Example: mangrove ban del --user eve",
                     [this] { return this->ban("ban_del"); }));
    add(*ban, "list", "Lists the bans", "Example: mangrove ban list",
        [this] { return this->ban("ban_list"); });
}

ManageFields AccessCommands::fields() const {
    ManageFields fields;
    const auto put = [&fields](const char* name, const std::string& value) {
        if (!value.empty()) {
            fields[name] = value;
        }
    };
    put("user", user_);
    put("client", client_);
    put("ip", ip_);
    put("protocol", protocol_);
    put("group", joined(groups_));
    put("attr", joined(attributes_));
    put("superuser", is_superuser_ ? "yes" : "");
    put("action", action_);
    put("topic", topic_);
    put("address", address_);
    put("reason", reason_);
    put("for", time_);
    return fields;
}

// ----------------------------------------------------------------------------------------- acl

ExitCode AccessCommands::check() const {
    std::string name = file_;
    auto table = [&]() -> Result<AclTablePtr, config::Diagnostics> {
        if (!file_.empty()) {
            return load_acl_file(file_, AccessDecision::allow);
        }
        const auto loaded = config::load(common_.sources());
        if (!loaded) {
            return loaded.error().diagnostics;
        }
        name = acl_file_of(loaded->config);
        return load_acl(loaded->config);
    }();
    if (!table) {
        print_diagnostics(table.error());
        return ExitCode::bad_input;
    }
    std::printf("%s: right; rules: %zu.\n", name.empty() ? "built-in rules" : name.c_str(),
                (*table)->rules().size());
    return ExitCode::success;
}

ExitCode AccessCommands::test() const {
    const auto answer = [&]() -> Result<std::string> {
        if (asks_running_) {
            const auto data_dir = data_folder(common_);
            return data_dir ? ask(*data_dir, "acl_test", fields())
                            : Error{Errc::invalid_argument, "no data folder"};
        }
        const auto loaded = config::load(common_.sources());
        if (!loaded) {
            print_diagnostics(loaded.error().diagnostics);
            return Error{Errc::invalid_argument, "the configuration is wrong"};
        }
        const auto table = load_acl(loaded->config);
        if (!table) {
            print_diagnostics(table.error());
            return Error{Errc::invalid_argument, "the access rules are wrong"};
        }
        return answer_acl_question(**table, loaded->config, fields());
    }();
    if (!answer) {
        fail(answer.error());
        return ExitCode::bad_input;
    }
    std::fputs(answer->c_str(), stdout);
    return answer->starts_with("allowed") ? ExitCode::success : ExitCode::failure;
}

ExitCode AccessCommands::import() const {
    const auto text = read_small_file(file_);
    if (!text) {
        return fail(Error{Errc::io, file_ + ": " + text.error().text()});
    }
    const config::ImportedAcl imported = config::is_emq_acl(*text)
                                             ? config::import_emq_acl(file_, *text)
                                             : config::import_mosquitto_acl(file_, *text);
    print_diagnostics(imported.diagnostics);
    const bool has_errors = std::any_of(
        imported.diagnostics.begin(), imported.diagnostics.end(),
        [](const config::Diagnostic& one) { return one.severity == config::Severity::error; });
    if (has_errors) {
        return ExitCode::bad_input;
    }
    if (output_.empty()) {
        std::fputs(imported.text.c_str(), stdout);
        return ExitCode::success;
    }
    std::ofstream out{output_, std::ios::binary};
    out << imported.text;
    out.flush();
    return out ? ExitCode::success : fail(Error{Errc::io, "cannot write " + output_});
}

// ----------------------------------------------------------------------------------------- ban

ExitCode AccessCommands::ban(const std::string& name) const {
    const auto data_dir = data_folder(common_);
    if (!data_dir) {
        return ExitCode::bad_input;
    }
    if (!RunningProgram::find(*data_dir)) {
        return change_ban_file(name, *data_dir);
    }
    const auto text = ask(*data_dir, name, fields());
    if (!text) {
        return fail(text.error());
    }
    std::fputs(text->c_str(), stdout);
    return ExitCode::success;
}

/// Nothing runs: the program finds the bans when it starts.
ExitCode AccessCommands::change_ban_file(const std::string& name,
                                         const std::string& data_dir) const {
    auto bans = read_bans(data_dir);
    if (!bans) {
        return fail(bans.error());
    }
    const WallTime now = wall_now();
    if (name == "ban_list") {
        std::fputs(ban_page(*bans, now).c_str(), stdout);
        return ExitCode::success;
    }
    const auto ban = ban_of(fields(), now);
    if (!ban) {
        return fail(ban.error());
    }
    const auto lock = DataLock::acquire(data_dir);
    if (!lock) {
        return fail(lock.error());
    }
    const auto removed = std::erase_if(*bans, [&ban](const Ban& one) {
        return one.kind == ban->kind && one.subject() == ban->subject();
    });
    if (name == "ban_add") {
        bans->push_back(*ban);
    } else if (removed == 0) {
        return fail(Error{Errc::not_found, "there is no such ban"});
    }
    if (const auto written = write_bans(data_dir, *bans); !written) {
        return fail(written.error());
    }
    std::puts(name == "ban_add" ? "Banned." : "The ban is lifted.");
    return ExitCode::success;
}

}  // namespace gw::cli
