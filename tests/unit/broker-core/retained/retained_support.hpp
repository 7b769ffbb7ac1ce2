#pragma once

#include "broker-core/retained/retained_store.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace gw::test {

inline MonotonicTime at_ms(std::int64_t ms) {
    return MonotonicTime{Milliseconds{ms}};
}

inline MessagePtr retained(std::string_view topic, std::string_view payload,
                           MonotonicTime expires_at = never) {
    return Message::create({.topic = topic,
                            .payload = as_bytes(payload),
                            .properties = {},
                            .retain = true,
                            .expires_at = expires_at,
                            .publisher = {}});
}

/// The topics a filter finds, in pages of `page` messages, sorted.
inline std::vector<std::string> topics_of(const RetainedStore& store, std::string_view filter,
                                          MonotonicTime now, std::size_t page = 1000) {
    std::vector<MessagePtr> found;
    RetainedCursor cursor;
    while (store.next(filter, cursor, page, now, found)) {
    }
    std::vector<std::string> topics;
    for (const MessagePtr& message : found) {
        topics.emplace_back(message->topic());
    }
    std::sort(topics.begin(), topics.end());
    return topics;
}

}  // namespace gw::test
