#pragma once

#include "broker-core/message/qos.hpp"
#include "broker-core/topic/topic.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gw::stomp {

enum class AckMode : std::uint8_t { automatic, client, client_individual };

struct FilterEntry;

/// One subscription as the client knows it.
struct Subscription {
    std::string id{};  // in 1.0 perhaps made from the destination; see has_id
    FilterEntry* entry = nullptr;
    std::uint32_t number = 0;  // the subscription identifier by which the core names it
    AckMode ack_mode = AckMode::automatic;
    bool is_durable = false;
    bool has_id = true;       // 1.0 may leave it out; then MESSAGE has no subscription header
    std::uint64_t round = 0;  // of SubscriptionTable::find_targets() that has named it last
    std::size_t place = 0;    // in `entry`

    bool is_tracked() const { return ack_mode != AckMode::automatic || is_durable; }
};

/// One filter of the session in the core, and the subscriptions that share it: the core knows a
/// filter once a session, STOMP as often as there are ids.
struct FilterEntry {
    TopicFilter filter;
    std::vector<std::unique_ptr<Subscription>> subscriptions;  // never empty
    std::size_t tracked_count = 0;                             // of `subscriptions`, as the next
    std::size_t durable_count = 0;
    std::size_t turn = 0;    // of a shared group: whose the next message is
    bool was_there = false;  // durable, from an earlier connection

    /// Tracked deliveries are needed where the client acknowledges, and where messages wait for an
    /// absent client.
    Qos qos() const {
        return was_there || tracked_count != 0 ? Qos::at_least_once : Qos::at_most_once;
    }
    bool is_durable() const { return was_there || durable_count != 0; }
};

/// The subscriptions of one connection, by id, by filter and by number.
class SubscriptionTable {
public:
    /// Numbers are given from `first_number` on: drawn at random for each connection, so that a
    /// delivery that was queued under an older connection's number is not taken for another's.
    explicit SubscriptionTable(std::uint32_t first_number) : next_number_(first_number) {}

    Subscription* find(std::string_view id);
    Subscription* find_number(std::uint32_t number);
    /// The id must be free. `fields` is without entry and number.
    Subscription& add(const TopicFilter& filter, Subscription fields);
    /// True when others are left on its filter; then the entry is, too.
    bool remove(Subscription& subscription);

    /// Whether a topic is of a filter that is in force for what the client wrote.
    using IsFor = std::function<bool(const TopicFilter& filter, std::string_view topic)>;
    /// Who gets a message that the core delivers under these numbers: each subscription once. A
    /// retained message that is sent for a new subscription is that one's alone. Numbers that are
    /// not known, of an older connection or of another protocol, are made up for by the topic.
    void find_targets(std::span<const std::uint32_t> numbers, std::string_view topic,
                      bool is_retained, std::vector<Subscription*>& targets,
                      const IsFor& is_for = matches);

    std::size_t size() const { return by_id_.size(); }

private:
    void add_once(Subscription& subscription, std::vector<Subscription*>& targets) const;
    void add_targets_of(FilterEntry& entry, std::vector<Subscription*>& targets);
    void add_by_topic(std::string_view topic, const IsFor& is_for,
                      std::vector<Subscription*>& targets);
    static bool matches(const TopicFilter& filter, std::string_view topic) {
        return filter_matches(filter.filter(), topic);
    }

    std::map<std::string, std::unique_ptr<FilterEntry>> by_filter_;  // whole text
    std::map<std::string_view, Subscription*> by_id_;
    std::unordered_map<std::uint32_t, Subscription*> by_number_;
    std::uint32_t next_number_;
    std::uint64_t round_ = 0;  // of find_targets()
};

}  // namespace gw::stomp
