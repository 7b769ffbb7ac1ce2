#include "broker-core/retained/retained_store.hpp"

#include "broker-core/base/hash.hpp"

#include <algorithm>
#include <utility>

namespace gw {

namespace {

/// Topics looked at in one call of next(), matches or not; and under one holding of a lock.
constexpr std::size_t visits_per_call = 4096;
constexpr std::size_t visits_per_lock = 64;

bool has_wildcard(std::string_view filter) {
    return filter.ends_with('#') || filter.find('+') != std::string_view::npos;
}

}  // namespace

/// By the first two levels: topics that differ below them stand beside each other, so a filter like
/// `a/+/b` skips over each `a/...` once and not once in every shard. The same in every process, for
/// cursors: whoever chooses topics of one shard makes one lock busier, and nothing else.
std::size_t RetainedStore::shard_of(std::string_view topic) {
    const std::size_t second = topic.find('/');
    const std::size_t end = second == std::string_view::npos ? second : topic.find('/', second + 1);
    return stored_hash(topic.substr(0, end), 0) % shard_count;
}

/// Counts a message that is to come in, unless it is too much.
RetainOutcome RetainedStore::reserve(const Message& message) {
    if (options_.payload_bytes_max != 0 && message.payload().size() > options_.payload_bytes_max) {
        return RetainOutcome::payload_too_large;
    }
    // Added first and taken back when it was too much: two workers at once never get over.
    const std::size_t count = count_.fetch_add(1, std::memory_order_relaxed);
    const std::size_t added = message.footprint();
    const std::size_t bytes = bytes_.fetch_add(added, std::memory_order_relaxed);
    RetainOutcome outcome = RetainOutcome::stored;
    if (options_.count_max != 0 && count >= options_.count_max) {
        outcome = RetainOutcome::over_count;
    } else if (options_.bytes_max != 0 && bytes + added > options_.bytes_max) {
        outcome = RetainOutcome::over_bytes;
    }
    if (outcome != RetainOutcome::stored) {
        release(message);
    }
    return outcome;
}

bool RetainedStore::has_room(std::string_view topic, std::size_t footprint) const {
    std::size_t count = count_.load(std::memory_order_relaxed);
    std::size_t bytes = bytes_.load(std::memory_order_relaxed);
    const auto fits = [&] {
        return (options_.count_max == 0 || count < options_.count_max) &&
               (options_.bytes_max == 0 || bytes + footprint <= options_.bytes_max);
    };
    if (fits()) {
        return true;
    }
    const MessagePtr replaced = find(topic, MonotonicTime::min());
    if (!replaced) {
        return false;
    }
    count -= std::min<std::size_t>(count, 1);
    bytes -= std::min(bytes, replaced->footprint());
    return fits();
}

void RetainedStore::release(const Message& message) {
    count_.fetch_sub(1, std::memory_order_relaxed);
    bytes_.fetch_sub(message.footprint(), std::memory_order_relaxed);
}

RetainOutcome RetainedStore::set(const MessagePtr& message, std::uint64_t* version) {
    const std::string_view topic = message->topic();
    Shard& shard = shards_[shard_of(topic)];
    MessagePtr old;  // outlives the lock: freeing a large one need not hold it
    const std::lock_guard lock{shard.mutex};
    if (version != nullptr) {
        *version = next_version();  // under the lock, so in the order of the changes
    }

    OrderedTopics::Position position = shard.topics.find(topic);
    const Message* existing = shard.topics.at(position);
    if (existing != nullptr && existing->topic() != topic) {
        existing = nullptr;
    }
    if (existing != nullptr) {
        release(*existing);
        shard.expiring_count -= existing->expires_at() != never ? 1 : 0;
    }
    RetainOutcome outcome = RetainOutcome::nothing_to_clear;
    if (!message->payload().empty()) {
        outcome = reserve(*message);
    }
    if (outcome != RetainOutcome::stored) {
        if (existing == nullptr) {
            return outcome;
        }
        old = shard.topics.erase(position);
        return message->payload().empty() ? RetainOutcome::cleared : outcome;
    }
    shard.expiring_count += message->expires_at() != never ? 1 : 0;
    if (existing == nullptr) {
        shard.topics.insert(position, message);
        return RetainOutcome::stored;
    }
    old = shard.topics.replace(position, message);
    return RetainOutcome::replaced;
}

MessagePtr RetainedStore::find(std::string_view topic, MonotonicTime now) const {
    const Shard& shard = shards_[shard_of(topic)];
    const std::lock_guard lock{shard.mutex};
    const Message* found = shard.topics.at(shard.topics.find(topic));
    if (found == nullptr || found->topic() != topic || found->is_expired(now)) {
        return {};
    }
    return MessagePtr{found};
}

bool RetainedStore::next(std::string_view filter, RetainedCursor& cursor, std::size_t max,
                         MonotonicTime now, std::vector<MessagePtr>& out) const {
    if (!has_wildcard(filter)) {
        if (max == 0) {
            return true;
        }
        if (MessagePtr found = find(filter, now)) {
            out.push_back(std::move(found));
        }
        return false;
    }
    Page page{.filter = filter, .now = now, .room = max, .visits = visits_per_call, .out = out};
    while (cursor.shard < shard_count) {
        if (page.room == 0 || page.visits == 0) {
            return true;
        }
        if (walk(shards_[cursor.shard], cursor.bound, page)) {
            ++cursor.shard;
            cursor.bound = TopicBound{};
        }
    }
    return false;
}

/// One holding of the shard's lock. True: the shard has no more.
bool RetainedStore::walk(const Shard& shard, TopicBound& bound, Page& page) {
    const std::lock_guard lock{shard.mutex};
    OrderedTopics::Position position = shard.topics.find(bound);
    std::size_t left = std::min(page.visits, visits_per_lock);
    for (; left > 0 && page.room > 0; --left, --page.visits) {
        const Message* message = shard.topics.at(position);
        if (message == nullptr) {
            return true;
        }
        switch (walk_step(page.filter, message->topic(), bound)) {
            case WalkStep::end:
                return true;
            case WalkStep::seek:
                position = shard.topics.find(bound);
                break;
            case WalkStep::match:
                if (!message->is_expired(page.now)) {
                    page.out.push_back(MessagePtr{message});
                    --page.room;
                }
                bound.text = message->topic();
                bound.kind = TopicBound::Kind::after;
                position = shard.topics.next(position);
                break;
        }
    }
    return false;
}

std::size_t RetainedStore::expire(MonotonicTime now, std::size_t budget,
                                  std::vector<MessagePtr>* removed) {
    const std::lock_guard sweep_lock{sweep_mutex_};
    std::size_t removed_count = 0;
    // Each shard at most once in a call, and the one it began in to its end.
    for (std::size_t visited = 0; visited <= shard_count && budget > 0;) {
        Shard& shard = shards_[sweep_.shard];
        std::vector<MessagePtr> expired;  // freed without the lock
        const std::lock_guard lock{shard.mutex};
        OrderedTopics::Position position = shard.topics.find(sweep_.bound);
        const Message* message = shard.expiring_count == 0 ? nullptr : shard.topics.at(position);
        for (std::size_t left = visits_per_lock; message != nullptr && left > 0 && budget > 0;
             --left, --budget) {
            sweep_.bound.text = message->topic();
            sweep_.bound.kind = TopicBound::Kind::after;
            if (message->is_expired(now)) {
                release(*message);
                --shard.expiring_count;
                expired.push_back(shard.topics.erase(position));
            } else {
                position = shard.topics.next(position);
            }
            message = shard.topics.at(position);
        }
        removed_count += expired.size();
        if (removed != nullptr) {
            removed->insert(removed->end(), expired.begin(), expired.end());
        }
        if (message == nullptr) {
            sweep_.shard = (sweep_.shard + 1) % shard_count;
            sweep_.bound = TopicBound{};
            ++visited;
        }
    }
    return removed_count;
}

}  // namespace gw
