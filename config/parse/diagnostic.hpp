#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace gw::config {

enum class Severity { error, warning };

/// One thing to tell the person who wrote the configuration.
struct Diagnostic {
    Severity severity = Severity::error;
    std::string source;      ///< file name, "environment variable MANGROVE_X", "--set"
    std::size_t line = 0;    ///< 1 is the first; 0: the source has no lines
    std::size_t column = 0;  ///< in characters, 1 is the first; 0: the whole line or source
    std::string text;        ///< one sentence without a full stop

    /// "gateway.conf:3:17: error: mqtt.max_packet_size: ...".
    std::string line_text() const;
    bool operator==(const Diagnostic&) const = default;
};

using Diagnostics = std::vector<Diagnostic>;

}  // namespace gw::config
