#include "broker-core/router/router.hpp"

#include "broker-core/base/assert.hpp"
#include "broker-core/base/hash.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

namespace gw {

namespace {

/// Subscriptions listed or removed under the locks in one go.
constexpr std::size_t slice_count = 32;

constexpr std::string_view local_prefix = "$local/";

std::string_view prefix_of(const TopicFilter& filter) {
    return std::string_view{filter.text}.substr(0, filter.filter_offset);
}

}  // namespace

Router::Router(const RouterOptions& options)
    : options_(options), locks_(options.worker_count), wildcards_(options.hash_key) {
    GW_ASSERT(options.worker_count <= 256);
    for (std::uint32_t i = 0; i < options.worker_count; ++i) {
        workers_.push_back(std::make_unique<Worker>(options));
    }
}

Router::~Router() {
    for (std::size_t part = 0; part < FilterTable::part_count; ++part) {
        filters_.for_each(part, [](RouteNode* node) { RouteNode::destroy(node); });
    }
}

std::uint64_t Router::hash_of(const TopicFilter& filter) const {
    return filter.has_wildcard ? wildcards_.filter_hash(filter.filter())
                               : hash_text(filter.filter(), options_.hash_key);
}

std::uint64_t Router::hash_of(const RouteNode& node) const {
    return node.has_wildcard() ? wildcards_.filter_hash(node.filter())
                               : hash_text(node.filter(), options_.hash_key);
}

RouteGeneration Router::generation_of(std::uint64_t exact_hash) const {
    return {.exact = exact_generations_[FilterTable::part_of(exact_hash)].load(
                std::memory_order_acquire),
            .wildcard = wildcard_generation_.load(std::memory_order_acquire)};
}

void Router::count_change(const RouteNode& node, std::uint64_t hash) {
    auto& generation =
        node.has_wildcard() ? wildcard_generation_ : exact_generations_[FilterTable::part_of(hash)];
    generation.fetch_add(1, std::memory_order_release);
}

SubscribeOutcome Router::subscribe(SubscriptionList& list, SessionRef session,
                                   const TopicFilter& filter, SubscriptionOptions options,
                                   SessionLoadPtr load) {
    const std::uint64_t hash = hash_of(filter);
    list.handles_.reserve_one();
    const Subscriber subscriber{.session = session,
                                .options = options,
                                .position = static_cast<std::uint32_t>(list.size())};
    const std::lock_guard lock{locks_};
    RouteNode& node = get_node(hash, filter);
    SubscribeOutcome outcome = SubscribeOutcome::created;
    std::optional<Handle> handle;
    switch (filter.kind) {
        case FilterKind::plain:
            outcome = subscribe_to_set(node.plain(), subscriber);
            handle = Handle::plain(node);
            break;
        case FilterKind::local:
            outcome = subscribe_to_set(node.extend().local, subscriber);
            handle = Handle::local(node);
            break;
        case FilterKind::shared: {
            SharedGroup& group = get_group(node, hash, prefix_of(filter));
            outcome = subscribe_to_group(group, subscriber, std::move(load));
            handle = Handle::shared(group);
            break;
        }
    }
    if (filter.kind != FilterKind::shared) {
        count_change(node, hash);  // of a group's members no result knows
    }
    if (outcome == SubscribeOutcome::created) {
        list.handles_.push_back(*handle);
        subscription_count_.fetch_add(1, std::memory_order_relaxed);
    }
    return outcome;
}

RouteNode* Router::find_node(std::uint64_t hash, std::string_view filter) const {
    RouteNode* const* found =
        filters_.find(hash, [filter](const RouteNode* node) { return node->filter() == filter; });
    return found == nullptr ? nullptr : *found;
}

RouteNode& Router::get_node(std::uint64_t hash, const TopicFilter& filter) {
    if (RouteNode* found = find_node(hash, filter.filter())) {
        return *found;
    }
    RouteNode* node = RouteNode::create(filter.filter(), filter.has_wildcard);
    filters_.insert(hash, node);
    if (filter.has_wildcard) {
        wildcards_.add(filter.filter());
    }
    filter_count_.fetch_add(1, std::memory_order_relaxed);
    return *node;
}

SubscribeOutcome Router::subscribe_to_set(SubscriberSet& set, const Subscriber& subscriber) {
    if (Subscriber* existing = set.find(subscriber.session)) {
        existing->options = subscriber.options;
        return SubscribeOutcome::replaced;
    }
    set.add(subscriber);
    return SubscribeOutcome::created;
}

SubscribeOutcome Router::subscribe_to_group(SharedGroup& group, const Subscriber& subscriber,
                                            SessionLoadPtr load) {
    if (group.find(subscriber.session) != nullptr) {
        group.update(subscriber.session, subscriber.options, std::move(load));
        return SubscribeOutcome::replaced;
    }
    group.add({.session = subscriber.session,
               .options = subscriber.options,
               .position = subscriber.position,
               .load = std::move(load)});
    return SubscribeOutcome::created;
}

SharedGroup& Router::get_group(RouteNode& node, std::uint64_t hash, std::string_view prefix) {
    auto& groups = node.extend().groups;
    const auto found = groups.find(prefix);
    if (found != groups.end()) {
        return *found->second;
    }
    SharedGroupPtr group{new SharedGroup(node, prefix, options_.share_strategy)};
    const auto place = groups.emplace(prefix, std::move(group)).first;
    count_change(node, hash);
    shared_group_count_.fetch_add(1, std::memory_order_relaxed);
    return *place->second;
}

std::optional<Subscriber> Router::find_subscriber(RouteNode& node, const TopicFilter& filter,
                                                  SessionRef session) const {
    RouteExtension* extension = node.extension();
    if (filter.kind == FilterKind::shared) {
        if (extension == nullptr) {
            return std::nullopt;
        }
        const auto group = extension->groups.find(prefix_of(filter));
        if (group == extension->groups.end()) {
            return std::nullopt;
        }
        const SharedGroup::Member* member = group->second->find(session);
        if (member == nullptr) {
            return std::nullopt;
        }
        return Subscriber{
            .session = session, .options = member->options, .position = member->position};
    }
    if (filter.kind == FilterKind::local && extension == nullptr) {
        return std::nullopt;
    }
    SubscriberSet& set = filter.kind == FilterKind::local ? extension->local : node.plain();
    const Subscriber* subscriber = set.find(session);
    return subscriber == nullptr ? std::nullopt : std::optional<Subscriber>{*subscriber};
}

bool Router::unsubscribe(SubscriptionList& list, SessionRef session, const TopicFilter& filter) {
    const std::uint64_t hash = hash_of(filter);
    const std::lock_guard lock{locks_};
    RouteNode* node = find_node(hash, filter.filter());
    if (node == nullptr) {
        return false;
    }
    const auto subscriber = find_subscriber(*node, filter, session);
    if (!subscriber) {
        return false;
    }
    remove(list, session, subscriber->position);
    return true;
}

void Router::unsubscribe_all(SubscriptionList& list, SessionRef session) {
    while (!list.empty()) {
        const std::lock_guard lock{locks_};
        for (std::size_t i = 0; i < slice_count && !list.empty(); ++i) {
            remove(list, session, static_cast<std::uint32_t>(list.size() - 1));
        }
    }
    list.handles_.shrink_to_fit();
}

SubscriberSet& Router::set_of(Handle handle) {
    return handle.kind() == Handle::Kind::local ? handle.node().extension()->local
                                                : handle.node().plain();
}

Subscriber Router::subscriber_of(Handle handle, SessionRef session) {
    if (handle.kind() == Handle::Kind::shared) {
        const SharedGroup::Member* member = handle.group().find(session);
        GW_ASSERT(member != nullptr);
        return {.session = session, .options = member->options, .position = member->position};
    }
    const Subscriber* subscriber = set_of(handle).find(session);
    GW_ASSERT(subscriber != nullptr);
    return *subscriber;
}

void Router::remove(SubscriptionList& list, SessionRef session, std::uint32_t position) {
    GW_ASSERT(position < list.size());
    const Handle handle = list.handles_[position];
    const Handle last = list.handles_.back();
    if (position + 1 != list.size()) {
        if (last.kind() == Handle::Kind::shared) {
            last.group().set_position(session, position);
        } else {
            Subscriber* moved = set_of(last).find(session);
            GW_ASSERT(moved != nullptr);
            moved->position = position;
        }
        list.handles_[position] = last;
    }
    list.handles_.pop_back();
    subscription_count_.fetch_sub(1, std::memory_order_relaxed);

    RouteNode& node = handle.node();
    const std::uint64_t hash = hash_of(node);
    if (handle.kind() == Handle::Kind::shared) {
        SharedGroup& group = handle.group();
        group.remove(session);
        if (group.size() != 0) {
            return;  // of a group's members no result knows
        }
        auto& groups = node.extension()->groups;
        groups.erase(groups.find(group.prefix()));
        shared_group_count_.fetch_sub(1, std::memory_order_relaxed);
    } else {
        set_of(handle).remove(session);
    }
    count_change(node, hash);
    drop_node_if_empty(node, hash);
}

void Router::drop_node_if_empty(RouteNode& node, std::uint64_t hash) {
    if (!node.empty()) {
        return;
    }
    const bool was_there =
        filters_.erase(hash, [&node](const RouteNode* other) { return other == &node; });
    GW_ASSERT(was_there);
    if (node.has_wildcard()) {
        wildcards_.remove(node.filter());
    }
    RouteNode::destroy(&node);
    filter_count_.fetch_sub(1, std::memory_order_relaxed);
}

std::optional<SubscriptionOptions> Router::find_subscription(SessionRef session,
                                                             const TopicFilter& filter) {
    const std::uint64_t hash = hash_of(filter);
    const std::lock_guard lock{locks_.of(session.worker())};
    RouteNode* node = find_node(hash, filter.filter());
    if (node == nullptr) {
        return std::nullopt;
    }
    const auto subscriber = find_subscriber(*node, filter, session);
    return subscriber ? std::optional{subscriber->options} : std::nullopt;
}

SharedGroupPtr Router::find_group(const TopicFilter& filter) {
    const std::lock_guard lock{locks_};
    RouteNode* node = find_node(hash_of(filter), filter.filter());
    if (node == nullptr || node->extension() == nullptr) {
        return {};
    }
    const auto& groups = node->extension()->groups;
    const auto found = groups.find(prefix_of(filter));
    return found == groups.end() ? SharedGroupPtr{} : found->second;
}

void Router::list_subscriptions(const SubscriptionList& list, SessionRef session, std::size_t first,
                                std::size_t max, std::vector<SubscriptionInfo>& out) {
    const std::size_t end = first + std::min(max, list.size() - std::min(first, list.size()));
    while (first < end) {
        const std::lock_guard lock{locks_.of(session.worker())};
        for (const std::size_t stop = std::min(end, first + slice_count); first < stop; ++first) {
            const Handle handle = list.handles_[first];
            std::string text;
            if (handle.kind() == Handle::Kind::local) {
                text = local_prefix;
            } else if (handle.kind() == Handle::Kind::shared) {
                text = handle.group().prefix();
            }
            text += handle.node().filter();
            out.push_back(
                {.filter = std::move(text), .options = subscriber_of(handle, session).options});
        }
    }
}

bool Router::list_filters(std::uint32_t worker, std::size_t& page, std::vector<FilterInfo>& out) {
    if (page >= FilterTable::part_count) {
        return false;
    }
    const std::lock_guard lock{locks_.of(worker)};
    filters_.for_each(page, [&out](const RouteNode* node) {
        const RouteExtension* extension = node->extension();
        const std::size_t local_count = extension != nullptr ? extension->local.size() : 0;
        out.push_back({.filter = std::string{node->filter()},
                       .subscriber_count = node->plain().size() + local_count,
                       .shared_group_count = extension != nullptr ? extension->groups.size() : 0});
    });
    return ++page < FilterTable::part_count;
}

MatchPtr Router::match(std::uint32_t worker, std::string_view topic) {
    Worker& own = *workers_[worker];
    const std::uint64_t hash = hash_text(topic, options_.hash_key);
    if (const MatchPtr* cached = own.cache.find(hash, topic, generation_of(hash))) {
        return *cached;
    }
    RouteGeneration generation;
    MatchPtr result;
    {
        const std::lock_guard lock{locks_.of(worker)};
        generation = generation_of(hash);
        result = match_filters(own, topic, hash);
    }
    own.cache.offer(hash, topic, generation, result);
    return result;
}

MatchPtr Router::match_filters(Worker& worker, std::string_view topic, std::uint64_t hash) const {
    MatchScratch& scratch = worker.scratch;
    scratch.nodes.clear();
    // Four places in memory that are far apart and cold when there are many filters: asked for
    // early, they are waited for together.
    filters_.prefetch(hash);
    wildcards_.prepare(topic, scratch);
    filters_.prefetch_target(hash, RouteNode::text_offset + topic.size());
    wildcards_.match(filters_, scratch);
    if (const RouteNode* exact = find_node(hash, topic)) {
        scratch.nodes.push_back(exact);
    }
    return scratch.nodes.empty() ? worker.nobody : MatchResult::create(scratch.nodes);
}

}  // namespace gw
