#include "config/parse/collect.hpp"

#include "config/parse/kv_parser.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace gw::config {

namespace {

constexpr std::string_view variable_prefix = "MANGROVE_";
constexpr std::uintmax_t file_bytes_max = std::uintmax_t{4} << 20;

void collect_file(const std::string& path, std::vector<Given>& given, Diagnostics& diagnostics) {
    const auto fail = [&](std::string text) {
        diagnostics.push_back({.severity = Severity::error,
                               .source = path,
                               .line = 0,
                               .column = 0,
                               .text = std::move(text)});
    };
    std::error_code failure;
    const auto status = std::filesystem::status(path, failure);
    if (!std::filesystem::exists(status)) {
        fail("there is no such file");
        return;
    }
    if (std::filesystem::is_directory(status)) {
        fail("a folder, not a file");
        return;
    }
    std::ifstream in{path, std::ios::binary};
    if (!in) {
        fail("the file cannot be read");
        return;
    }
    std::string text;
    for (std::istreambuf_iterator<char> at{in}, end; at != end; ++at) {
        text += *at;
        if (text.size() > file_bytes_max) {
            fail("larger than 4MB: not a configuration");
            return;
        }
    }
    ParsedText parsed = parse_key_values(path, text);
    std::move(parsed.diagnostics.begin(), parsed.diagnostics.end(),
              std::back_inserter(diagnostics));
    for (Entry& entry : parsed.entries) {
        given.push_back({.name = std::move(entry.key),
                         .value = std::move(entry.value),
                         .origin = {.kind = OriginKind::file,
                                    .source = path,
                                    .line = entry.line,
                                    .column = entry.value_column},
                         .key_column = entry.key_column});
    }
}

/// plugins/*.conf beside the main file, by name.
std::vector<std::string> plugin_files(const std::string& main_file) {
    std::vector<std::string> files;
    const auto folder = std::filesystem::path{main_file}.parent_path() / "plugins";
    std::error_code failure;
    for (const auto& item : std::filesystem::directory_iterator{folder, failure}) {
        if (item.path().extension() == ".conf") {
            files.push_back(item.path().string());
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

}  // namespace

std::string key_of_variable(std::string_view variable) {
    std::string key;
    variable.remove_prefix(variable_prefix.size());
    for (std::size_t i = 0; i < variable.size(); ++i) {
        const char c = variable[i];
        if (variable.substr(i, 2) == "__") {
            key += '.';
            ++i;
        } else {
            key += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
        }
    }
    return key;
}

std::vector<Given> collect(const Sources& sources, Diagnostics& diagnostics) {
    std::vector<Given> given;
    if (sources.file) {
        collect_file(*sources.file, given, diagnostics);
        for (const std::string& file : plugin_files(*sources.file)) {
            collect_file(file, given, diagnostics);
        }
    }
    auto variables = sources.environment;
    std::sort(variables.begin(), variables.end());
    for (const auto& [variable, value] : variables) {
        const bool a_key = variable.starts_with(variable_prefix) && variable != "MANGROVE_CONFIG" &&
                           variable != "MANGROVE_DATA";
        if (a_key) {
            given.push_back({.name = key_of_variable(variable),
                             .value = value,
                             .origin = {.kind = OriginKind::environment,
                                        .source = "environment variable " + variable,
                                        .line = 0,
                                        .column = 0},
                             .key_column = 0});
        }
    }
    const auto add_argument = [&](std::string name, std::string value, std::string source) {
        given.push_back({.name = std::move(name),
                         .value = std::move(value),
                         .origin = {.kind = OriginKind::command_line,
                                    .source = std::move(source),
                                    .line = 0,
                                    .column = 0},
                         .key_column = 0});
    };
    for (const std::string& setting : sources.settings) {
        ParsedText parsed = parse_key_values("--set", setting);
        if (parsed.entries.size() != 1 || !parsed.diagnostics.empty()) {
            diagnostics.push_back({.severity = Severity::error,
                                   .source = "--set " + setting,
                                   .line = 0,
                                   .column = 0,
                                   .text = "expected key=value"});
            continue;
        }
        add_argument(parsed.entries[0].key, parsed.entries[0].value, "--set");
    }
    if (sources.data_dir) {
        add_argument("node.data_dir", *sources.data_dir, "--data");
    }
    return given;
}

}  // namespace gw::config
