#include "broker-core/storage/log_store/live_index.hpp"

#include "broker-core/base/assert.hpp"
#include "broker-core/storage/log_store/segment.hpp"

#include <algorithm>
#include <array>

namespace gw {

namespace {

/// What a delivery without identifiers and group takes in the log, about, and what a message has
/// beside its body. They decide only when to compact.
constexpr std::uint64_t delivery_record_bytes = 16;
constexpr std::uint64_t message_frame_bytes = 3;
constexpr unsigned worker_shift = 56;

}  // namespace

LiveIndex::~LiveIndex() {
    sessions_.for_each([](SessionEntry& entry) { entry.live.clear(); });
}

void LiveIndex::add_segment(std::uint64_t id, std::size_t bytes) {
    if (segments_.empty()) {
        first_segment_ = id;
    }
    GW_ASSERT(id == next_segment());
    segments_.push_back({.bytes = static_cast<std::uint32_t>(bytes)});
    log_bytes_ += bytes;
}

void LiveIndex::drop_oldest_segment() {
    GW_ASSERT(!segments_.empty());
    GW_ASSERT(segments_.front().live_count == 0);
    log_bytes_ -= segments_.front().bytes;
    segments_.pop_front();
    ++first_segment_;
}

void LiveIndex::leave_segment(const MessageEntry& entry) {
    if (entry.segment() == 0) {
        return;  // the body has not come yet
    }
    Segment& segment = segments_[entry.segment() - first_segment_];
    --segment.live_count;
    segment.live_bytes -= entry.bytes;
    live_body_bytes_ -= entry.bytes;
}

bool LiveIndex::was_seen(std::uint64_t message) const {
    const std::size_t worker = message >> worker_shift;
    return worker < newest_.size() && message <= newest_[worker];
}

void LiveIndex::add_message(std::uint64_t id, const Location& location) {
    const std::size_t worker = id >> worker_shift;
    if (worker >= newest_.size()) {
        newest_.resize(worker + 1);
    }
    newest_[worker] = std::max(newest_[worker], id);
    MessageEntry* entry = messages_.insert(id).first;
    if (entry->segment() != 0) {
        // Its deliveries may have stayed behind, unless they are written again after it: so the old
        // place has to be read before it goes.
        ++segments_[entry->segment() - first_segment_].foreign_count;
        leave_segment(*entry);
    }
    entry->segment_references = location.segment << 24 | entry->references();
    entry->offset = location.offset;
    entry->bytes = location.bytes;
    Segment& segment = segments_[location.segment - first_segment_];
    ++segment.live_count;
    segment.live_bytes += location.bytes;
    live_body_bytes_ += location.bytes;
    if (entry->references() == 0) {
        fresh_.push_back(id);
    }
}

std::uint32_t LiveIndex::size_of(const DeliveryRecord& record) {
    return static_cast<std::uint32_t>(delivery_record_bytes + 3 * record.identifiers.size() +
                                      record.group.size());
}

bool LiveIndex::add_delivery(std::uint64_t segment, const DeliveryRecord& record, MonotonicTime now,
                             std::vector<OrphanDelivery>* orphans) {
    return add_delivery(segment,
                        {{record.session, record.sequence, record.message}, size_of(record)}, now,
                        orphans);
}

bool LiveIndex::add_delivery(std::uint64_t segment, const SizedDelivery& record, MonotonicTime now,
                             std::vector<OrphanDelivery>* orphans) {
    const auto& [session_id, sequence, message_id] = record.delivery;
    SessionEntry* session = sessions_.insert(session_id).first;
    sequence_heap_bytes_ -= session->live.heap_bytes();
    const bool is_new = session->live.insert(sequence);
    sequence_heap_bytes_ += session->live.heap_bytes();
    const auto [message, is_unknown] = messages_.insert(message_id);
    if (is_new) {
        // 16 million deliveries of one message: more sessions than a process can hold.
        GW_ASSERT(message->references() < MessageEntry::references_mask);
        ++message->segment_references;
        ++delivery_count_;
        note_size(record.bytes);
        if (orphans != nullptr && message->segment() == 0 && was_seen(message_id)) {
            orphans->push_back({session_id, sequence, message_id});
        }
    } else if (is_unknown) {
        unreferenced_.push_back({message_id, now});
    }
    if (message->segment() != segment) {
        ++segments_[segment - first_segment_].foreign_count;
    }
    return is_new;
}

void LiveIndex::drop_reference(std::uint64_t message, MonotonicTime now) {
    MessageEntry* entry = messages_.find(message);
    if (entry == nullptr || entry->references() == 0) {
        return;  // the record names another message than its delivery did
    }
    --entry->segment_references;
    if (entry->references() == 0) {
        unreferenced_.push_back({message, now});
    }
}

/// Keeps the mean size of late, for live_bytes().
void LiveIndex::note_size(std::uint32_t bytes) {
    constexpr std::uint64_t count_max = 100'000;
    sized_bytes_ += bytes;
    ++sized_count_;
    if (sized_count_ >= count_max) {
        sized_count_ /= 2;
        sized_bytes_ /= 2;
    }
}

bool LiveIndex::end_delivery(std::uint64_t session_id, std::uint64_t sequence) {
    SessionEntry* session = sessions_.find(session_id);
    if (session == nullptr) {
        return false;
    }
    sequence_heap_bytes_ -= session->live.heap_bytes();
    const bool was_live = session->live.erase(sequence);
    sequence_heap_bytes_ += session->live.heap_bytes();
    if (!was_live) {
        return false;
    }
    --delivery_count_;
    const bool was_removed = is_removed(session_id);
    removed_delivery_count_ -= was_removed ? 1U : 0U;
    if (session->live.empty()) {
        sessions_.erase(session_id);
        removed_sessions_.erase(session_id);
    }
    return true;
}

bool LiveIndex::complete(const CompletedRecord& record, MonotonicTime now) {
    if (!end_delivery(record.session, record.sequence)) {
        return false;
    }
    drop_reference(record.message, now);
    return true;
}

void LiveIndex::drop_removed(const DeliveryRecord& record) {
    if (!end_delivery(record.session, record.sequence)) {
        return;
    }
    MessageEntry* entry = messages_.find(record.message);
    if (entry == nullptr || entry->references() == 0) {
        return;
    }
    --entry->segment_references;
    if (entry->references() == 0) {
        leave_segment(*entry);
        messages_.erase(record.message);
    }
}

void LiveIndex::remove_session(std::uint64_t session) {
    const SessionEntry* entry = sessions_.find(session);
    if (entry != nullptr && removed_sessions_.insert(session).second) {
        removed_delivery_count_ += entry->live.size();
    }
}

void LiveIndex::apply(std::uint64_t segment, Bytes body, MonotonicTime now,
                      std::vector<OrphanDelivery>& orphans) {
    add_segment(segment, body.size());
    RecordScanner in{body.subspan(segment_header_bytes)};
    fresh_.clear();
    std::array<Change, change_count> changes;
    for (std::size_t count = read_changes(in, segment, changes); count != 0;
         count = read_changes(in, segment, changes)) {
        for (const Change& change : std::span{changes}.first(count)) {
            if (const auto* message = std::get_if<NewMessage>(&change)) {
                add_message(message->id, message->location);
            } else if (const auto* delivery = std::get_if<SizedDelivery>(&change)) {
                add_delivery(segment, *delivery, now, &orphans);
            } else {
                complete(std::get<CompletedRecord>(change), now);
            }
        }
    }
    for (const std::uint64_t id : fresh_) {
        const MessageEntry* entry = messages_.find(id);
        if (entry != nullptr && entry->references() == 0) {
            unreferenced_.push_back({id, now});
        }
    }
    fresh_.clear();
}

/// Reads some records ahead, so that their entries are on the way from memory when their turn
/// comes: in tables of millions nearly every one is a miss, and they were a fifth of all work of a
/// durable broker.
std::size_t LiveIndex::read_changes(RecordScanner& in, std::uint64_t segment,
                                    std::span<Change, change_count> changes) {
    std::size_t count = 0;
    for (; count < changes.size(); ++count) {
        const RecordScanner::Kind kind = in.next();
        GW_ASSERT(kind != RecordScanner::Kind::damaged);  // our own encoder wrote it just now
        if (kind == RecordScanner::Kind::end) {
            break;
        }
        if (kind == RecordScanner::Kind::message) {
            messages_.prefetch(in.message().id);
            changes[count] = NewMessage{
                in.message().id,
                {segment, static_cast<std::uint32_t>(segment_header_bytes + in.body_offset()),
                 static_cast<std::uint32_t>(in.body_size())}};
            continue;
        }
        SizedDelivery sized;
        if (kind == RecordScanner::Kind::delivery) {
            const DeliveryRecord& record = in.delivery();
            sized = {{record.session, record.sequence, record.message}, size_of(record)};
            changes[count] = sized;
        } else {
            sized.delivery = in.completed();
            changes[count] = sized.delivery;
        }
        messages_.prefetch(sized.delivery.message);
        sessions_.prefetch(sized.delivery.session);
    }
    return count;
}

void LiveIndex::expire_unreferenced(MonotonicTime before) {
    while (!unreferenced_.empty() && unreferenced_.front().since <= before) {
        const MessageEntry* entry = messages_.find(unreferenced_.front().message);
        if (entry != nullptr && entry->references() == 0) {
            leave_segment(*entry);
            messages_.erase(entry->key);
        }
        unreferenced_.pop_front();
    }
}

void LiveIndex::drop_unreferenced() {
    std::vector<std::uint64_t> dead;
    messages_.for_each([&dead](const MessageEntry& entry) {
        if (entry.references() == 0) {
            dead.push_back(entry.key);
        }
    });
    for (const std::uint64_t id : dead) {
        leave_segment(*messages_.find(id));
        messages_.erase(id);
    }
    unreferenced_.clear();
    fresh_.clear();
}

std::optional<LiveIndex::Location> LiveIndex::find(std::uint64_t message) const {
    const MessageEntry* entry = messages_.find(message);
    if (entry == nullptr || entry->segment() == 0) {
        return std::nullopt;
    }
    return Location{entry->segment(), entry->offset, entry->bytes};
}

bool LiveIndex::is_removed(std::uint64_t session) const {
    return removed_sessions_.contains(session);
}

bool LiveIndex::is_live(std::uint64_t session, std::uint64_t sequence) const {
    const SessionEntry* entry = sessions_.find(session);
    return entry != nullptr && entry->live.contains(sequence);
}

bool LiveIndex::is_live_at(std::uint64_t message, std::uint64_t segment, std::size_t offset) const {
    const MessageEntry* entry = messages_.find(message);
    return entry != nullptr && entry->segment() == segment && entry->offset == offset;
}

std::size_t LiveIndex::dead_prefix(std::size_t count_max, std::size_t bytes_max) const {
    std::size_t count = 0;
    std::size_t bytes = 0;
    while (count < segments_.size() && count < count_max && bytes < bytes_max) {
        const Segment& oldest = segments_[count];
        if (oldest.live_count != 0 || oldest.foreign_count != 0) {
            break;
        }
        bytes += oldest.bytes;
        ++count;
    }
    return count;
}

std::uint64_t LiveIndex::live_bytes() const {
    const std::uint64_t needed = delivery_count_ - removed_delivery_count_;
    std::uint64_t bodies = live_body_bytes_ + messages_.size() * message_frame_bytes;
    if (removed_delivery_count_ != 0) {
        // Messages of removed sessions count as live until the compaction finds them: guess their
        // share, or nothing would ever start it.
        bodies =
            static_cast<std::uint64_t>(static_cast<double>(bodies) * static_cast<double>(needed) /
                                       static_cast<double>(delivery_count_));
    }
    const std::uint64_t mean =
        sized_count_ != 0 ? sized_bytes_ / sized_count_ : delivery_record_bytes;
    return bodies + needed * mean;
}

std::size_t LiveIndex::memory_bytes() const {
    return messages_.memory_bytes() + sessions_.memory_bytes() + sequence_heap_bytes_ +
           segments_.size() * sizeof(Segment) + unreferenced_.size() * sizeof(Unreferenced) +
           removed_sessions_.size() * 4 * sizeof(std::uint64_t);
}

}  // namespace gw
