#pragma once

#include "broker-core/base/bytes.hpp"
#include "broker-core/base/result.hpp"
#include "broker-core/storage/log_store/database.hpp"
#include "broker-core/storage/log_store/live_index.hpp"

#include <cstddef>
#include <cstdint>
#include <mutex>

namespace gw {

/// The index with its lock. The writer thread alone changes it, under the lock; it may read
/// without. Others read under the lock.
struct SharedIndex {
    std::mutex mutex;
    LiveIndex index;
};

/// Decides which of the oldest segments go with the next commit, and copies what still lives in
/// them. Only a prefix of the log ever goes, so a completion never goes before the delivery that it
/// ends. The writer thread's own.
class Compactor {
public:
    struct Limits {
        std::uint64_t slack_bytes = 0;
        std::size_t slice_bytes = 0;
    };
    struct Slice {
        std::size_t dropped_count = 0;  // oldest segments to delete in this transaction
        bool moves_messages = false;    // places that readers may hold change with it
    };

    static Result<Compactor> create(Database& database, SharedIndex& shared, Limits limits);

    /// Appends to `out` (a segment) what has to be kept of the segments that go. `commit_bytes`:
    /// how much the commit writes anyway; more of it means a larger slice. Errors: corrupt, io;
    /// then nothing is to be dropped, and it isn't tried again before a restart.
    Result<Slice> next_slice(std::size_t commit_bytes, ByteBuffer& out);
    /// The transaction with the slice was committed, or was rolled back.
    void on_committed();
    void on_failed();

    /// Whether next_slice() would have something to do without any new submission.
    bool has_work() const;

private:
    struct Cursor {
        std::uint64_t segment = 0;  // 0: none; its body is in body_ when it is body_segment_
        std::size_t offset = 0;     // of the first record that was not looked at
    };

    bool wants_to_rewrite() const;
    bool wants_to_scan() const;
    Result<void> load(std::uint64_t segment);
    void drop_removed_deliveries();
    /// Looks at records from cursor_ on; true when the segment is done.
    Result<bool> copy_records(std::size_t bytes_max, ByteBuffer& out);

    SharedIndex* shared_ = nullptr;
    Limits limits_;
    Statement select_;
    ByteBuffer body_;
    std::uint64_t body_segment_ = 0;
    Cursor cursor_;
    Cursor cursor_before_;
    bool is_blocked_ = false;
    bool has_submissions_since_scan_ = false;
    std::uint64_t pass_end_ = 0;  // segments from here on were written during this pass
    // When the last pass ended.
    std::uint64_t log_bytes_then_ = 0;
    std::uint64_t live_bytes_then_ = ~std::uint64_t{0};
};

}  // namespace gw
