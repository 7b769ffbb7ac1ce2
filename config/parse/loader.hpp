#pragma once

#include "broker-core/base/result.hpp"
#include "config/model/config.hpp"
#include "config/parse/diagnostic.hpp"
#include "config/schema/key.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gw::config {

/// Where a value came from, the weakest first.
enum class OriginKind { built_in, file, environment, command_line };

struct Origin {
    OriginKind kind = OriginKind::built_in;
    std::string source;  ///< as in Diagnostic
    std::size_t line = 0;
    std::size_t column = 0;

    /// "default", "gateway.conf:12", "environment variable MANGROVE_X", "--set".
    std::string text() const;
};

/// One effective value.
struct Setting {
    const Key* key = nullptr;
    std::string name;   ///< no alias, placeholders filled in
    std::string value;  ///< in its one spelling
    Origin origin;
};

/// What to load from. A later member wins over an earlier one, value by value.
struct Sources {
    std::optional<std::string> file{};  ///< --config; with it every plugins/*.conf beside it
    /// Variables whose names start with MANGROVE_, in any order. MANGROVE_A__B_C names the key
    /// a.b_c: upper case becomes lower case and two underscores a dot. MANGROVE_CONFIG and
    /// MANGROVE_DATA stand for --config and --data and are passed over here.
    std::vector<std::pair<std::string, std::string>> environment{};
    std::vector<std::string> settings{};    ///< --set, each "key=value"
    std::optional<std::string> data_dir{};  ///< --data
};

/// A configuration that passed every check.
struct Loaded {
    Config config;
    std::vector<Setting> settings;  ///< every key, in the order of the reference page
    Diagnostics warnings;
};

/// Everything that is wrong, in the order of the sources; warnings among it.
struct LoadFailure {
    Diagnostics diagnostics;
};

/// Reads, checks and joins all sources. Blocks on the files; any thread.
Result<Loaded, LoadFailure> load(const Sources& sources);

/// The configuration with nothing given.
Config defaults();

/// One key whose effective value differs.
struct Change {
    std::string name;
    std::string value_old;  ///< empty: not there before
    std::string value_new;  ///< empty: no longer there
    Reload on_reload = Reload::restart;
};

/// What a change of configuration would change. A reload applies all or, when one of them needs a
/// restart, nothing.
std::vector<Change> diff(const Loaded& before, const Loaded& after);

}  // namespace gw::config
