#pragma once

#include "adapters/transport/worker_loop.hpp"
#include "broker-core/broker/exchange.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace gw {

/// Carries batches between worker threads: a mailbox for each, and one wake-up a turn.
class ThreadExchange final : public Exchange {
public:
    explicit ThreadExchange(std::span<const std::unique_ptr<transport::WorkerLoop>> loops);
    ~ThreadExchange() override;

    void set_brokers(std::vector<Broker*> brokers) { brokers_ = std::move(brokers); }

    void post(std::uint32_t from, std::uint32_t to, CrossBatch& batch, StoreTicket ticket) override;
    void post_task(std::uint32_t to, BrokerTask task) override;
    /// Hands everything that has come for the broker to it. Its worker's thread.
    void deliver(std::uint32_t to, Broker& broker);
    /// Whether a worker has yet to take much of what `from` has posted. If so `from` is woken when
    /// it has. Thread of `from`.
    bool is_ahead(std::uint32_t from);

private:
    struct Inbox;
    struct Way;

    Way& way(std::uint32_t from, std::uint32_t to) { return *ways_[from * loops_.size() + to]; }

    std::span<const std::unique_ptr<transport::WorkerLoop>> loops_;
    std::vector<Broker*> brokers_;
    std::vector<std::unique_ptr<Inbox>> inboxes_;  // one a worker
    std::vector<std::unique_ptr<Way>> ways_;       // one for each (from, to) pair
};

}  // namespace gw
