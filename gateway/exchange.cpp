#include "gateway/exchange.hpp"

#include "broker-core/broker/broker.hpp"

#include <atomic>
#include <iterator>
#include <utility>

namespace gw {

struct alignas(64) ThreadExchange::Box {
    std::mutex mutex;  // guards items
    CrossBatch items;
    std::atomic<bool> has_items{false};
};

ThreadExchange::ThreadExchange(std::span<const std::unique_ptr<transport::WorkerLoop>> loops)
    : loops_(loops), scratch_(loops.size()) {
    for (std::size_t i = 0; i < loops.size() * loops.size(); ++i) {
        boxes_.push_back(std::make_unique<Box>());
    }
}

ThreadExchange::~ThreadExchange() = default;

void ThreadExchange::post(std::uint32_t from, std::uint32_t to, CrossBatch& batch) {
    Box& target = box(from, to);
    {
        const std::lock_guard lock{target.mutex};
        if (target.items.empty()) {
            target.items.swap(batch);
        } else {
            target.items.insert(target.items.end(), std::make_move_iterator(batch.begin()),
                                std::make_move_iterator(batch.end()));
        }
        target.has_items.store(true, std::memory_order_release);
    }
    batch.clear();
    loops_[to]->wake();
}

void ThreadExchange::post_task(std::uint32_t to, BrokerTask task) {
    loops_[to]->post([this, to, task = std::move(task)] { task(*brokers_[to]); });
}

void ThreadExchange::deliver(std::uint32_t to, Broker& broker) {
    for (std::uint32_t from = 0; from < loops_.size(); ++from) {
        Box& source = box(from, to);
        if (!source.has_items.load(std::memory_order_acquire)) {
            continue;
        }
        CrossBatch& items = scratch_[to];
        {
            const std::lock_guard lock{source.mutex};
            items.swap(source.items);
            source.has_items.store(false, std::memory_order_release);
        }
        broker.on_batch(items);
    }
}

}  // namespace gw
