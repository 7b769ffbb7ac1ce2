#include "gateway/access/acl_file.hpp"

#include "config/acl/acl_parser.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

namespace gw {

namespace {

AccessDecision no_match_of(const config::Config& config) {
    return config.access.acl_nomatch == config::NoMatch::allow ? AccessDecision::allow
                                                               : AccessDecision::deny;
}

Result<AclTablePtr, config::Diagnostics> table_of(std::string_view source, std::string_view text,
                                                  AccessDecision no_match) {
    config::ParsedAcl parsed = config::parse_acl(source, text);
    if (!parsed.diagnostics.empty()) {
        return std::move(parsed.diagnostics);
    }
    return AclTable::create(std::move(parsed.rules), no_match);
}

}  // namespace

std::string acl_file_of(const config::Config& config) {
    if (!config.acl.file.empty()) {
        return config.acl.file;
    }
    if (config.folder.empty()) {
        return {};
    }
    const std::string beside = (std::filesystem::path{config.folder} / "acl.conf").string();
    std::error_code failure;
    return std::filesystem::exists(beside, failure) ? beside : std::string{};
}

Result<std::string> read_small_file(const std::string& path) {
    constexpr std::size_t bytes_max = std::size_t{4} << 20;
    std::error_code failure;
    if (!std::filesystem::exists(path, failure)) {
        return Error{Errc::not_found, "there is no such file"};
    }
    if (std::filesystem::is_directory(path, failure)) {
        return Error{Errc::io, "a folder, not a file"};
    }
    std::ifstream in{path, std::ios::binary};
    if (!in) {
        return Error{Errc::io, "the file cannot be read"};
    }
    std::string text;
    for (std::istreambuf_iterator<char> at{in}, end; at != end; ++at) {
        text += *at;
        if (text.size() > bytes_max) {
            return Error{Errc::resource_limit, "larger than 4MB"};
        }
    }
    return text;
}

Result<AclTablePtr, config::Diagnostics> load_acl_file(const std::string& path,
                                                       AccessDecision no_match) {
    const auto text = read_small_file(path);
    if (!text) {
        config::Diagnostic one;
        one.source = path;
        one.text = text.error().text();
        return config::Diagnostics{one};
    }
    return table_of(path, *text, no_match);
}

Result<AclTablePtr, config::Diagnostics> load_acl(const config::Config& config) {
    const std::string path = acl_file_of(config);
    return path.empty()
               ? table_of("built-in rules", config::default_acl_text(), no_match_of(config))
               : load_acl_file(path, no_match_of(config));
}

}  // namespace gw
