#pragma once

#include "broker-core/router/match_result.hpp"
#include "broker-core/router/route_cache.hpp"
#include "broker-core/router/route_node.hpp"
#include "broker-core/router/route_types.hpp"
#include "broker-core/router/shared_group.hpp"
#include "broker-core/router/subscription_list.hpp"
#include "broker-core/router/wildcard_index.hpp"
#include "broker-core/router/worker_locks.hpp"
#include "broker-core/topic/topic.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gw {

/// What a router is made with.
struct RouterOptions {
    std::uint32_t worker_count = 1;  // threads that match, at most 256
    std::uint64_t hash_key = 0;      // drawn at start; in tests the seed
    ShareStrategy share_strategy = ShareStrategy::round_robin;
    std::size_t cache_slot_count = 4096;           // results kept for each worker; 0: none
    std::size_t cache_target_count_max = 500'000;  // 12 bytes each, for each worker
};

enum class SubscribeOutcome : std::uint8_t {
    created,
    replaced,  // the session had this filter; it has the new options now (MQTT 5.0, 3.8.4)
};

/// One subscription of a session, for those who list them.
struct SubscriptionInfo {
    std::string filter;  // the whole text, with its prefix
    SubscriptionOptions options;
};

/// One filter and how many subscribe to it, for those who list routes.
struct FilterInfo {
    std::string filter;                // without prefix
    std::size_t subscriber_count = 0;  // plain and `$local`
    std::size_t shared_group_count = 0;
};

/// Which sessions get a topic: all subscriptions of the instance. Shared by all workers.
///
/// Filters without wildcards and, by another hash, those with wildcards are in one table; beside it
/// stands the trie of the wildcard filters (WildcardIndex). Matching goes on in parallel, each
/// worker under a lock of its own; a change takes all these locks for about a microsecond
/// (WorkerLocks). Results are cached for each worker until a change may concern them.
class Router {
public:
    explicit Router(const RouterOptions& options);
    Router(const Router&) = delete;
    Router& operator=(const Router&) = delete;
    ~Router();

    /// Subscribes a session, or gives its subscription to the same text other options. Counts from
    /// the next match() on, of any worker, that starts after this returned. `load` is for shared
    /// filters only and may be null: then the session counts as always online.
    ///
    /// The filter comes from parse_topic_filter(). Any thread, but one at a time for one list.
    SubscribeOutcome subscribe(SubscriptionList& list, SessionRef session,
                               const TopicFilter& filter, SubscriptionOptions options,
                               SessionLoadPtr load = {});

    /// Ends a subscription; false: the session has none of this text. Threads as subscribe().
    bool unsubscribe(SubscriptionList& list, SessionRef session, const TopicFilter& filter);

    /// Ends all of them, with short pauses for others. Threads as subscribe().
    void unsubscribe_all(SubscriptionList& list, SessionRef session);

    /// The options of the session's subscription to this text, if it has one. Any thread.
    std::optional<SubscriptionOptions> find_subscription(SessionRef session,
                                                         const TopicFilter& filter);

    /// The shared group of this filter, or null when it has no members. Any thread; not for what is
    /// done often, since it takes the writers' lock.
    SharedGroupPtr find_group(const TopicFilter& filter);

    /// Appends up to `max` subscriptions, from the `first` in the list on; 0 is the first. The
    /// order changes only when one is removed. Threads as subscribe().
    void list_subscriptions(const SubscriptionList& list, SessionRef session, std::size_t first,
                            std::size_t max, std::vector<SubscriptionInfo>& out);

    /// Who gets this topic; never null. Costs some 20 ns when the topic was matched before and
    /// nothing changed since. Only the thread of `worker` may call it. The topic is valid.
    MatchPtr match(std::uint32_t worker, std::string_view topic);

    /// Lists the filters in pages, in no order: appends one page and says whether there are more.
    /// `page` starts at 0 and is counted on by the call. What is there all the time is listed once.
    bool list_filters(std::uint32_t worker, std::size_t& page, std::vector<FilterInfo>& out);

    // Sizes at this moment. Any thread.
    std::size_t filter_count() const { return filter_count_.load(std::memory_order_relaxed); }
    std::size_t subscription_count() const {
        return subscription_count_.load(std::memory_order_relaxed);
    }
    std::size_t shared_group_count() const {
        return shared_group_count_.load(std::memory_order_relaxed);
    }

    std::uint32_t worker_count() const { return options_.worker_count; }

private:
    using Handle = SubscriptionList::Handle;

    /// What only one worker's thread touches.
    struct alignas(64) Worker {
        explicit Worker(const RouterOptions& options)
            : cache(options.cache_slot_count, options.cache_target_count_max),
              nobody(MatchResult::create_empty()) {}
        RouteCache cache;
        MatchScratch scratch;
        MatchPtr nobody;  // one for each worker: counting its references must not meet others
    };

    std::uint64_t hash_of(const TopicFilter& filter) const;
    std::uint64_t hash_of(const RouteNode& node) const;
    RouteGeneration generation_of(std::uint64_t exact_hash) const;
    void count_change(const RouteNode& node, std::uint64_t hash);
    MatchPtr match_filters(Worker& worker, std::string_view topic, std::uint64_t hash) const;

    // The following are called under all locks.
    RouteNode* find_node(std::uint64_t hash, std::string_view filter) const;
    RouteNode& get_node(std::uint64_t hash, const TopicFilter& filter);
    void drop_node_if_empty(RouteNode& node, std::uint64_t hash);
    SubscribeOutcome subscribe_to_set(SubscriberSet& set, const Subscriber& subscriber);
    SubscribeOutcome subscribe_to_group(SharedGroup& group, const Subscriber& subscriber,
                                        SessionLoadPtr load);
    SharedGroup& get_group(RouteNode& node, std::uint64_t hash, std::string_view prefix);
    std::optional<Subscriber> find_subscriber(RouteNode& node, const TopicFilter& filter,
                                              SessionRef session) const;
    void remove(SubscriptionList& list, SessionRef session, std::uint32_t position);
    static SubscriberSet& set_of(Handle handle);
    static Subscriber subscriber_of(Handle handle, SessionRef session);

    const RouterOptions options_;
    WorkerLocks locks_;
    std::vector<std::unique_ptr<Worker>> workers_;

    FilterTable filters_;
    WildcardIndex wildcards_;

    // Counted on by every change that may alter a result, of filters with wildcards and, by part of
    // the table, of those without: so devices that come with their own topics leave the cached
    // results of others alone.
    std::array<std::atomic<std::uint64_t>, FilterTable::part_count> exact_generations_{};
    std::atomic<std::uint64_t> wildcard_generation_{0};

    std::atomic<std::size_t> filter_count_{0};
    std::atomic<std::size_t> subscription_count_{0};
    std::atomic<std::size_t> shared_group_count_{0};
};

}  // namespace gw
