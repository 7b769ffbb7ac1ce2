#pragma once

#include "broker-core/base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace gw {

/// Bounds on topic names and filters; both checked in one pass at the door.
struct TopicLimits {
    std::size_t bytes_max = 65535;  // of the whole text, prefix included
    std::size_t levels_max = 128;   // "a/b/c" has three
};

/// Why a topic name or filter was refused.
enum class TopicError : std::uint8_t {
    empty,
    too_long,
    too_many_levels,
    wildcard_in_name,      // '+' or '#' in a topic name
    misplaced_wildcard,    // not a whole level, or '#' not last
    malformed_share_name,  // empty, or with '/', '+' or '#'; or no filter behind it
    malformed_local,       // "$local/" without a filter
    repeated_prefix,       // "$share/.../$local/..." and the like
    null_character,
};

/// One sentence for a reason string or a log.
std::string_view topic_error_text(TopicError error);

/// Checks a topic name (MQTT 5.0, 4.7.1 and 4.7.3): not empty, no wildcard, no U+0000, within the
/// limits. The codec has already checked the UTF-8.
Result<void, TopicError> check_topic_name(std::string_view name, const TopicLimits& limits);

/// How a subscription shares its messages.
enum class FilterKind : std::uint8_t {
    plain,   // every subscriber gets every message
    local,   // "$local/<filter>": as plain, but never passed on to other gateways
    shared,  // "$share/<group>/<filter>" or "$queue/<filter>": one member of the group gets it
};

/// A topic filter parsed once at the door; text is never parsed again.
///
/// `$share/<group>/<filter>` (MQTT 5.0, 4.8.2), `$queue/<filter>` (the group of that name is
/// its own: `share_group` is "$queue") and `$local/<filter>`; `$local/$share/<g>/<f>` is
/// accepted and kept as shared, with `is_local`.
struct TopicFilter {
    std::string text;                 // the whole text as the client wrote it
    std::string share_group;          // empty unless kind == shared
    std::uint32_t filter_offset = 0;  // where the filter proper starts in `text`
    FilterKind kind = FilterKind::plain;
    bool is_local = false;
    bool has_wildcard = false;

    /// What topics are matched against: `text` without the prefix.
    std::string_view filter() const { return std::string_view{text}.substr(filter_offset); }
};

/// Parses and checks a filter (MQTT 5.0, 4.7 and 4.8).
Result<TopicFilter, TopicError> parse_topic_filter(std::string_view text,
                                                   const TopicLimits& limits);

/// Whether the filter proper (no prefix) matches the topic name; `#` and `+` at the root match no
/// topic that begins with `$` (MQTT 5.0, 4.7.2). Both must be valid.
bool filter_matches(std::string_view filter, std::string_view topic);

}  // namespace gw
