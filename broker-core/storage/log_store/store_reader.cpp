#include "broker-core/storage/log_store/store_reader.hpp"

#include <algorithm>
#include <utility>

namespace gw {

StoreReader::StoreReader(Database database, SharedIndex& shared)
    : database_(std::move(database)), shared_(shared) {}

StoreReader::~StoreReader() {
    stop();
}

Result<void> StoreReader::start() {
    const std::pair<Statement*, const char*> all[] = {
        {&begin_, "BEGIN"},
        {&pin_, "SELECT id FROM segment LIMIT 1"},
        {&end_, "COMMIT"},
    };
    for (const auto& [statement, sql] : all) {
        auto prepared = database_.prepare(sql);
        if (!prepared) {
            return prepared.error();
        }
        *statement = std::move(*prepared);
    }
    thread_ = std::thread{[this] {
        run();
    }};
    return {};
}

void StoreReader::stop() {
    {
        const std::scoped_lock lock{mutex_};
        is_stopping_ = true;
    }
    asked_.notify_one();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void StoreReader::read(std::vector<std::uint64_t> message_ids, Done done) {
    {
        const std::scoped_lock lock{mutex_};
        GW_ASSERT(!is_stopping_);
        requests_.push_back({std::move(message_ids), std::move(done)});
    }
    asked_.notify_one();
}

void StoreReader::run() {
    for (;;) {
        Request request;
        bool is_stopping = false;
        {
            std::unique_lock lock{mutex_};
            asked_.wait(lock, [this] { return is_stopping_ || !requests_.empty(); });
            if (requests_.empty()) {
                return;
            }
            is_stopping = is_stopping_;
            request = std::move(requests_.front());
            requests_.pop_front();
        }
        if (is_stopping) {
            std::vector<LoadedMessage> messages(request.ids.size());
            for (std::size_t index = 0; index < messages.size(); ++index) {
                messages[index].id = request.ids[index];
                messages[index].state = LoadedMessage::State::failed;
            }
            request.done(std::move(messages));
        } else {
            serve(request);
        }
    }
}

/// Finds the messages' places and begins the view of the file in which they hold.
Result<void> StoreReader::look_up(const std::vector<std::uint64_t>& ids,
                                  std::vector<Wanted>& wanted) {
    // Under one lock: the writer takes it for commits after which places of before lead nowhere.
    const std::scoped_lock lock{shared_.mutex};
    auto done = begin_.run();
    if (!done) {
        return done;
    }
    const auto pinned = pin_.step();  // only the first read fixes the view
    pin_.reset();
    if (!pinned) {
        return pinned.error();
    }
    for (std::size_t index = 0; index < ids.size(); ++index) {
        if (const auto location = shared_.index.find(ids[index])) {
            wanted.push_back({*location, index});
        }
    }
    return {};
}

bool StoreReader::load_one(const LiveIndex::Location& location, LoadedMessage& message) {
    if (!blob_) {
        auto opened =
            database_.open_blob("segment", "body", static_cast<std::int64_t>(location.segment));
        if (!opened) {
            return false;
        }
        blob_ = std::move(*opened);
    } else if (blob_segment_ != location.segment &&
               !blob_.move_to(static_cast<std::int64_t>(location.segment))) {
        return false;
    }
    blob_segment_ = location.segment;
    message.body.clear();
    if (!blob_.read(location.offset, location.bytes, message.body.extend(location.bytes))) {
        return false;
    }
    const auto record = decode_message_body(message.body.view());
    if (!record || record->id != message.id) {
        return false;
    }
    message.record = *record;
    return true;
}

void StoreReader::load(const std::vector<Wanted>& wanted, std::vector<LoadedMessage>& messages) {
    for (const Wanted& one : wanted) {
        LoadedMessage& message = messages[one.index];
        message.state = load_one(one.location, message) ? LoadedMessage::State::loaded
                                                        : LoadedMessage::State::failed;
    }
    blob_ = BlobReader{};  // it would hold the view
}

void StoreReader::serve(Request& request) {
    std::vector<LoadedMessage> messages(request.ids.size());
    for (std::size_t index = 0; index < messages.size(); ++index) {
        messages[index].id = request.ids[index];
    }
    std::vector<Wanted> wanted;
    const auto found = look_up(request.ids, wanted);
    if (found) {
        std::sort(wanted.begin(), wanted.end(), [](const Wanted& a, const Wanted& b) {
            return std::pair{a.location.segment, a.location.offset} <
                   std::pair{b.location.segment, b.location.offset};
        });
        load(wanted, messages);
    } else {
        for (LoadedMessage& message : messages) {
            message.state = LoadedMessage::State::failed;
        }
    }
    if (database_.is_in_transaction()) {
        // A read transaction has nothing that could fail to be written.
        (void)end_.run();
    }
    request.done(std::move(messages));
}

}  // namespace gw
