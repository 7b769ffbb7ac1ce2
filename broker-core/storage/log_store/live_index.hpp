#pragma once

#include "broker-core/base/clock.hpp"
#include "broker-core/storage/log_store/flat_table.hpp"
#include "broker-core/storage/log_store/record.hpp"
#include "broker-core/storage/log_store/sequence_set.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <unordered_set>
#include <variant>
#include <vector>

namespace gw {

/// A delivery of a message that the store had and has given up: nobody needed it for
/// LogStoreOptions::unreferenced_grace. Whoever made the delivery still holds the message and
/// submits it again.
struct OrphanDelivery {
    std::uint64_t session = 0;
    std::uint64_t sequence = 0;
    std::uint64_t message = 0;
};

/// What lives in the log and where: for each live message its place and how many deliveries need
/// it, for each session its live sequences, for each segment how much of it lives. It follows what
/// was committed, so a transaction that failed leaves no trace here. Some 30 bytes a live message,
/// 40 a session, 16 a segment. One thread at a time: LogStore guards it.
class LiveIndex {
public:
    struct Location {
        std::uint64_t segment;
        std::uint32_t offset;  // of the message's body in the segment
        std::uint32_t bytes;
    };
    struct Segment {
        std::uint32_t bytes = 0;
        std::uint32_t live_bytes = 0;  // of message bodies
        std::uint32_t live_count = 0;  // messages
        // Deliveries whose message stood elsewhere when they came: while there are any, no live
        // message here does not mean that no delivery here lives.
        std::uint32_t foreign_count = 0;
    };

    LiveIndex() = default;
    LiveIndex(const LiveIndex&) = delete;
    LiveIndex& operator=(const LiveIndex&) = delete;
    ~LiveIndex();

    /// Segments come in the order of their ids, without a gap.
    void add_segment(std::uint64_t id, std::size_t bytes);
    /// Forgets the oldest segment. What lived in it was written again, or is lost.
    void drop_oldest_segment();

    /// A message stands in a segment; when it stood elsewhere before, it stands here now.
    void add_message(std::uint64_t id, const Location& location);
    /// False when the session had that sequence already (it was written again).
    bool add_delivery(std::uint64_t segment, const DeliveryRecord& record, MonotonicTime now,
                      std::vector<OrphanDelivery>* orphans);
    /// False when that delivery did not live.
    bool complete(const CompletedRecord& record, MonotonicTime now);
    /// The session's deliveries are dead. They go when the compaction comes by, unless they are
    /// completed before: a delivery's message is known only from its record.
    void remove_session(std::uint64_t session);
    /// What the compaction found: a delivery of a removed session. Its message goes at once if it
    /// was the last, so that it need not be copied.
    void drop_removed(const DeliveryRecord& record);
    bool has_removed_sessions() const { return !removed_sessions_.empty(); }

    /// Applies all records of a segment that was just committed.
    void apply(std::uint64_t segment, Bytes body, MonotonicTime now,
               std::vector<OrphanDelivery>& orphans);
    /// Gives up messages that nobody has needed since `before`. A worker's delivery may be stored
    /// later than its message, so "no delivery" is final only after a while.
    void expire_unreferenced(MonotonicTime before);
    /// At start-up, when all is read: nobody can come for an unreferenced message any more.
    void drop_unreferenced();

    std::optional<Location> find(std::uint64_t message) const;
    bool is_removed(std::uint64_t session) const;
    bool is_live(std::uint64_t session, std::uint64_t sequence) const;
    /// Whether the message lives and stands exactly there.
    bool is_live_at(std::uint64_t message, std::uint64_t segment, std::size_t offset) const;

    std::uint64_t first_segment() const { return first_segment_; }
    std::uint64_t next_segment() const { return first_segment_ + segments_.size(); }
    const Segment& segment(std::uint64_t id) const { return segments_[id - first_segment_]; }
    bool has_segments() const { return !segments_.empty(); }
    /// Whether nothing in the oldest segments lives, without reading them: how many in front.
    std::size_t dead_prefix(std::size_t count_max, std::size_t bytes_max) const;

    bool has_unreferenced() const { return !unreferenced_.empty(); }
    std::size_t message_count() const { return messages_.size(); }
    std::uint64_t delivery_count() const { return delivery_count_; }
    std::uint64_t log_bytes() const { return log_bytes_; }
    /// About how much of the log would be left if all of it were rewritten.
    std::uint64_t live_bytes() const;
    std::size_t memory_bytes() const;

private:
    struct MessageEntry {
        std::uint64_t key;
        std::uint64_t segment_references;  // segment in the upper 40 bits (0: not seen yet)
        std::uint32_t offset;
        std::uint32_t bytes;

        static constexpr std::uint64_t references_mask = (1U << 24) - 1;
        std::uint64_t segment() const { return segment_references >> 24; }
        std::uint64_t references() const { return segment_references & references_mask; }
    };
    static_assert(sizeof(MessageEntry) == 24);
    struct SessionEntry {
        std::uint64_t key;
        SequenceSet live;
    };
    struct Unreferenced {
        std::uint64_t message;
        MonotonicTime since;
    };

    struct NewMessage {
        std::uint64_t id = 0;
        Location location{};
    };
    struct SizedDelivery {
        CompletedRecord delivery;
        std::uint32_t bytes = 0;  // of its record, about
    };
    /// A record of a segment, as far as it matters here.
    using Change = std::variant<NewMessage, SizedDelivery, CompletedRecord>;
    static constexpr std::size_t change_count = 32;  // read ahead

    void leave_segment(const MessageEntry& entry);
    bool end_delivery(std::uint64_t session, std::uint64_t sequence);
    void drop_reference(std::uint64_t message, MonotonicTime now);
    static std::uint32_t size_of(const DeliveryRecord& record);
    void note_size(std::uint32_t bytes);
    bool add_delivery(std::uint64_t segment, const SizedDelivery& record, MonotonicTime now,
                      std::vector<OrphanDelivery>* orphans);
    std::size_t read_changes(RecordScanner& in, std::uint64_t segment,
                             std::span<Change, change_count> changes);
    bool was_seen(std::uint64_t message) const;

    FlatTable<MessageEntry, 256> messages_;
    FlatTable<SessionEntry, 64> sessions_;
    std::unordered_set<std::uint64_t> removed_sessions_;  // with live deliveries left
    std::deque<Segment> segments_;
    std::uint64_t first_segment_ = 1;
    std::deque<Unreferenced> unreferenced_;
    std::vector<std::uint64_t> fresh_;   // messages of the segment being applied
    std::vector<std::uint64_t> newest_;  // per worker, the highest message id that came
    std::uint64_t delivery_count_ = 0;
    std::uint64_t removed_delivery_count_ = 0;
    std::uint64_t sized_count_ = 0;  // deliveries whose records take sized_bytes_, lately
    std::uint64_t sized_bytes_ = 0;
    std::uint64_t log_bytes_ = 0;
    std::uint64_t live_body_bytes_ = 0;
    std::uint64_t sequence_heap_bytes_ = 0;
};

}  // namespace gw
