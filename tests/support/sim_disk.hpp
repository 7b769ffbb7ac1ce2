#pragma once

#include "broker-core/base/clock.hpp"
#include "broker-core/storage/log_store/restore.hpp"
#include "broker-core/storage/log_store/submission_store.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace gw::test {

/// A store in simulated time, naive and in plain maps: does what LogStore promises, no more. What
/// was submitted is safe once commit() has taken it; lose_pending() is the end of the process.
class SimDisk final : public SubmissionStore {
public:
    using Clock = std::function<MonotonicTime()>;

    explicit SimDisk(Clock clock) : clock_(std::move(clock)) {}

    // SubmissionStore
    void submit(Submission&& submission) override;
    ByteBuffer take_buffer() override { return {}; }
    void read(std::vector<std::uint64_t> message_ids, StoreReader::Done done) override;
    std::uint64_t next_sid() override { return next_sid_++; }

    // Whoever made it says when things happen.
    std::function<void()> on_submit;
    std::function<void(std::vector<LoadedMessage>, StoreReader::Done)> on_read;

    /// The oldest submission is on the disk now; gives it back without records and operations.
    /// `has_orphans`: it had deliveries of messages that were given up already.
    Submission commit(bool& has_orphans);
    bool has_pending() const { return !pending_.empty(); }
    void lose_pending() { pending_.clear(); }
    /// As LogStore::open() does.
    void restore(RestoreVisitor& visitor);
    /// At once, as a start does.
    std::vector<LoadedMessage> fetch(const std::vector<std::uint64_t>& ids) const;

    /// The last ticket of a worker that was submitted, and that is on the disk.
    std::uint64_t submitted(std::uint32_t worker) const;
    std::uint64_t committed(std::uint32_t worker) const;

private:
    struct Delivery {
        std::uint64_t message = 0;
        Qos qos = Qos::at_most_once;
        bool retain = false;
        std::vector<std::uint32_t> identifiers;
        std::string group;
    };
    struct SessionRow {
        std::string client_id;
        std::string state;
        std::map<std::string, std::int64_t> subscriptions;
        std::set<std::uint64_t> inbound;
        std::set<std::uint64_t> released;
    };
    /// Deliveries may come before their session's row.
    struct SessionLog {
        std::map<std::uint64_t, Delivery> deliveries;
        std::uint64_t next_sequence = 1;
    };
    struct Body {
        std::string bytes;  // empty: has not come
        std::uint64_t references = 0;
        MonotonicTime unreferenced_since{};
        bool is_given_up = false;
    };
    struct Apply;

    static RestoredSession restored(std::uint64_t sid, const SessionRow& row,
                                    const SessionLog& log);
    void apply_records(Bytes records, bool& has_orphans);
    void drop_reference(std::uint64_t message);
    void end_session(std::uint64_t sid);
    bool is_there(const Body& body) const;

    Clock clock_;
    std::deque<Submission> pending_;
    std::map<std::uint64_t, SessionRow> sessions_;
    std::map<std::uint64_t, SessionLog> logs_;
    std::map<std::uint64_t, Body> bodies_;
    std::map<std::string, std::string> retained_;
    std::map<std::string, std::uint64_t> retained_versions_;
    std::map<std::uint32_t, std::uint64_t> submitted_, committed_;
    std::uint64_t next_sid_ = 1;
};

}  // namespace gw::test
