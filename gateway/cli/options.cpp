#include "gateway/cli/options.hpp"

#include "gateway/cli/data_folder.hpp"

#include <cstdio>
#include <string_view>
#include <unistd.h>

namespace gw::cli {

config::Sources CommonOptions::sources() const {
    config::Sources sources;
    if (!file.empty()) {
        sources.file = file;
    }
    if (!data_dir.empty()) {
        sources.data_dir = data_dir;
    }
    sources.settings = settings;
    for (char** variable = environ; *variable != nullptr; ++variable) {
        const std::string_view text = *variable;
        const std::size_t equals = text.find('=');
        if (text.starts_with("MANGROVE_") && equals != std::string_view::npos) {
            sources.environment.emplace_back(text.substr(0, equals), text.substr(equals + 1));
        }
    }
    return sources;
}

std::vector<std::string> CommonOptions::arguments() const {
    std::vector<std::string> list;
    if (!file.empty()) {
        list.insert(list.end(), {"--config", file});
    }
    if (!data_dir.empty()) {
        list.insert(list.end(), {"--data", data_dir});
    }
    for (const std::string& setting : settings) {
        list.insert(list.end(), {"--set", setting});
    }
    return list;
}

void print_diagnostics(const config::Diagnostics& diagnostics) {
    for (const config::Diagnostic& one : diagnostics) {
        std::fprintf(stderr, "%s\n", one.line_text().c_str());
    }
}

std::optional<std::filesystem::path> data_folder(const CommonOptions& options) {
    if (!options.data_dir.empty()) {
        return options.data_dir;
    }
    const auto loaded = config::load(options.sources());
    if (!loaded) {
        print_diagnostics(loaded.error().diagnostics);
        return std::nullopt;
    }
    return loaded->config.node.data_dir;
}

}  // namespace gw::cli
