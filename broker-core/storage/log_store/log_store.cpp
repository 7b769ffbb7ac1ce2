#include "broker-core/storage/log_store/log_store.hpp"

#include "broker-core/storage/log_store/schema.hpp"

#include <utility>

namespace gw {

Result<std::unique_ptr<LogStore>> LogStore::open(const std::string& path, LogStoreOptions options,
                                                 LogStoreHandlers handlers,
                                                 RestoreVisitor& visitor) {
    auto lock = StoreLock::acquire(path);
    if (!lock) {
        return lock.error();
    }
    std::unique_ptr<LogStore> store{new LogStore{path, std::move(options), std::move(handlers)}};
    store->lock_ = std::move(*lock);
    auto done = store->start(visitor);
    if (!done) {
        return std::move(done).error().within(path);
    }
    return store;
}

LogStore::~LogStore() {
    // The writer first: its handlers may still ask the reader for something.
    if (writer_) {
        writer_->stop();
    }
    reader_.reset();
    checkpointer_.reset();
}

Result<Database> LogStore::open_connection(bool may_create) {
    return Database::open(path_, {.may_create = may_create, .vfs = options_.vfs});
}

Result<void> LogStore::start(RestoreVisitor& visitor) {
    auto database = open_connection(true);
    if (!database) {
        return database.error();
    }
    auto done = prepare_schema(*database, options_.page_bytes);
    if (!done) {
        return done;
    }
    Restorer restorer{
        *database, shared_.index, {.skip_damaged_segments = options_.skip_damaged_segments}};
    auto restored = restorer.run(visitor);
    if (!restored) {
        return restored.error();
    }
    restored_ = std::move(*restored);
    next_sid_ = restored_.next_sid;
    const auto page_bytes = database->integer("PRAGMA page_size");
    if (!page_bytes) {
        return page_bytes.error();
    }
    auto for_checkpoints = open_connection(false);
    if (!for_checkpoints) {
        return for_checkpoints.error();
    }
    auto for_reading = open_connection(false);
    if (!for_reading) {
        return for_reading.error();
    }
    checkpointer_ = std::make_unique<Checkpointer>(std::move(*for_checkpoints), gate_, options_,
                                                   static_cast<std::uint32_t>(*page_bytes));
    reader_ = std::make_unique<StoreReader>(std::move(*for_reading), shared_);
    writer_ =
        std::make_unique<StoreWriter>(StoreWriter::Parts{path_, options_, handlers_, shared_, gate_,
                                                         [this](std::uint64_t pages) {
                                                             checkpointer_->on_commit(pages);
                                                         }},
                                      std::move(*database), restored_.next_sid);
    done = reader_->start();
    if (done) {
        done = checkpointer_->start();
    }
    if (done) {
        done = writer_->start();
    }
    return done;
}

LogStoreStats LogStore::stats() const {
    LogStoreStats stats;
    const StoreWriter::Counters& counters = writer_->counters();
    stats.commits = counters.commits;
    stats.failed_commits = counters.failed_commits;
    stats.submissions = counters.submissions;
    stats.record_bytes = counters.record_bytes;
    stats.compacted_bytes = counters.compacted_bytes;
    stats.last_commit_us = counters.last_commit_us;
    stats.longest_commit_us = counters.longest_commit_us;
    stats.wal_bytes = counters.wal_pages * checkpointer_->page_bytes();
    stats.checkpoints = checkpointer_->checkpoints();
    stats.longest_checkpoint_pause_us = checkpointer_->longest_pause_us();
    stats.waiting_bytes = writer_->waiting_bytes();
    const std::scoped_lock lock{shared_.mutex};
    const LiveIndex& index = shared_.index;
    stats.message_count = index.message_count();
    stats.delivery_count = index.delivery_count();
    stats.segment_count = index.has_segments() ? index.next_segment() - index.first_segment() : 0;
    stats.log_bytes = index.log_bytes();
    stats.live_bytes = index.live_bytes();
    stats.index_bytes = index.memory_bytes();
    return stats;
}

}  // namespace gw
