#pragma once

#include "broker-core/base/bytes.hpp"
#include "broker-core/storage/log_store/store_reader.hpp"
#include "broker-core/storage/log_store/submission.hpp"

#include <cstdint>
#include <vector>

namespace gw {

/// What takes submissions of all workers and gives messages back: LogStore, and in simulations a
/// disk in simulated time. Any thread may call any of it.
class SubmissionStore {
public:
    virtual ~SubmissionStore() = default;

    /// Stores it with the next transaction; a report follows. Never blocks.
    virtual void submit(Submission&& submission) = 0;
    /// An empty buffer for Submission::records, with memory from an earlier one if there is some.
    virtual ByteBuffer take_buffer() = 0;
    /// Gets messages; `done` is called with one entry for each id in order, on a thread of the
    /// store's. What was committed before the call is found.
    virtual void read(std::vector<std::uint64_t> message_ids, StoreReader::Done done) = 0;
    /// An id for a new session, never used before. It is kept once a PutSession with it is.
    virtual std::uint64_t next_sid() = 0;
};

}  // namespace gw
