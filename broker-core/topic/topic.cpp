#include "broker-core/topic/topic.hpp"

#include "broker-core/base/assert.hpp"

#include <algorithm>

namespace gw {

namespace {

constexpr std::string_view share_prefix = "$share/";
constexpr std::string_view queue_prefix = "$queue/";
constexpr std::string_view local_prefix = "$local/";

bool starts_with_prefix(std::string_view text) {
    return text.starts_with(share_prefix) || text.starts_with(queue_prefix) ||
           text.starts_with(local_prefix);
}

/// What names and filters have in common; the number of levels is checked by the caller.
Result<void, TopicError> check_text(std::string_view text, const TopicLimits& limits) {
    if (text.empty()) {
        return TopicError::empty;
    }
    if (text.size() > limits.bytes_max) {
        return TopicError::too_long;
    }
    if (text.find('\0') != std::string_view::npos) {
        return TopicError::null_character;
    }
    return {};
}

std::size_t count_levels(std::string_view text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '/')) + 1;
}

/// `+` and `#` stand alone in their level, `#` only in the last one (MQTT 5.0, 4.7.1.2 and
/// 4.7.1.3). Tells by `has_wildcard` whether there is one.
Result<void, TopicError> check_wildcards(std::string_view filter, bool& has_wildcard) {
    has_wildcard = false;
    for (std::size_t at = filter.find_first_of("+#"); at != std::string_view::npos;
         at = filter.find_first_of("+#", at + 1)) {
        const bool starts_level = at == 0 || filter[at - 1] == '/';
        const bool ends_text = at + 1 == filter.size();
        const bool ends_level = ends_text || filter[at + 1] == '/';
        if (!starts_level || !ends_level || (filter[at] == '#' && !ends_text)) {
            return TopicError::misplaced_wildcard;
        }
        has_wildcard = true;
    }
    return {};
}

/// Takes `$local/`, `$share/<group>/` and `$queue/` off the front of `filter.text`.
Result<void, TopicError> parse_prefixes(TopicFilter& filter) {
    if (filter.filter().starts_with(local_prefix)) {
        filter.is_local = true;
        filter.kind = FilterKind::local;
        filter.filter_offset = static_cast<std::uint32_t>(local_prefix.size());
        if (filter.filter().empty()) {
            return TopicError::malformed_local;
        }
    }
    const std::string_view rest = filter.filter();
    if (rest.starts_with(queue_prefix)) {
        filter.kind = FilterKind::shared;
        filter.share_group = "$queue";
        filter.filter_offset += static_cast<std::uint32_t>(queue_prefix.size());
    } else if (rest.starts_with(share_prefix)) {
        const std::size_t end = rest.find('/', share_prefix.size());
        if (end == std::string_view::npos) {
            return TopicError::malformed_share_name;
        }
        const std::string_view name = rest.substr(share_prefix.size(), end - share_prefix.size());
        if (name.empty() || name.find_first_of("+#") != std::string_view::npos) {
            return TopicError::malformed_share_name;
        }
        filter.kind = FilterKind::shared;
        filter.share_group = name;
        filter.filter_offset += static_cast<std::uint32_t>(end + 1);
    }
    if (filter.filter().empty()) {
        return TopicError::malformed_share_name;
    }
    if (filter.filter_offset != 0 && starts_with_prefix(filter.filter())) {
        return TopicError::repeated_prefix;
    }
    return {};
}

}  // namespace

std::string_view topic_error_text(TopicError error) {
    switch (error) {
        case TopicError::empty:
            return "a topic must not be empty";
        case TopicError::too_long:
            return "the topic is longer than this server allows";
        case TopicError::too_many_levels:
            return "the topic has more levels than this server allows";
        case TopicError::wildcard_in_name:
            return "a topic name must not contain '+' or '#'";
        case TopicError::misplaced_wildcard:
            return "a wildcard must fill its level, and '#' must be the last level";
        case TopicError::malformed_share_name:
            return "a shared subscription needs a group name without wildcards and a filter";
        case TopicError::malformed_local:
            return "'$local/' needs a filter behind it";
        case TopicError::repeated_prefix:
            return "a filter has at most one '$local/' and one '$share/' or '$queue/', in this "
                   "order";
        case TopicError::null_character:
            return "a topic must not contain U+0000";
    }
    GW_UNREACHABLE();
}

Result<void, TopicError> check_topic_name(std::string_view name, const TopicLimits& limits) {
    if (auto checked = check_text(name, limits); !checked) {
        return checked;
    }
    if (name.find_first_of("+#") != std::string_view::npos) {
        return TopicError::wildcard_in_name;
    }
    if (count_levels(name) > limits.levels_max) {
        return TopicError::too_many_levels;
    }
    return {};
}

Result<TopicFilter, TopicError> parse_topic_filter(std::string_view text,
                                                   const TopicLimits& limits) {
    if (auto checked = check_text(text, limits); !checked) {
        return checked.error();
    }
    TopicFilter filter;
    filter.text = text;
    if (auto parsed = parse_prefixes(filter); !parsed) {
        return parsed.error();
    }
    if (count_levels(filter.filter()) > limits.levels_max) {
        return TopicError::too_many_levels;
    }
    if (auto checked = check_wildcards(filter.filter(), filter.has_wildcard); !checked) {
        return checked.error();
    }
    return filter;
}

bool filter_matches(std::string_view filter, std::string_view topic) {
    if (topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#'))) {
        return false;
    }
    std::size_t at = 0;  // in topic; begins a level whenever the loop begins
    for (std::size_t in = 0;;) {
        if (filter[in] == '#' && in + 1 == filter.size()) {
            return true;
        }
        const std::size_t filter_end = std::min(filter.find('/', in), filter.size());
        const std::size_t topic_end = std::min(topic.find('/', at), topic.size());
        const std::string_view level = filter.substr(in, filter_end - in);
        if (level != "+" && level != topic.substr(at, topic_end - at)) {
            return false;
        }
        if (filter_end == filter.size()) {
            return topic_end == topic.size();
        }
        if (topic_end == topic.size()) {
            return filter.substr(filter_end) == "/#";  // '#' takes in its parent, 4.7.1.2
        }
        in = filter_end + 1;
        at = topic_end + 1;
        if (in == filter.size()) {  // an empty last level of the filter
            return at == topic.size();
        }
    }
}

}  // namespace gw
