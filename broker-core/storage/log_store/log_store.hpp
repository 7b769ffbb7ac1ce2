#pragma once

#include "broker-core/storage/log_store/checkpointer.hpp"
#include "broker-core/storage/log_store/restore.hpp"
#include "broker-core/storage/log_store/store_lock.hpp"
#include "broker-core/storage/log_store/store_reader.hpp"
#include "broker-core/storage/log_store/store_writer.hpp"
#include "broker-core/storage/log_store/submission_store.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gw {

/// The durable store of sessions, queues and retained messages: one SQLite file with a log of
/// segments and a few small tables (docs/storage-format.md). A writer thread commits what was
/// submitted, a checkpoint thread and a reader thread keep their work off it. Any thread may call
/// what isn't marked otherwise. One object a file: a second one is refused.
class LogStore final : public SubmissionStore {
public:
    /// Opens or creates the store at `path`, gives all that it holds to `visitor`, and starts the
    /// threads. Blocks. Errors: unavailable (another process has it), newer_format, corrupt (naming
    /// the segment; nothing is changed), io.
    static Result<std::unique_ptr<LogStore>> open(const std::string& path, LogStoreOptions options,
                                                  LogStoreHandlers handlers,
                                                  RestoreVisitor& visitor);
    /// Writes what was submitted, copies the write-ahead log into the file and closes it. Blocks;
    /// nothing may be submitted or asked for any more.
    ~LogStore() override;
    LogStore(const LogStore&) = delete;
    LogStore& operator=(const LogStore&) = delete;

    /// Stores it with the next transaction; a handler tells when that is done. Never blocks:
    /// waiting_bytes() says when to submit no more for a while.
    void submit(Submission&& submission) override { writer_->submit(std::move(submission)); }
    std::size_t waiting_bytes() const { return writer_->waiting_bytes(); }
    ByteBuffer take_buffer() override { return writer_->take_buffer(); }

    /// `done` is called on the reader's thread.
    void read(std::vector<std::uint64_t> message_ids, StoreReader::Done done) override {
        reader_->read(std::move(message_ids), std::move(done));
    }

    std::uint64_t next_sid() override { return next_sid_.fetch_add(1, std::memory_order_relaxed); }

    /// False while the last transaction or the last checkpoint failed, or the log cannot be
    /// compacted; last_error() says why.
    bool is_healthy() const { return writer_->is_healthy() && checkpointer_->is_healthy(); }
    std::string last_error() const {
        return writer_->is_healthy() ? checkpointer_->last_error() : writer_->last_error();
    }

    const RestoreSummary& restored() const { return restored_; }
    LogStoreStats stats() const;
    const std::string& path() const { return path_; }

private:
    LogStore(std::string path, LogStoreOptions options, LogStoreHandlers handlers)
        : path_(std::move(path)), options_(std::move(options)), handlers_(std::move(handlers)) {}

    Result<void> start(RestoreVisitor& visitor);
    Result<Database> open_connection(bool may_create);

    const std::string path_;
    const LogStoreOptions options_;
    const LogStoreHandlers handlers_;
    StoreLock lock_;
    mutable SharedIndex shared_;
    CommitGate gate_;
    RestoreSummary restored_;
    std::atomic<std::uint64_t> next_sid_{1};
    // Stopped in the order reader, checkpointer, writer: the last one to close empties the log.
    std::unique_ptr<StoreWriter> writer_;
    std::unique_ptr<Checkpointer> checkpointer_;
    std::unique_ptr<StoreReader> reader_;
};

}  // namespace gw
