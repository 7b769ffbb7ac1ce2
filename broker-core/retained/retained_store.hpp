#pragma once

#include "broker-core/base/clock.hpp"
#include "broker-core/message/message.hpp"
#include "broker-core/retained/ordered_topics.hpp"
#include "broker-core/retained/topic_order.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

namespace gw {

/// Limits of the retained messages of the instance; 0 is none.
struct RetainedOptions {
    std::size_t count_max = 0;
    std::size_t bytes_max = 0;          // of all, as Message::footprint() counts
    std::size_t payload_bytes_max = 0;  // of one
};

/// What became of a message with the retain flag.
enum class RetainOutcome : std::uint8_t {
    stored,
    replaced,
    cleared,           // an empty payload took away what there was
    nothing_to_clear,  // an empty payload, and there was nothing
    // Refused, and the topic has no retained message now: an older one would be taken for the
    // current state (MQTT 5.0, 3.3.1.3: where the new one is discarded there is none).
    over_count,
    over_bytes,
    payload_too_large,
};

/// How far a look-up by filter has come. Begins as made; belongs to one filter. Also in a later
/// process.
struct RetainedCursor {
    std::size_t shard = 0;
    TopicBound bound;  // within the shard
};

/// The retained messages, one for each topic (MQTT 5.0, 3.3.1.3). Shared by all workers: eight
/// parts by the hash of the topic, each with its own lock, held for microseconds. Within a part the
/// topics stand in the order of a trie, so a filter finds its matches without meeting the others.
/// A message costs 10 to 16 bytes beside itself.
class RetainedStore {
public:
    explicit RetainedStore(const RetainedOptions& options) : options_(options) {}

    /// Keeps the message for its topic, or with an empty payload clears the topic. `version`, if
    /// not null, gets a number by which this change comes behind all earlier ones of the topic and
    /// before all later ones. Any thread.
    RetainOutcome set(const MessagePtr& message, std::uint64_t* version = nullptr);
    /// Whether set() would find room for a message of this footprint, as far as others leave it: in
    /// the place of what its topic has. Any thread.
    bool has_room(std::string_view topic, std::size_t footprint) const;
    /// A version behind all changes so far and before all that follow.
    std::uint64_t next_version() {
        return last_version_.fetch_add(1, std::memory_order_relaxed) + 1;
    }

    /// The topic's message, or null when there is none or it has expired. Any thread.
    MessagePtr find(std::string_view topic, MonotonicTime now) const;

    /// Appends up to `max` messages whose topics match the filter (a filter proper, without prefix)
    /// and that have not expired. True: there may be more, call again with the same cursor when
    /// there is room; it may then be that none was appended, since a call also ends after a bounded
    /// number of topics looked at. A topic that is there from the first to the last call is given
    /// exactly once; of one that comes, goes or changes between, what is there when the walk
    /// passes. Order: any. Any thread, one at a time for one cursor.
    bool next(std::string_view filter, RetainedCursor& cursor, std::size_t max, MonotonicTime now,
              std::vector<MessagePtr>& out) const;

    /// Where a look-up stands that has just given this topic's message.
    static RetainedCursor behind(std::string_view topic) {
        return {shard_of(topic), {std::string{topic}, TopicBound::Kind::after}};
    }

    /// Looks at up to `budget` messages, going on where the last call ended, and removes those that
    /// have expired; appends them to `removed` if that is not null. Returns how many. Any thread.
    std::size_t expire(MonotonicTime now, std::size_t budget,
                       std::vector<MessagePtr>* removed = nullptr);

    /// Messages held, including expired ones that expire() has not met yet.
    std::size_t count() const { return count_.load(std::memory_order_relaxed); }
    /// Bytes they hold.
    std::size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

private:
    static constexpr std::size_t shard_count = 8;

    struct alignas(64) Shard {
        mutable std::mutex mutex;
        OrderedTopics topics;
        std::size_t expiring_count = 0;  // those that will expire some day
    };

    static std::size_t shard_of(std::string_view topic);
    /// One call of next(): what is asked, and what may still be done.
    struct Page {
        std::string_view filter;
        MonotonicTime now;
        std::size_t room;
        std::size_t visits;
        std::vector<MessagePtr>& out;
    };

    RetainOutcome reserve(const Message& message);
    void release(const Message& message);
    static bool walk(const Shard& shard, TopicBound& bound, Page& page);

    const RetainedOptions options_;
    std::array<Shard, shard_count> shards_;
    std::atomic<std::size_t> count_{0};
    std::atomic<std::size_t> bytes_{0};
    std::atomic<std::uint64_t> last_version_{0};

    std::mutex sweep_mutex_;  // taken before a shard's
    RetainedCursor sweep_;
};

}  // namespace gw
