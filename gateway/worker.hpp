#pragma once

#include "adapters/transport/worker_loop.hpp"
#include "broker-core/broker/broker.hpp"
#include "gateway/exchange.hpp"

#include <cstdint>
#include <functional>
#include <thread>

namespace gw {

/// One worker thread: its loop with the sockets, and the broker core that owns its sessions.
class Worker final : private transport::TurnHandler {
public:
    Worker(transport::WorkerLoop& loop, BrokerShared& shared, const BrokerOptions& options,
           ThreadExchange& exchange, Storage& storage, std::uint64_t seed,
           std::function<void()> on_turn);
    ~Worker() override;

    void start();
    /// Ends and joins the thread.
    void stop();

    Broker& broker() { return broker_; }
    transport::WorkerLoop& loop() { return loop_; }

private:
    void begin_turn(Now now) override { broker_.set_now(now); }
    void take_inbox() override { exchange_.deliver(loop_.index(), broker_); }
    void on_deadline() override { broker_.on_deadline(); }
    MonotonicTime next_deadline() const override { return broker_.next_deadline(); }
    void before_output() override { broker_.flush(); }
    void end_turn() override;
    bool is_ahead() override { return exchange_.is_ahead(loop_.index()); }

    transport::WorkerLoop& loop_;
    ThreadExchange& exchange_;
    Broker broker_;
    transport::WorkerLoop::Counters counted_;
    const std::function<void()> on_turn_;  // at the end of each turn
    std::thread thread_;
};

}  // namespace gw
