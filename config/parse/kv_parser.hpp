#pragma once

#include "config/parse/diagnostic.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gw::config {

/// One `key = value` line, not yet looked up.
struct Entry {
    std::string key;
    std::string value;  ///< without quotes and without the comment
    std::size_t line = 0;
    std::size_t key_column = 0;
    std::size_t value_column = 0;
};

struct ParsedText {
    std::vector<Entry> entries;
    Diagnostics diagnostics;
};

/// Splits a configuration text into its entries; goes on after a bad line, so that all are told.
///
/// A line is empty, a comment, or `key = value`. `#` starts a comment at the beginning of a line
/// or after a space. A value may stand in double quotes, with \" and \\ inside, to hold a `#` or
/// spaces at its ends. CR LF ends a line too, and a byte order mark is passed over.
ParsedText parse_key_values(std::string_view source, std::string_view text);

}  // namespace gw::config
