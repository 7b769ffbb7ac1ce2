#pragma once

#include "config/model/config.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace gw::config {

/// How a value is written and what it is turned into.
enum class ValueType {
    integer,         ///< 1024
    real,            ///< 0.75
    flag,            ///< on, off, true, false
    byte_size,       ///< 64KB, 8MB, 1GB; a bare number is bytes
    duration,        ///< 500ms, 30s, 2h, 1d; a bare number is seconds
    seconds,         ///< a duration of whole seconds
    percent,         ///< 60%
    word,            ///< one of Key::words
    text,            ///< anything, may be empty
    path,            ///< a file name, not empty
    listen_address,  ///< 1883, 127.0.0.1:1883, [::1]:1883, ::1:1883, localhost:0
    administrators,  ///< CIDR ranges and `unix`, separated by commas; or `none`, or `auto`
    address_ranges,  ///< CIDR ranges separated by commas; or `none`
    access_rule,     ///< allow|deny and a CIDR range or `all`
    file_mode,       ///< 0660
};

/// When a changed value takes effect after a reload (SIGHUP).
enum class Reload {
    live,             ///< at once, for everybody
    new_connections,  ///< for clients that connect afterwards
    restart,          ///< never; a reload that changes it is refused as a whole
};

/// A checked value. Which members count depends on the type of its key.
struct Value {
    std::int64_t number = 0;  ///< integer, byte_size (bytes), durations (ms), percent, flag (0, 1),
                              ///< word (index in Key::words), file_mode
    double real = 0.0;
    std::string text;  ///< text, path
    ListenAddress address;
    Administrators administrators;  ///< administrators; address_ranges: its ranges
    AccessRule rule;
    std::string canonical;  ///< one spelling for equal values: for `config show` and diff()
};

/// What stood in the place of `<name>` and `<N>` in a key's name.
struct Placeholders {
    std::string name;
    std::uint32_t number = 0;
};

/// One entry is the whole truth about a key: the parser, the checks, `config show`, the reload
/// and docs/config-reference.md are made from it. Values stand here as one writes them in a file.
struct Key {
    std::string_view name{};  ///< may hold `<name>` and `<N>`, each for one level
    ValueType type = ValueType::text;
    std::string_view unit{};           ///< of an integer: "messages/s"; empty when the type says it
    std::string_view value_default{};  ///< of keys with `<N>`: unused, they are optional
    std::string_view value_min{};      ///< empty: none
    std::string_view value_max{};      ///< empty: none
    std::string_view words{};          ///< "oldest|newest", in the order of the model's enum
    std::string_view synonyms{};       ///< "infinity=0|notice=info": other spellings of values
    std::string_view aliases{};        ///< other names, "a.b|c.d": EMQ's, where they differ
    Reload on_reload = Reload::restart;
    std::string_view since = "0.1";
    std::string_view summary{};
    std::string_view why{};  ///< why this default
    std::string_view emq{};  ///< how EMQ 2.x differed, where it had the key
    /// Puts the value into its place.
    void (*store)(Config& config, const Placeholders& where, const Value& value) = nullptr;
    /// Whether the key must be given for its default to make sense: `listener.tcp.<name>`.
    bool names_instance = false;
    /// No default: absent unless given (`.access.<N>`).
    bool optional = false;
    /// Never printed or logged.
    bool is_secret = false;
};

}  // namespace gw::config
