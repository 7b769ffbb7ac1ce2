#pragma once

#include "broker-core/storage/log_store/log_store.hpp"

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace gw::test {

/// What a store holds, or should hold, as plain values that compare.
struct StoreContents {
    struct Session {
        std::string client_id;
        std::string state;
        std::map<std::string, std::int64_t> subscriptions;
        std::map<std::uint64_t, std::uint64_t> deliveries;  // sequence -> message
        std::set<std::uint64_t> inbound;
        std::set<std::uint64_t> released;
        bool operator==(const Session&) const = default;
    };
    std::map<std::uint64_t, Session> sessions;
    std::map<std::string, std::string> retained;  // topic -> payload
    bool operator==(const StoreContents&) const = default;
};

/// Where they differ, in words; empty when they do not.
std::string difference(const StoreContents& found, const StoreContents& expected);

/// Collects what a store restores.
class CollectingVisitor final : public RestoreVisitor {
public:
    void on_session(RestoredSession& session) override;
    void on_retained(std::string_view topic, const MessageRecord& message) override;

    StoreContents contents;
    std::map<std::uint64_t, RestoredSession> sessions;
};

/// Builds a submission and, beside it, what it does to a StoreContents.
class Step {
public:
    Step& message(std::uint64_t id, const std::string& payload);
    Step& delivery(std::uint64_t session, std::uint64_t sequence, std::uint64_t message);
    Step& completed(std::uint64_t session, std::uint64_t sequence, std::uint64_t message);
    Step& operation(TableOperation one);
    /// The payload, as the body of a retained message.
    static PutRetained retained(const std::string& topic, const std::string& payload);

    Submission submission(std::uint64_t ticket) const;

    struct Change {
        char kind;  // 'm', 'd', 'c'
        std::uint64_t session, sequence, message;
        std::string payload;
    };
    const std::vector<Change>& changes() const { return changes_; }
    const std::vector<TableOperation>& operations() const { return operations_; }

private:
    std::vector<Change> changes_;
    std::vector<TableOperation> operations_;
};

/// The naive store: it does what LogStore promises, in maps.
class StoreModel {
public:
    void apply(const Step& step);
    /// Deliveries whose message has not come by now are forgotten: nobody was promised them.
    void restart();
    /// What a store would restore now: deliveries of sessions that exist and messages that came.
    StoreContents contents() const;
    const std::string& payload(std::uint64_t message) const { return payloads_.at(message); }
    /// Messages that a delivery of an existing session needs.
    std::set<std::uint64_t> needed_messages() const;

private:
    StoreContents all_;
    std::map<std::uint64_t, std::map<std::uint64_t, std::uint64_t>> deliveries_;
    std::map<std::uint64_t, std::string> payloads_;
};

/// A LogStore whose reports can be waited for.
class StoreHarness {
public:
    StoreHarness(std::string path, LogStoreOptions options);

    /// Submits without waiting; returns the ticket.
    std::uint64_t submit(const Step& step);
    /// Submits, waits for the report and says whether it was stored.
    bool commit(const Step& step);
    void wait_for(std::uint64_t ticket);
    /// Waits until `count` more transactions without submissions, or `condition()`, at most 30 s.
    template <class Condition>
    bool wait_until(Condition&& condition) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{30};
        while (!condition()) {
            if (std::chrono::steady_clock::now() > end) {
                return false;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds{1});
        }
        return true;
    }
    std::vector<LoadedMessage> read(std::vector<std::uint64_t> ids);

    bool is_open() const { return store_ != nullptr; }
    const Error& open_error() const { return *open_error_; }
    LogStore& store() { return *store_; }
    const CollectingVisitor& restored() const { return visitor_; }
    void close() { store_.reset(); }

    // By ticket, after the report came.
    std::vector<std::uint64_t> committed() const;
    std::map<std::uint64_t, std::string> failed() const;
    std::vector<OrphanDelivery> orphans() const;
    /// Whether at each failure the store was not healthy and had an error to tell; a moment later
    /// it may have written something of its own and be well again.
    bool tells_failures() const;

private:
    CollectingVisitor visitor_;
    mutable std::mutex mutex_;
    std::condition_variable reported_;
    std::vector<std::uint64_t> committed_;
    std::map<std::uint64_t, std::string> failed_;
    std::vector<OrphanDelivery> orphans_;
    bool tells_failures_ = true;
    std::uint64_t reported_count_ = 0;
    std::uint64_t next_ticket_ = 1;
    std::unique_ptr<Error> open_error_;
    std::unique_ptr<LogStore> store_;
};

/// Small limits, so that a test reaches segments, slices and checkpoints quickly.
LogStoreOptions small_options();

}  // namespace gw::test
