#pragma once

#include "broker-core/storage/log_store/commit_gate.hpp"
#include "broker-core/storage/log_store/compactor.hpp"
#include "broker-core/storage/log_store/database.hpp"
#include "broker-core/storage/log_store/submission.hpp"
#include "broker-core/storage/log_store/table_writer.hpp"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace gw {

/// The thread that writes: takes all that was submitted, makes one transaction of it, tells. What
/// comes in meanwhile goes into the next one, so the batches grow with the load by themselves.
/// Owned by LogStore.
class StoreWriter {
public:
    /// Counters that other threads read.
    struct Counters {
        std::atomic<std::uint64_t> commits{0};
        std::atomic<std::uint64_t> failed_commits{0};
        std::atomic<std::uint64_t> submissions{0};
        std::atomic<std::uint64_t> record_bytes{0};
        std::atomic<std::uint64_t> compacted_bytes{0};
        std::atomic<std::uint64_t> last_commit_us{0};
        std::atomic<std::uint64_t> longest_commit_us{0};
        std::atomic<std::uint64_t> wal_pages{0};
    };
    /// What the writer needs of the rest. Outlives it.
    struct Parts {
        std::string path;
        const LogStoreOptions& options;
        const LogStoreHandlers& handlers;
        SharedIndex& shared;
        CommitGate& gate;
        std::function<void(std::uint64_t)> on_wal_pages;  // after commits; must not block
    };

    StoreWriter(Parts parts, Database database, std::uint64_t sid_reserved);
    ~StoreWriter();
    StoreWriter(const StoreWriter&) = delete;
    StoreWriter& operator=(const StoreWriter&) = delete;

    Result<void> start();
    /// Any thread; never blocks on the disk.
    void submit(Submission&& submission);
    /// Writes what was submitted and ends the thread.
    void stop();

    /// Bytes that were submitted and are in no finished transaction yet. Any thread.
    std::size_t waiting_bytes() const { return waiting_bytes_.load(std::memory_order_relaxed); }
    const Counters& counters() const { return counters_; }
    /// Empty: the last transaction went well. Any thread.
    std::string last_error() const;
    bool is_healthy() const { return is_healthy_.load(std::memory_order_relaxed); }

    /// Any thread.
    ByteBuffer take_buffer();

private:
    struct Transaction {
        std::vector<ByteBuffer> segments;  // at least one; empty ones aren't written
        std::vector<const TableOperation*> operations;
        Compactor::Slice slice;
        std::size_t record_bytes = 0;
    };

    void run();
    bool take_batch();
    void run_transaction();
    void build(Transaction& transaction);
    void append_records(Transaction& transaction, Bytes records);
    ByteBuffer& open_segment(Transaction& transaction);
    Result<void> write(Transaction& transaction);
    void apply(const Transaction& transaction, CommitReport& report);
    void recover();
    void close_database();
    Result<void> open_database();
    Result<void> prepare_statements();
    void tell(const Transaction& transaction, const Result<void>& done, CommitReport& report);
    void keep_unstored(const Error& why);
    void recycle();
    void look_at_free_pages();
    bool has_tidying_work() const;
    bool has_work_when_idle() const;
    void set_error(const std::string& text);
    MonotonicTime now() const;

    Parts parts_;
    Database database_;  // none after a failure that it could not get over
    std::uint64_t sid_reserved_;
    TableWriter tables_;
    Compactor compactor_;
    Statement begin_, insert_segment_, delete_segment_, commit_, free_pages_, pages_;
    std::uint64_t commits_since_look_ = 0;
    bool wants_vacuum_ = false;
    Counters counters_;

    std::vector<Submission> batch_;
    Submission unstored_;        // failed, to be tried again
    bool has_unstored_ = false;  // it is at the front of the batch
    bool is_last_try_ = false;   // of it, since the program stops
    std::vector<ByteBuffer> spare_segments_;
    std::string compaction_error_;

    mutable std::mutex mutex_;  // guards what follows
    std::condition_variable submitted_;
    std::deque<Submission> waiting_;
    std::vector<ByteBuffer> spare_buffers_;
    std::string last_error_;
    bool is_stopping_ = false;

    std::atomic<std::size_t> waiting_bytes_{0};
    std::atomic<bool> is_healthy_{true};
    std::thread thread_;
};

}  // namespace gw
