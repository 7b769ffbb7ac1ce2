#include "gateway/store.hpp"

#include "adapters/transport/worker_loop.hpp"

#include <bit>
#include <future>
#include <stdexcept>
#include <utility>

namespace gw {

namespace {

/// Turns what the store gives into what the core wants.
class Restoring final : public RestoreVisitor {
public:
    Restoring(std::span<Broker* const> brokers, BrokerShared& shared, Log& log)
        : brokers_(brokers), shared_(shared), log_(log), now_(transport::read_clocks()) {
        for (Broker* const broker : brokers_) {
            broker->set_now(now_);
        }
    }

    void on_session(RestoredSession& stored) override {
        if (!stored.client_id.empty() && stored.client_id.front() == '\0') {
            held_.push_back(std::move(stored));
            return;
        }
        auto state = decode_session_state(as_bytes(stored.state));
        if (!state) {
            // An unreadable session must not lock its client out, nor stop the others.
            log_.error("store.session_unreadable",
                       {{"client_id", stored.client_id}, {"error", state.error().text()}});
            return;
        }
        StoredSession session;
        session.store_id = stored.sid;
        session.client_id = stored.client_id;
        session.state = std::move(*state);
        session.state.last_sequence =
            std::max(session.state.last_sequence, stored.next_sequence - 1);
        for (const RestoredSubscription& subscription : stored.subscriptions) {
            auto filter = parse_topic_filter(subscription.filter, {.levels_max = 65535});
            if (filter) {
                session.subscriptions.emplace_back(
                    std::move(*filter), std::bit_cast<SubscriptionOptions>(
                                            static_cast<std::uint32_t>(subscription.options)));
            }
        }
        add_deliveries(stored, session);
        session.released = std::move(stored.released);
        session.inbound_qos2 = std::move(stored.inbound);
        brokers_[shared_.worker_of(session.client_id)]->restore_session(std::move(session));
    }

    void on_retained(std::string_view topic, const MessageRecord& record) override {
        MessageRecord message = record;
        message.topic = topic;
        shared_.retained.set(message_of(message, now_));
    }

    /// Routes what was held when the process ended. After the store is open.
    void resume_publishes(LogStore& store) {
        for (const RestoredSession& held : held_) {
            std::vector<std::uint64_t> ids;
            for (const RestoredDelivery& delivery : held.deliveries) {
                ids.push_back(delivery.message);
            }
            std::promise<std::vector<LoadedMessage>> loaded;
            store.read(std::move(ids), [&loaded](std::vector<LoadedMessage> messages) {
                loaded.set_value(std::move(messages));
            });
            for (const LoadedMessage& body : loaded.get_future().get()) {
                if (body.state != LoadedMessage::State::loaded) {
                    continue;
                }
                const MessagePtr message = message_of(body.record, now_);
                message->claim_store_id(body.id);
                const MatchPtr match = shared_.router.match(0, message->topic());
                for (Broker* const broker : brokers_) {
                    broker->resume_publish(message, *match);
                }
            }
            brokers_.front()->forget_stored_session(held.sid);
        }
    }

private:
    static void add_deliveries(RestoredSession& stored, StoredSession& session) {
        constexpr std::uint32_t usual_footprint = 200;  // not known without the body
        std::size_t extra = 0;
        session.deliveries.reserve(stored.deliveries.size());
        for (const RestoredDelivery& restored : stored.deliveries) {
            Delivery delivery;
            delivery.sequence = restored.sequence;
            delivery.message_id = restored.message;
            delivery.identifier = restored.identifier;
            delivery.footprint = usual_footprint;
            delivery.qos = restored.qos;
            delivery.retain = restored.retain;
            while (extra < stored.extras.size() &&
                   stored.extras[extra].sequence < restored.sequence) {
                ++extra;
            }
            if (restored.has_extra && extra < stored.extras.size() &&
                stored.extras[extra].sequence == restored.sequence) {
                delivery.extra = std::make_unique<DeliveryExtra>();
                delivery.extra->identifiers = std::move(stored.extras[extra].identifiers);
            }
            session.deliveries.push_back(std::move(delivery));
        }
    }

    std::span<Broker* const> brokers_;
    BrokerShared& shared_;
    Log& log_;
    Now now_;
    std::vector<RestoredSession> held_;
};

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
    Restoring restoring{brokers, shared, log_};
    LogStoreHandlers handlers;
    handlers.on_committed = [this](CommitReport& committed) {
        // A delivery that came too late for its message is not stored: neither is it acknowledged.
        report(committed, committed.orphans.empty() ? StoreOutcome::stored : StoreOutcome::failed);
    };
    handlers.on_failed = [this](CommitReport& failed, const Error& error) {
        log_.error("store.write_failed",
                   {{"error", error.text()}, {"submissions", failed.submissions.size()}});
        report(failed, StoreOutcome::failed);
    };
    auto opened = LogStore::open(path, LogStoreOptions{}, std::move(handlers), restoring);
    if (!opened) {
        throw std::runtime_error{"store " + path + ": " + opened.error().text()};
    }
    store_ = std::move(*opened);
    for (const auto& storage : storages_) {
        storage->attach(*store_);
    }
    restoring.resume_publishes(*store_);
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
                                              ? message_of(message.record, broker.now())
                                              : MessagePtr{}});
        }
        broker.on_loaded(ref, bodies);
    });
}

}  // namespace gw
