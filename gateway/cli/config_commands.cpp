#include "config/parse/report.hpp"
#include "config/schema/schema.hpp"
#include "gateway/cli/commands.hpp"
#include "gateway/cli/data_folder.hpp"
#include "gateway/control/control_client.hpp"
#include "gateway/control/messages.hpp"
#include "gateway/tls_files.hpp"

#include <cstdio>

namespace gw::cli {

ExitCode config_check(const CommonOptions& options) {
    const auto loaded = config::load(options.sources());
    const config::Diagnostics& told = loaded ? loaded->warnings : loaded.error().diagnostics;
    print_diagnostics(told);
    if (!loaded) {
        return ExitCode::bad_input;
    }
    const std::vector<std::string> wrong = tls_file_errors(loaded->config);
    for (const std::string& error : wrong) {
        std::fprintf(stderr, "error: %s\n", error.c_str());
    }
    if (!wrong.empty()) {
        return ExitCode::bad_input;
    }
    std::printf("The configuration is right: %zu values; listeners: %zu.\n",
                loaded->settings.size(),
                loaded->config.tcp_listeners.size() + loaded->config.ssl_listeners.size() +
                    loaded->config.ws_listeners.size() + loaded->config.wss_listeners.size() +
                    loaded->config.sockjs_listeners.size() + loaded->config.stomp_listeners.size() +
                    loaded->config.stomps_listeners.size() +
                    loaded->config.mqttsn_listeners.size() + loaded->config.coap_listeners.size() +
                    loaded->config.coaps_listeners.size() + loaded->config.unix_listeners.size());
    return ExitCode::success;
}

ExitCode config_show(const CommonOptions& options) {
    const auto loaded = config::load(options.sources());
    if (!loaded) {
        print_diagnostics(loaded.error().diagnostics);
        return ExitCode::bad_input;
    }
    std::fputs(config::show_text(*loaded).c_str(), stdout);
    return ExitCode::success;
}

ExitCode config_doc(const std::string& key) {
    if (key.empty()) {
        std::fputs(config::reference_page().c_str(), stdout);
        return ExitCode::success;
    }
    const std::string text = config::explain_key(key);
    if (!text.empty()) {
        std::fputs(text.c_str(), stdout);
        return ExitCode::success;
    }
    const std::string refused = config::refusal(key);
    const std::string near = config::suggest_key(key);
    std::string reason = "unknown key";
    if (!refused.empty()) {
        reason = refused;
    } else if (!near.empty()) {
        reason += "; did you mean " + near + "?";
    }
    std::fprintf(stderr, "%s: %s\n", key.c_str(), reason.c_str());
    return ExitCode::bad_input;
}

ExitCode config_reload(const CommonOptions& options, ReloadMode mode) {
    const auto data_dir = data_folder(options);
    if (!data_dir) {
        return ExitCode::bad_input;
    }
    const Command command = mode == ReloadMode::apply ? Command::reload : Command::reload_dry_run;
    const auto reply = ask_running_program(*data_dir, request_line(command));
    if (!reply) {
        std::fprintf(stderr, "mangrove: not running on %s\n", data_dir->c_str());
        return ExitCode::not_running;
    }
    bool accepted = false;
    const auto page = reload_page(*reply, accepted);
    if (!page) {
        std::fprintf(stderr, "mangrove: %s\n", page.error().text().c_str());
        return ExitCode::failure;
    }
    std::fputs(page->c_str(), accepted ? stdout : stderr);
    return accepted ? ExitCode::success : ExitCode::failure;
}

}  // namespace gw::cli
