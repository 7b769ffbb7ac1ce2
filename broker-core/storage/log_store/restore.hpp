#pragma once

#include "broker-core/base/result.hpp"
#include "broker-core/storage/log_store/database.hpp"
#include "broker-core/storage/log_store/delivery_runs.hpp"
#include "broker-core/storage/log_store/live_index.hpp"
#include "broker-core/storage/log_store/record.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gw {

/// What few deliveries have: several subscription identifiers, or a shared group.
struct RestoredExtra {
    std::uint64_t sequence = 0;
    std::vector<std::uint32_t> identifiers;
    std::string group;
};

struct RestoredSubscription {
    std::string filter;
    std::int64_t options = 0;
};

/// All that is stored about one session. It may be moved from.
struct RestoredSession {
    std::uint64_t sid = 0;
    std::string client_id;
    std::string state;
    std::vector<RestoredSubscription> subscriptions;
    std::vector<RestoredDelivery> deliveries;  // ascending by sequence
    std::vector<RestoredExtra> extras;         // ascending by sequence
    std::vector<std::uint64_t> inbound;        // as Storage::put_inbound() was given them
    std::vector<std::uint64_t> released;       // as Storage::put_released() was, ascending
    /// Higher than any sequence of the session that the store has seen.
    std::uint64_t next_sequence = 1;
};

/// Takes what a store holds, one thing at a time, so that it never stands in memory twice. Called
/// by LogStore::open() on its caller's thread: sessions by ascending sid first, then retained.
class RestoreVisitor {
public:
    virtual ~RestoreVisitor() = default;
    virtual void on_session(RestoredSession& session) = 0;
    /// `message` borrows for the call; its topic is `topic` whatever was stored inside.
    virtual void on_retained(std::string_view topic, const MessageRecord& message) = 0;
};

struct RestoreSummary {
    std::uint64_t session_count = 0;
    std::uint64_t subscription_count = 0;
    std::uint64_t retained_count = 0;
    std::uint64_t message_count = 0;
    std::uint64_t delivery_count = 0;
    std::uint64_t segment_count = 0;
    std::uint64_t deliveries_without_message = 0;  // left out: their messages were never stored
    /// Session ids from here on were never used.
    std::uint64_t next_sid = 1;
    /// Higher than the count (lower 56 bits) in any message id that the store has seen.
    std::uint64_t next_message_count = 1;
    std::vector<std::uint64_t> skipped_segments;  // damaged; see skip_damaged_segments
};

/// Reads a store into an empty index and hands out what it holds. Errors: corrupt, naming the
/// segment or table; io.
class Restorer {
public:
    struct Options {
        bool skip_damaged_segments = false;
    };

    Restorer(Database& database, LiveIndex& index, Options options)
        : database_(database), index_(index), options_(options) {}

    Result<RestoreSummary> run(RestoreVisitor& visitor);

private:
    struct SessionLog {
        DeliveryRuns deliveries;
        std::vector<RestoredExtra> extras;  // of completed deliveries too
        std::uint64_t next_sequence = 1;
    };

    Result<void> load_session_ids();
    Result<void> read_segments();
    Result<void> read_segment(std::uint64_t id, Bytes segment);
    Result<void> refuse_segment(std::uint64_t id, const std::string& why);
    bool apply_segment(std::uint64_t id, Bytes body, std::size_t segment_bytes);
    void on_delivery(std::uint64_t segment, const DeliveryRecord& record);
    void on_completed(const CompletedRecord& record);
    void note_message(std::uint64_t id);
    void drop_deliveries_without_message();
    Result<void> emit_sessions(RestoreVisitor& visitor);
    Result<void> emit_retained(RestoreVisitor& visitor);
    void take_log(RestoredSession& session);

    Database& database_;
    LiveIndex& index_;
    Options options_;
    RestoreSummary summary_;
    std::unordered_map<std::uint64_t, SessionLog> logs_;
};

}  // namespace gw
