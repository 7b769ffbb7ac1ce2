#include "gateway/exchange.hpp"

#include "broker-core/broker/broker.hpp"

#include <atomic>
#include <iterator>
#include <utility>

namespace gw {

struct alignas(64) ThreadExchange::Box {
    std::mutex mutex;  // guards items
    CrossBatch items;
    StoreTicket ticket = 0;
    std::atomic<bool> has_items{false};
    std::atomic<std::size_t> item_count{0};
    std::atomic<bool> is_awaited{false};  // by its sender
};

ThreadExchange::ThreadExchange(std::span<const std::unique_ptr<transport::WorkerLoop>> loops)
    : loops_(loops), scratch_(loops.size()) {
    for (std::size_t i = 0; i < loops.size() * loops.size(); ++i) {
        boxes_.push_back(std::make_unique<Box>());
    }
}

ThreadExchange::~ThreadExchange() = default;

void ThreadExchange::post(std::uint32_t from, std::uint32_t to, CrossBatch& batch,
                          StoreTicket ticket) {
    Box& target = box(from, to);
    {
        const std::lock_guard lock{target.mutex};
        if (target.items.empty()) {
            target.items.swap(batch);
        } else {
            target.items.insert(target.items.end(), std::make_move_iterator(batch.begin()),
                                std::make_move_iterator(batch.end()));
        }
        target.ticket = ticket != 0 ? ticket : target.ticket;
        target.has_items.store(true, std::memory_order_release);
        target.item_count.store(target.items.size());
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
        StoreTicket ticket = 0;
        {
            const std::lock_guard lock{source.mutex};
            items.swap(source.items);
            ticket = std::exchange(source.ticket, 0);
            source.has_items.store(false, std::memory_order_release);
            source.item_count.store(0);
        }
        if (source.is_awaited.exchange(false)) {
            loops_[from]->wake();
        }
        broker.on_batch(from, items, ticket);
    }
}

bool ThreadExchange::is_ahead(std::uint32_t from) {
    // About as much as a worker does in the time that one connection may take (WorkerLoop).
    constexpr std::size_t item_count_max = 2048;
    bool is_ahead = false;
    for (std::uint32_t to = 0; to < loops_.size(); ++to) {
        Box& target = box(from, to);
        if (target.item_count.load() > item_count_max) {
            target.is_awaited.store(true);
            // It may have been taken just before, by one that saw nobody waiting.
            is_ahead = target.item_count.load() > item_count_max || is_ahead;
        }
    }
    return is_ahead;
}

}  // namespace gw
