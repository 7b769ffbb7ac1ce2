#include "adapters/stomp/machine/subscription_table.hpp"

#include "broker-core/base/assert.hpp"
#include "broker-core/router/route_types.hpp"

#include <algorithm>
#include <utility>

namespace gw::stomp {

namespace {

constexpr std::uint32_t number_max = 0x0fffffff;  // MQTT 5.0, 3.8.2.1.2

}  // namespace

Subscription* SubscriptionTable::find(std::string_view id) {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second;
}

Subscription* SubscriptionTable::find_number(std::uint32_t number) {
    const auto found = by_number_.find(number);
    return found == by_number_.end() ? nullptr : found->second;
}

Subscription& SubscriptionTable::add(const TopicFilter& filter, Subscription fields) {
    GW_ASSERT(by_id_.count(fields.id) == 0);
    std::unique_ptr<FilterEntry>& entry = by_filter_[filter.text];
    if (!entry) {
        entry = std::make_unique<FilterEntry>();
        entry->filter = filter;
    }
    do {
        next_number_ = next_number_ >= number_max ? 1 : next_number_ + 1;
    } while (by_number_.count(next_number_) != 0);
    fields.entry = entry.get();
    fields.number = next_number_;
    Subscription& added =
        *entry->subscriptions.emplace_back(std::make_unique<Subscription>(std::move(fields)));
    added.place = entry->subscriptions.size() - 1;
    entry->tracked_count += added.is_tracked() ? 1 : 0;
    entry->durable_count += added.is_durable ? 1 : 0;
    by_id_.emplace(added.id, &added);
    by_number_.emplace(added.number, &added);
    return added;
}

bool SubscriptionTable::remove(Subscription& subscription) {
    FilterEntry& entry = *subscription.entry;
    by_id_.erase(subscription.id);
    by_number_.erase(subscription.number);
    entry.tracked_count -= subscription.is_tracked() ? 1 : 0;
    entry.durable_count -= subscription.is_durable ? 1 : 0;
    const std::size_t place = subscription.place;
    std::swap(entry.subscriptions[place], entry.subscriptions.back());
    entry.subscriptions[place]->place = place;
    entry.subscriptions.pop_back();  // it is gone
    if (!entry.subscriptions.empty()) {
        return true;
    }
    // The key is a part of what is erased: a copy outlives it.
    const std::string text = entry.filter.text;
    by_filter_.erase(text);
    return false;
}

void SubscriptionTable::add_once(Subscription& subscription,
                                 std::vector<Subscription*>& targets) const {
    if (std::exchange(subscription.round, round_) != round_) {
        targets.push_back(&subscription);
    }
}

void SubscriptionTable::add_targets_of(FilterEntry& entry, std::vector<Subscription*>& targets) {
    if (entry.filter.kind == FilterKind::shared) {
        // The group has given this session one message, not one to each of its ids.
        entry.turn = (entry.turn + 1) % entry.subscriptions.size();
        add_once(*entry.subscriptions[entry.turn], targets);
        return;
    }
    for (const auto& subscription : entry.subscriptions) {
        add_once(*subscription, targets);
    }
}

void SubscriptionTable::add_by_topic(std::string_view topic, const IsFor& is_for,
                                     std::vector<Subscription*>& targets) {
    for (const auto& [text, entry] : by_filter_) {
        if (is_for(entry->filter, topic)) {
            add_targets_of(*entry, targets);
        }
    }
}

void SubscriptionTable::find_targets(std::span<const std::uint32_t> numbers, std::string_view topic,
                                     bool is_retained, std::vector<Subscription*>& targets,
                                     const IsFor& is_for) {
    targets.clear();
    ++round_;
    bool is_complete = !numbers.empty();
    for (const std::uint32_t number : numbers) {
        // One without the mark was given by a client of MQTT 5.
        const auto found = (number & private_identifier_bit) == 0
                               ? by_number_.end()
                               : by_number_.find(number & ~private_identifier_bit);
        // The topic is compared, too: the number may be another connection's.
        if (found == by_number_.end() || !is_for(found->second->entry->filter, topic)) {
            is_complete = false;
        } else if (is_retained) {
            add_once(*found->second, targets);
        } else {
            add_targets_of(*found->second->entry, targets);
        }
    }
    if (!is_complete) {
        add_by_topic(topic, is_for, targets);
    }
}

}  // namespace gw::stomp
