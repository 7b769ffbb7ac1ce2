#pragma once

#include "broker-core/base/log.hpp"
#include "broker-core/broker/broker.hpp"
#include "broker-core/storage/log_storage.hpp"
#include "broker-core/storage/log_store/log_store.hpp"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace gw {

/// The durable store as the workers see it: makes each its Storage, restores what is there, and
/// carries the store's reports back to them.
class Store {
public:
    /// Runs a task on a worker's broker; any thread.
    using PostTask = std::function<void(std::uint32_t worker, BrokerTask task)>;

    /// Without `is_durable` nothing is kept, and open() is not called.
    Store(std::uint32_t worker_count, bool is_durable, PostTask post, Log& log);

    Storage& storage(std::uint32_t worker);
    /// Opens the file and gives the brokers their sessions, and `shared` the retained messages.
    /// Before the workers run. Throws std::runtime_error with a text for a person.
    void open(const std::string& path, std::span<Broker* const> brokers, BrokerShared& shared);
    /// Commits what was submitted and closes the file. After the workers have ended.
    void close() { store_.reset(); }

    // Any thread, from open() to close().
    bool is_open() const { return store_ != nullptr; }
    bool is_healthy() const { return !store_ || store_->is_healthy(); }
    std::string last_error() const { return store_ ? store_->last_error() : std::string{}; }
    std::size_t waiting_bytes() const { return store_ ? store_->waiting_bytes() : 0; }
    LogStoreStats stats() const { return store_ ? store_->stats() : LogStoreStats{}; }

private:
    void report(CommitReport& report, StoreOutcome outcome);
    void on_loaded(std::uint32_t worker, SessionRef ref, std::vector<LoadedMessage> messages);

    PostTask post_;
    Log& log_;
    MemoryStorage nothing_;
    std::vector<std::unique_ptr<LogStorage>> storages_;  // empty: nothing is kept
    std::unique_ptr<LogStore> store_;
};

}  // namespace gw
