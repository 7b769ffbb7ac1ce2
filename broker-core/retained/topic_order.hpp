#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace gw {

/// Orders topics level by level, as a walk through the trie of their levels meets them: '/' comes
/// before every other byte, so a topic stands directly before all topics below it.
std::strong_ordering compare_topics(std::string_view a, std::string_view b);

/// A place between topics in this order.
struct TopicBound {
    enum class Kind : std::uint8_t {
        at,             // before `text` itself
        after,          // behind `text`, before what is below it
        after_subtree,  // behind `text` and all that is below it
    };
    std::string text;  // a topic or its first levels
    Kind kind = Kind::at;

    /// Whether the topic stands before this place.
    bool is_behind(std::string_view topic) const;
};

/// What a walk for the topics that match a filter does at a topic.
enum class WalkStep : std::uint8_t {
    match,  // the topic matches; go on with the one behind it
    seek,   // nothing before `next` can match
    end,    // nothing behind can match
};

/// Says how to go on at `topic`, and sets `next` for WalkStep::seek; it is always behind the topic.
/// The walk meets at most one topic for each node of the trie that the filter leads to, beside the
/// matches. `$` topics match no wildcard at the root (MQTT 5.0, 4.7.2).
WalkStep walk_step(std::string_view filter, std::string_view topic, TopicBound& next);

}  // namespace gw
