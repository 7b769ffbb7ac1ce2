#pragma once

#include "broker-core/storage/log_store/compactor.hpp"
#include "broker-core/storage/log_store/database.hpp"
#include "broker-core/storage/log_store/record.hpp"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace gw {

/// A message that was asked for. `record` borrows from `body`, also after a move.
struct LoadedMessage {
    enum class State : std::uint8_t {
        loaded,
        missing,  // nobody needs it any more, or it never came
        failed,   // the disk refused, or what stands there is not that message
    };
    std::uint64_t id = 0;
    State state = State::missing;
    ByteBuffer body;
    MessageRecord record;
};

/// The thread that gets message bodies from the disk. Owned by LogStore.
class StoreReader {
public:
    /// In the order in which the messages were asked for.
    using Done = std::function<void(std::vector<LoadedMessage>)>;

    StoreReader(Database database, SharedIndex& shared);
    ~StoreReader();
    StoreReader(const StoreReader&) = delete;
    StoreReader& operator=(const StoreReader&) = delete;

    Result<void> start();
    /// Ends the thread; what is still asked for is answered by `failed`.
    void stop();
    /// Any thread. `done` is called on the reader's thread.
    void read(std::vector<std::uint64_t> message_ids, Done done);

private:
    struct Request {
        std::vector<std::uint64_t> ids;
        Done done;
    };
    struct Wanted {
        LiveIndex::Location location;
        std::size_t index;
    };

    void run();
    void serve(Request& request);
    Result<void> look_up(const std::vector<std::uint64_t>& ids, std::vector<Wanted>& wanted);
    void load(const std::vector<Wanted>& wanted, std::vector<LoadedMessage>& messages);
    bool load_one(const LiveIndex::Location& location, LoadedMessage& message);

    Database database_;
    SharedIndex& shared_;
    Statement begin_, pin_, end_;
    BlobReader blob_;
    std::uint64_t blob_segment_ = 0;

    std::mutex mutex_;
    std::condition_variable asked_;
    std::deque<Request> requests_;
    bool is_stopping_ = false;
    std::thread thread_;
};

}  // namespace gw
