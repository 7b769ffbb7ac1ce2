#pragma once

#include "broker-core/storage/log_store/commit_gate.hpp"
#include "broker-core/storage/log_store/database.hpp"
#include "broker-core/storage/log_store/submission.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace gw {

/// The thread that copies the write-ahead log into the file. It copies while commits go on, again
/// and again until little is left, and holds the writer up only for the last few pages: then the
/// log is wholly copied and the next commit starts it anew. Owned by LogStore.
class Checkpointer {
public:
    Checkpointer(Database database, CommitGate& gate, const LogStoreOptions& options,
                 std::uint32_t page_bytes);
    ~Checkpointer();
    Checkpointer(const Checkpointer&) = delete;
    Checkpointer& operator=(const Checkpointer&) = delete;

    /// Makes the log's file as long as it will get between two checkpoints, and starts the thread.
    Result<void> start();
    void stop();
    /// The log holds so many pages now. Called after each commit; blocks on nothing.
    void on_commit(std::uint64_t wal_pages);

    std::uint64_t checkpoints() const { return checkpoints_.load(); }
    std::uint64_t longest_pause_us() const { return longest_pause_us_.load(); }
    std::uint64_t page_bytes() const { return page_bytes_; }
    /// False while the last checkpoint failed: the log grows until one succeeds. Any thread.
    bool is_healthy() const { return is_healthy_.load(std::memory_order_relaxed); }
    std::string last_error() const;

private:
    void run();
    void run_checkpoint();
    void tidy();
    Result<void> copy_rest();
    void note(const Result<void>& done);

    Database database_;
    CommitGate& gate_;
    const LogStoreOptions& options_;
    std::uint64_t page_bytes_;
    std::uint64_t pages_max_;
    std::atomic<std::uint64_t> checkpoints_{0};
    std::atomic<std::uint64_t> longest_pause_us_{0};
    std::atomic<std::uint64_t> wal_pages_{0};
    std::atomic<std::uint64_t> commit_count_{0};
    // Of the log when the last checkpoint ended: should a reader keep it from starting anew, the
    // next checkpoint waits for as much growth again.
    std::atomic<std::uint64_t> pages_due_;

    std::atomic<bool> is_healthy_{true};

    mutable std::mutex mutex_;
    std::condition_variable due_;
    bool is_stopping_ = false;
    std::string last_error_;
    std::thread thread_;
};

}  // namespace gw
