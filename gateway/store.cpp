#include "gateway/store.hpp"

#include "adapters/transport/worker_loop.hpp"
#include "broker-core/broker/core_restorer.hpp"

#include <future>
#include <stdexcept>
#include <utility>

namespace gw {

namespace {

/// After which a disk that failed is tried again, and refused publishers hear of it.
constexpr Milliseconds retry_after{200};

}  // namespace

Store::Store(std::uint32_t worker_count, bool is_durable, PostTask post, Log& log)
    : post_(std::move(post)), log_(log) {
    for (std::uint32_t worker = 0; is_durable && worker < worker_count; ++worker) {
        storages_.push_back(std::make_unique<LogStorage>(
            worker, [this, worker](SessionRef ref, std::vector<LoadedMessage> messages) {
                on_loaded(worker, ref, std::move(messages));
            }));
    }
}

Storage& Store::storage(std::uint32_t worker) {
    return storages_.empty() ? static_cast<Storage&>(nothing_) : *storages_[worker];
}

void Store::open(const std::string& path, std::span<Broker* const> brokers, BrokerShared& shared) {
    CoreRestorer restoring{brokers, shared, log_, transport::read_clocks()};
    LogStoreHandlers handlers;
    handlers.on_committed = [this](CommitReport& committed) {
        // A delivery that came too late for its message is not stored: neither is it acknowledged.
        if (!committed.orphans.empty()) {
            log_.error("store.deliveries_late", {{"count", committed.orphans.size()}});
        }
        report(committed, committed.orphans.empty() ? StoreOutcome::stored : StoreOutcome::failed);
    };
    handlers.on_failed = [this](CommitReport& failed, const Error& error) {
        report(failed,
               error.code() == Errc::resource_limit ? StoreOutcome::no_room : StoreOutcome::failed);
    };
    LogStoreOptions options;
    options.retry_after = retry_after;
    auto opened = LogStore::open(path, std::move(options), std::move(handlers), restoring);
    if (!opened) {
        throw std::runtime_error{"store " + path + ": " + opened.error().text()};
    }
    store_ = std::move(*opened);
    for (const auto& storage : storages_) {
        storage->attach(*store_);
    }
    restoring.finish([this](std::vector<std::uint64_t> ids) {
        std::promise<std::vector<LoadedMessage>> loaded;
        store_->read(std::move(ids), [&loaded](std::vector<LoadedMessage> messages) {
            loaded.set_value(std::move(messages));
        });
        return loaded.get_future().get();
    });
    const RestoreSummary& summary = store_->restored();
    log_.info("store.opened", {{"file", path},
                               {"sessions", summary.session_count},
                               {"subscriptions", summary.subscription_count},
                               {"retained", summary.retained_count},
                               {"messages", summary.message_count},
                               {"deliveries", summary.delivery_count}});
}

void Store::report(CommitReport& report, StoreOutcome outcome) {
    std::vector<std::vector<StoreProgress>> by_worker(storages_.size());
    for (const ReportedSubmission& submission : report.submissions) {
        if (submission.ticket != 0) {
            by_worker[submission.worker].push_back(
                {.own_ticket = submission.ticket, .outcome = outcome, .covers = {}});
        }
        for (const auto& [from, ticket] : submission.covers) {
            by_worker[from].push_back(
                {.own_ticket = 0,
                 .outcome = outcome,
                 .covers = {{.worker = submission.worker, .ticket = ticket, .outcome = outcome}}});
        }
    }
    for (std::uint32_t worker = 0; worker < by_worker.size(); ++worker) {
        if (!by_worker[worker].empty()) {
            post_(worker, [progress = std::move(by_worker[worker])](Broker& broker) {
                for (const StoreProgress& one : progress) {
                    broker.on_store_progress(one);
                }
            });
        }
    }
}

void Store::on_loaded(std::uint32_t worker, SessionRef ref, std::vector<LoadedMessage> messages) {
    auto shared = std::make_shared<std::vector<LoadedMessage>>(std::move(messages));
    post_(worker, [ref, shared](Broker& broker) {
        std::vector<LoadedBody> bodies;
        for (const LoadedMessage& message : *shared) {
            bodies.push_back({message.id, message.state == LoadedMessage::State::loaded
                                              ? message_of(message.record,
                                                           broker.shared().protocols, broker.now())
                                              : MessagePtr{}});
        }
        broker.on_loaded(ref, bodies);
    });
}

}  // namespace gw
