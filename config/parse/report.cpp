#include "config/parse/report.hpp"

#include "config/schema/schema.hpp"
#include "config/schema/value.hpp"

#include <algorithm>

namespace gw::config {

namespace {

std::string reload_text(Reload reload) {
    switch (reload) {
        case Reload::live:
            return "a reload applies it at once";
        case Reload::new_connections:
            return "a reload applies it to new connections";
        case Reload::restart:
            return "needs a restart";
    }
    GW_UNREACHABLE();
}

std::string joined(std::string_view list, std::string_view separator, std::string_view quote) {
    std::string text;
    for (const std::string_view part : split(list, '|')) {
        text += (text.empty() ? std::string{} : std::string{separator}) + std::string{quote} +
                std::string{part} + std::string{quote};
    }
    return text;
}

/// "whole number, messages/s, 1 to 65535".
std::string type_text(const Key& key, std::string_view quote) {
    std::string text{type_name(key.type)};
    if (!key.words.empty()) {
        return text + ": " + joined(key.words, ", ", quote);
    }
    if (!key.unit.empty()) {
        text += ", " + std::string{key.unit};
    }
    const std::string_view length = key.type == ValueType::text ? " bytes" : "";
    const bool from_zero =
        key.value_min.empty() && (key.type == ValueType::integer || key.type == ValueType::percent);
    if (!key.value_min.empty() && !key.value_max.empty()) {
        text += ", " + std::string{key.value_min} + " to " + std::string{key.value_max};
    } else if (!key.value_max.empty()) {
        text += (from_zero ? ", 0 to " : ", at most ") + std::string{key.value_max};
    } else if (!key.value_min.empty()) {
        text += ", at least " + std::string{key.value_min};
    }
    return text + (key.value_min.empty() && key.value_max.empty() ? "" : std::string{length});
}

std::string default_text(const Key& key) {
    if (key.names_instance || key.optional) {
        return "none";
    }
    return key.value_default.empty() ? "empty" : "`" + std::string{key.value_default} + "`";
}

std::string environment_name(std::string_view key) {
    std::string name = "MANGROVE_";
    for (const char c : key) {
        if (c == '.') {
            name += "__";
        } else {
            name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
        }
    }
    return name;
}

/// Synonyms as `infinity` = `0`, ...
std::string synonyms_text(const Key& key) {
    std::string text;
    for (const std::string_view one : split(key.synonyms, '|')) {
        const auto parts = split(one, '=');
        text += (text.empty() ? "`" : ", `") + std::string{parts[0]} + "` for `" +
                std::string{parts[1]} + "`";
    }
    return text;
}

std::string key_section(const Key& key) {
    std::string page =
        "### `" + std::string{key.name} + "`\n\n" + std::string{key.summary} + "\n\n";
    page += "- Type: " + type_text(key, "`") + "\n";
    page += "- Default: " + default_text(key) + "\n";
    page += "- Reload: " + reload_text(key.on_reload) + "; since " + std::string{key.since} + "\n";
    if (!key.synonyms.empty()) {
        page += "- Also written: " + synonyms_text(key) + "\n";
    }
    if (!key.aliases.empty()) {
        page += "- Also named: " + joined(key.aliases, ", ", "`") + " (EMQ)\n";
    }
    if (key.is_secret) {
        page += "- Secret: neither printed nor logged\n";
    }
    page += "- Why: " + std::string{key.why} + "\n";
    if (!key.emq.empty()) {
        page += "- EMQ 2.x: " + std::string{key.emq} + "\n";
    }
    return page + "\n";
}

constexpr std::string_view introduction =
    R"(<!-- Made by `mangrove config doc` from config/schema/. Do not edit: change the declaration. -->
# Configuration reference

## How values are given

A value is taken from, the later winning over the earlier:

1. the default below,
2. the file given by `--config FILE` (or the variable `MANGROVE_CONFIG`), then every `*.conf` in the
   folder `plugins` beside it, by name,
3. the environment,
4. `--set key=value` and `--data DIR` on the command line.

A file holds one `key = value` a line. `#` starts a comment at the beginning of a line or after a
space. A value may stand in double quotes, with `\"` and `\\` inside, to hold a `#` or spaces at its
ends. The same key twice in one file is an error.

**Environment.** `MANGROVE_` and the key in upper case, with two underscores for each dot:
`mqtt.max_packet_size` is `MANGROVE_MQTT__MAX_PACKET_SIZE`, `listener.tcp.external.max_clients` is
`MANGROVE_LISTENER__TCP__EXTERNAL__MAX_CLIENTS`. No key and no listener name holds two underscores in
a row, so the rule reads both ways. A variable with the prefix that names no key is an error when it
looks like one (it holds two underscores, or is nearly a key) and a warning otherwise.

**Types.** *Byte size*: `512`, `64KB`, `8MB`, `1GB` (1KB is 1,024 bytes). *Duration*: `500ms`, `30s`,
`5m`, `2h`, `1d`, `1w`; a bare number is seconds. *Flag*: `on`, `off`, `true`, `false`. *Percentage*:
`60%`. *Listen address*: `1883`, `127.0.0.1:1883`, `[::1]:1883`, `::1:1883`, `localhost:0`.
*Address range*: `10.0.0.0/8`, `fd00::/8`, `192.168.1.7`.

**Names.** `<name>` is a name of your choice: lower-case letters, digits, `-` and single `_`. `<N>` is
a number from 1 to 65535.

`mangrove config check` tells everything that is wrong at once, with file, line and column;
`mangrove config show` prints the effective values and where each came from; `mangrove config doc KEY`
prints what stands here. SIGHUP reloads: the change is applied whole, or, when something is wrong or a
changed key needs a restart, not at all.

)";

}  // namespace

std::string show_text(const Loaded& loaded) {
    std::string text;
    std::size_t width = 0;
    std::vector<std::string> lines;
    for (const Setting& setting : loaded.settings) {
        if (setting.key->is_secret && !setting.value.empty()) {
            lines.push_back("# " + setting.name + " is set, and not shown");
            continue;
        }
        const bool plain = !setting.value.empty() && setting.value.front() != '"' &&
                           setting.value.find('#') == std::string::npos &&
                           setting.value.front() != ' ' && setting.value.back() != ' ';
        std::string value = setting.value;
        if (!plain) {
            value = "\"";
            for (const char c : setting.value) {
                value += c == '"' || c == '\\' ? std::string{'\\', c} : std::string{c};
            }
            value += '"';
        }
        lines.push_back(setting.name + " = " + value);
        width = std::max(width, std::min<std::size_t>(lines.back().size(), 60));
    }
    for (std::size_t i = 0; i < lines.size(); ++i) {
        lines[i].resize(std::max(width, lines[i].size()), ' ');
        text += lines[i] + "  # " + loaded.settings[i].origin.text() + "\n";
    }
    return text;
}

std::string reference_page() {
    std::string page{introduction};
    for (const KeyGroup& group : key_groups()) {
        page += "## " + std::string{group.title} + "\n\n";
        for (const Key& key : group.keys) {
            page += key_section(key);
        }
    }
    page.pop_back();  // the last section's empty line
    return page;
}

std::string explain_key(std::string_view name) {
    const Key* found = nullptr;
    if (const auto by_name = find_key(name)) {
        found = by_name->key;
    }
    for (const KeyGroup& group : key_groups()) {
        for (const Key& key : group.keys) {
            found = key.name == name ? &key : found;  // also `listener.tcp.<name>` as printed
        }
    }
    if (found == nullptr) {
        return {};
    }
    std::string text = std::string{found->name} + "\n  " + std::string{found->summary} + "\n";
    text += "  Type:        " + type_text(*found, "") + "\n";
    text += "  Default:     " + default_text(*found) + "\n";
    text += "  Reload:      " + reload_text(found->on_reload) + "\n";
    text += "  Environment: " + environment_name(found->name) + "\n";
    text += "  Why:         " + std::string{found->why} + "\n";
    return text;
}

}  // namespace gw::config
