#pragma once

#include "broker-core/base/assert.hpp"
#include "broker-core/router/router.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gw::test {

/// A filter that must be valid.
inline TopicFilter filter_of(std::string_view text) {
    auto parsed = parse_topic_filter(text, TopicLimits{});
    GW_ASSERT(parsed.has_value());
    return std::move(*parsed);
}

inline SubscriptionOptions with_identifier(std::uint32_t identifier) {
    SubscriptionOptions options;
    options.identifier = identifier & 0xfffffff;
    return options;
}

/// (session key, subscription identifier) of all targets, sorted, to compare with.
using Targets = std::vector<std::pair<std::uint64_t, std::uint32_t>>;

inline Targets targets_of(const MatchResult& result) {
    Targets targets;
    for (const RouteTarget& target : result.targets()) {
        targets.emplace_back(target.session.key(), target.options.identifier);
    }
    std::sort(targets.begin(), targets.end());
    return targets;
}

/// A session with its subscriptions, as a worker would own it.
struct TestSession {
    TestSession(Router& owner, std::uint32_t worker, std::uint32_t slot)
        : router(owner), ref(worker, slot, 1) {}

    SubscribeOutcome subscribe(std::string_view text, std::uint32_t identifier = 0,
                               SessionLoadPtr load = {}) {
        return router.subscribe(list, ref, filter_of(text), with_identifier(identifier),
                                std::move(load));
    }
    bool unsubscribe(std::string_view text) {
        return router.unsubscribe(list, ref, filter_of(text));
    }
    void unsubscribe_all() { router.unsubscribe_all(list, ref); }

    Router& router;
    SessionRef ref;
    SubscriptionList list;
};

}  // namespace gw::test
