#include "config/parse/loader.hpp"

#include "config/parse/collect.hpp"
#include "config/parse/rules.hpp"
#include "config/schema/schema.hpp"
#include "config/schema/value.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <tuple>

namespace gw::config {

namespace {

constexpr std::string_view default_listener = "listener.tcp.default";
constexpr std::string_view default_listener_address = "127.0.0.1:1883";

/// One value to store, with where it came from.
struct Effective {
    FoundKey found;
    Value value;
    Origin origin;
};

/// Position in the schema, then the listener's name, then the number of a rule: the order in
/// which values are stored and shown.
using Place = std::tuple<std::size_t, std::string, std::uint32_t>;

Place place_of(const FoundKey& found) {
    return {found.order, found.where.name, found.where.number};
}

/// Turns everything given into effective values.
class Loader {
public:
    Result<Loaded, LoadFailure> load(const Sources& sources) {
        for (const Given& one : collect(sources, diagnostics_)) {
            take(one);
        }
        add_default_listener();
        check_options_have_listeners();
        add_defaults();
        if (has_errors()) {
            return LoadFailure{std::move(diagnostics_)};
        }
        Loaded loaded;
        for (auto& [place, one] : values_) {
            one.found.key->store(loaded.config, one.found.where, one.value);
            loaded.settings.push_back({.key = one.found.key,
                                       .name = one.found.name,
                                       .value = one.value.canonical,
                                       .origin = one.origin});
        }
        if (is_default_listener_built_in_) {
            loaded.config.tcp_listeners.front().is_built_in = true;
        }
        if (sources.file) {
            loaded.config.folder = std::filesystem::path{*sources.file}.parent_path().string();
            loaded.config.folder += loaded.config.folder.empty() ? "." : "";
        }
        check_rules(loaded, diagnostics_);
        if (has_errors()) {
            return LoadFailure{std::move(diagnostics_)};
        }
        loaded.warnings = std::move(diagnostics_);
        return loaded;
    }

private:
    void take(const Given& given) {
        const auto found = find_key(given.name);
        if (!found) {
            tell_unknown(given);
            return;
        }
        if (found->key->names_instance) {
            declared_.insert(found->name);
        }
        if (given.origin.kind == OriginKind::file) {
            const auto [first, is_new] =
                lines_.emplace(std::pair{given.origin.source, found->name}, given.origin.line);
            if (!is_new) {
                tell(Severity::error, given, given.key_column,
                     found->name + ": given twice in this file, first in line " +
                         std::to_string(first->second));
                return;
            }
        }
        auto value = parse_value(*found->key, given.value);
        if (!value) {
            tell(Severity::error, given, given.origin.column, given.name + ": " + value.error());
            return;
        }
        values_[place_of(*found)] = Effective{*found, std::move(*value), given.origin};
    }

    void tell_unknown(const Given& given) {
        const std::string refused = refusal(given.name);
        if (!refused.empty()) {
            tell(Severity::error, given, given.key_column, given.name + ": " + refused);
            return;
        }
        const std::string near = suggest_key(given.name);
        const bool variable = given.origin.kind == OriginKind::environment;
        if (variable && near.empty() && given.name.find('.') == std::string::npos) {
            // Other programs may use the prefix too (a test's MANGROVE_BIN): told, not refused,
            // unless the name looks like a key.
            tell(Severity::warning, given, 0, "no key has this name; ignored");
            return;
        }
        tell(Severity::error, given, given.key_column,
             "unknown key " + given.name + (near.empty() ? "" : "; did you mean " + near + "?"));
    }

    void add_default_listener() {
        if (declared_.empty()) {
            declared_.insert(std::string{default_listener});
            add(*find_key(default_listener), default_listener_address);
            // Whoever sets anything of it has configured it.
            is_default_listener_built_in_ =
                std::none_of(values_.begin(), values_.end(), [](const auto& given) {
                    return given.second.found.name.starts_with(std::string{default_listener} + ".");
                });
        }
    }

    void check_options_have_listeners() {
        for (const auto& [place, one] : values_) {
            const bool option = !one.found.where.name.empty() && !one.found.key->names_instance;
            const std::string owner = option ? owner_of(one.found.name) : std::string{};
            if (option && !declared_.contains(owner)) {
                diagnostics_.push_back({.severity = Severity::error,
                                        .source = one.origin.source,
                                        .line = one.origin.line,
                                        .column = one.origin.column,
                                        .text = one.found.name + ": there is no " + owner});
            }
        }
    }

    /// "listener.tcp.a.access.1" -> "listener.tcp.a".
    static std::string owner_of(const std::string& option) {
        std::size_t end = 0;
        for (int level = 0; level < 3; ++level) {
            end = option.find('.', end + 1);
        }
        return option.substr(0, end);
    }

    void add_defaults() {
        for (const KeyGroup& group : key_groups()) {
            for (const Key& key : group.keys) {
                if (key.optional || key.names_instance) {
                    continue;
                }
                if (key.name.find('<') == std::string_view::npos) {
                    add(*find_key(key.name), key.value_default);
                    continue;
                }
                for (const std::string& listener : declared_) {
                    const std::string name = instance_name(
                        key.name, std::string_view{listener}.substr(listener.rfind('.') + 1));
                    if (name.starts_with(listener + ".")) {
                        add(*find_key(name), key.value_default);
                    }
                }
            }
        }
    }

    /// Adds a built-in value where none is given.
    void add(const FoundKey& found, std::string_view written) {
        if (values_.contains(place_of(found))) {
            return;
        }
        auto value = parse_value(*found.key, written);
        GW_ASSERT(value.has_value());  // a default that breaks its own bounds
        values_[place_of(found)] = Effective{found, std::move(*value), Origin{}};
    }

    void tell(Severity severity, const Given& given, std::size_t column, std::string text) {
        diagnostics_.push_back({.severity = severity,
                                .source = given.origin.source,
                                .line = given.origin.line,
                                .column = column,
                                .text = std::move(text)});
    }

    bool has_errors() const {
        return std::any_of(diagnostics_.begin(), diagnostics_.end(),
                           [](const Diagnostic& one) { return one.severity == Severity::error; });
    }

    Diagnostics diagnostics_;
    std::map<Place, Effective> values_;
    bool is_default_listener_built_in_ = false;
    std::set<std::string> declared_;  ///< listeners given, also those with a wrong address
    std::map<std::pair<std::string, std::string>, std::size_t> lines_;  ///< (file, key) -> line
};

const Setting* find_setting(const Loaded& loaded, const std::string& name) {
    const auto at = std::find_if(loaded.settings.begin(), loaded.settings.end(),
                                 [&](const Setting& one) { return one.name == name; });
    return at == loaded.settings.end() ? nullptr : &*at;
}

/// Options of a listener that comes or goes are no news beside the listener itself.
bool is_news(const Key& key) {
    return key.optional || key.names_instance;
}

}  // namespace

std::string Origin::text() const {
    if (kind == OriginKind::built_in) {
        return "default";
    }
    return line == 0 ? source : source + ":" + std::to_string(line);
}

Result<Loaded, LoadFailure> load(const Sources& sources) {
    return Loader{}.load(sources);
}

Config defaults() {
    auto loaded = load(Sources{});
    GW_ASSERT(loaded.has_value());
    return std::move(loaded->config);
}

namespace {

std::string shown(const Key& key, const std::string& value) {
    return key.is_secret && !value.empty() ? "(not shown)" : value;
}

}  // namespace

std::vector<Change> diff(const Loaded& before, const Loaded& after) {
    std::vector<Change> changes;
    for (const Setting& now : after.settings) {
        const Setting* old = find_setting(before, now.name);
        if (old == nullptr ? is_news(*now.key) : old->value != now.value) {
            changes.push_back({.name = now.name,
                               .value_old = old == nullptr ? "" : shown(*now.key, old->value),
                               .value_new = shown(*now.key, now.value),
                               .on_reload = now.key->on_reload});
        }
    }
    for (const Setting& old : before.settings) {
        if (find_setting(after, old.name) == nullptr && is_news(*old.key)) {
            changes.push_back({.name = old.name,
                               .value_old = shown(*old.key, old.value),
                               .value_new = "",
                               .on_reload = old.key->on_reload});
        }
    }
    return changes;
}

}  // namespace gw::config
