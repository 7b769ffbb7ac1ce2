#pragma once

#include "broker-core/base/bytes.hpp"
#include "broker-core/base/clock.hpp"
#include "broker-core/base/result.hpp"
#include "broker-core/storage/log_store/live_index.hpp"
#include "broker-core/storage/log_store/table_operation.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace gw {

/// What one worker wants stored: all of it in one transaction, or none.
struct Submission {
    std::uint32_t worker = 0;
    std::uint64_t ticket = 0;  // opaque; comes back in the report
    ByteBuffer records;        // append_message() and so on; from LogStore::take_buffer()
    std::vector<TableOperation> operations;
    std::vector<std::pair<std::uint32_t, std::uint64_t>> covers;  // opaque; comes back
};

/// One submission as a report names it.
struct ReportedSubmission {
    std::uint32_t worker = 0;
    std::uint64_t ticket = 0;
    std::vector<std::pair<std::uint32_t, std::uint64_t>> covers;
};

/// What became of one transaction: its submissions in the order in which they were submitted.
struct CommitReport {
    std::vector<ReportedSubmission> submissions;
    std::vector<OrphanDelivery> orphans;  // submit their messages again
    std::size_t record_bytes = 0;
};

/// Called on the writer thread, one at a time, in order. They must not block for long: the next
/// commit waits for them. The report may be moved from.
struct LogStoreHandlers {
    /// All in the report is on the disk.
    std::function<void(CommitReport&)> on_committed;
    /// Nothing in the report was stored; what was stored before is. With
    /// LogStoreOptions::retry_after the store tries again by itself, without a further report;
    /// else each may be submitted again.
    std::function<void(CommitReport&, const Error&)> on_failed;
};

struct LogStoreOptions {
    std::string vfs;  // SQLite's name of the file layer; tests put theirs here
    /// Of a new file; a power of two from 512 to 65,536.
    std::uint32_t page_bytes = 4096;
    /// A transaction takes about so many bytes of records at most.
    std::size_t transaction_bytes_max = 8 * 1024 * 1024;
    /// From here on a transaction begins another segment. SQLite finds a place in a large value by
    /// walking its pages from the first: a message is read the slower the larger its segment is.
    std::size_t segment_bytes_max = 256 * 1024;
    /// The write-ahead log is copied into the file when it has grown by so much. Its file takes
    /// that room from the start.
    std::size_t checkpoint_bytes = 8 * 1024 * 1024;
    /// How long a message without any delivery is kept for one that another worker may still
    /// submit. A delivery that comes later is reported as an orphan.
    Milliseconds unreferenced_grace{3'000};
    /// The log is rewritten in slices when it is larger than twice what lives plus this.
    std::uint64_t compact_slack_bytes = 64 * 1024 * 1024;
    /// How much of the log one commit reads for that, beside four times its own size.
    std::size_t compact_slice_bytes = 256 * 1024;
    /// The file is made smaller in slices when more than half of it is unused, and more than this.
    std::uint64_t vacuum_slack_bytes = 16 * 1024 * 1024;
    /// After so long without a submission the store tidies up by itself.
    Milliseconds idle_after{200};
    /// After so long without a commit the write-ahead log is emptied, and cut if it is large.
    Milliseconds tidy_after{5'000};
    /// What could not be written is tried again after so long, in front of what is submitted then,
    /// so that the file comes to hold all that its users went on with. Then no more than
    /// `retry_bytes_max` of records are kept for that; above it messages and their deliveries are
    /// given up, completions and table operations are not. 0: a failure is final.
    Milliseconds retry_after{0};
    std::size_t retry_bytes_max = 8 * 1024 * 1024;
    /// After so long a checkpoint that failed is tried again.
    Milliseconds checkpoint_retry_after{1'000};
    /// Opens a store with damaged segments without what stood in them, instead of refusing.
    bool skip_damaged_segments = false;
};

/// Figures of a running store; a moment's picture.
struct LogStoreStats {
    std::uint64_t commits = 0;
    std::uint64_t failed_commits = 0;
    std::uint64_t submissions = 0;
    std::uint64_t record_bytes = 0;  // of submissions, since the start
    std::uint64_t compacted_bytes = 0;
    std::uint64_t checkpoints = 0;
    std::uint64_t last_commit_us = 0;
    std::uint64_t longest_commit_us = 0;
    std::uint64_t longest_checkpoint_pause_us = 0;  // for which the writer was held up
    std::uint64_t waiting_bytes = 0;
    std::uint64_t message_count = 0;
    std::uint64_t delivery_count = 0;
    std::uint64_t segment_count = 0;
    std::uint64_t log_bytes = 0;
    std::uint64_t live_bytes = 0;
    std::uint64_t index_bytes = 0;  // memory of the index
    std::uint64_t wal_bytes = 0;
};

}  // namespace gw
