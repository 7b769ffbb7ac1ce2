#include "broker-core/retained/topic_order.hpp"

#include <algorithm>
#include <cstring>

namespace gw {

namespace {

unsigned rank(char c) {
    return c == '/' ? 0U : static_cast<unsigned char>(c);  // U+0000 is in no topic
}

std::size_t common_length(std::string_view a, std::string_view b) {
    const std::size_t shorter = std::min(a.size(), b.size());
    std::size_t at = 0;
    while (at + 8 <= shorter && std::memcmp(a.data() + at, b.data() + at, 8) == 0) {
        at += 8;
    }
    while (at < shorter && a[at] == b[at]) {
        ++at;
    }
    return at;
}

std::size_t level_end(std::string_view text, std::size_t begin) {
    return std::min(text.find('/', begin), text.size());
}

/// The levels of `filter` from `begin` on up to its next wildcard, without the separator before it.
std::string_view literals_from(std::string_view filter, std::size_t begin) {
    std::size_t end = begin;
    for (std::size_t at = begin; at <= filter.size();) {
        const std::size_t stop = level_end(filter, at);
        const std::string_view level = filter.substr(at, stop - at);
        if (level == "+" || level == "#") {
            break;
        }
        end = stop;
        at = stop + 1;
    }
    return filter.substr(begin, end - begin);
}

}  // namespace

std::strong_ordering compare_topics(std::string_view a, std::string_view b) {
    const std::size_t common = common_length(a, b);
    if (common == a.size() || common == b.size()) {
        return a.size() <=> b.size();
    }
    return rank(a[common]) <=> rank(b[common]);
}

bool TopicBound::is_behind(std::string_view topic) const {
    const std::strong_ordering order = compare_topics(topic, text);
    switch (kind) {
        case Kind::at:
            return std::is_lt(order);
        case Kind::after:
            return std::is_lteq(order);
        case Kind::after_subtree:
            return std::is_lteq(order) || (topic.starts_with(text) && topic[text.size()] == '/');
    }
    return false;
}

WalkStep walk_step(std::string_view filter, std::string_view topic, TopicBound& next) {
    if (topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#'))) {
        next.text = "%";  // the byte behind '$': all of those are skipped at once
        next.kind = TopicBound::Kind::at;
        return WalkStep::seek;
    }
    std::size_t in = 0;                 // begin of a level of the filter
    std::size_t at = 0;                 // begin of the level of the topic that faces it
    std::size_t plus_end = topic.npos;  // where the topic's last level that faces a '+' ends
    for (;;) {
        const std::size_t in_end = level_end(filter, in);
        const std::size_t at_end = level_end(topic, at);
        const std::string_view wanted = filter.substr(in, in_end - in);
        if (wanted == "#") {
            return WalkStep::match;
        }
        if (wanted == "+") {
            plus_end = at_end;
        } else {
            const auto order = compare_topics(topic.substr(at, at_end - at), wanted);
            if (std::is_lt(order)) {
                next.text.assign(topic.substr(0, at)).append(literals_from(filter, in));
                next.kind = TopicBound::Kind::at;
                return WalkStep::seek;
            }
            if (std::is_gt(order)) {
                if (plus_end == topic.npos) {
                    return WalkStep::end;
                }
                next.text.assign(topic.substr(0, plus_end));
                next.kind = TopicBound::Kind::after_subtree;
                return WalkStep::seek;
            }
        }
        const bool filter_ends = in_end == filter.size();
        const bool topic_ends = at_end == topic.size();
        if (filter_ends && topic_ends) {
            return WalkStep::match;
        }
        if (filter_ends) {
            next.text.assign(topic.substr(0, at_end));
            next.kind = TopicBound::Kind::after_subtree;
            return WalkStep::seek;
        }
        in = in_end + 1;
        if (topic_ends) {
            if (filter.substr(in) == "#") {
                return WalkStep::match;  // '#' takes in its parent, 4.7.1.2
            }
            next.text.assign(topic).append("/").append(literals_from(filter, in));
            next.kind = TopicBound::Kind::at;
            return WalkStep::seek;
        }
        at = at_end + 1;
    }
}

}  // namespace gw
