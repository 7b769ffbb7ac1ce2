#include "gateway/exchange.hpp"

#include "broker-core/broker/broker.hpp"
#include "gateway/mailbox.hpp"

#include <atomic>
#include <utility>

namespace gw {

struct alignas(64) ThreadExchange::Inbox {
    Mailbox mailbox;
    std::vector<Mailbox::Letter> taken;  // its worker's
};

/// What of one worker waits for another.
struct alignas(64) ThreadExchange::Way {
    std::atomic<std::size_t> item_count{0};
    std::atomic<bool> is_awaited{false};  // by its sender
};

ThreadExchange::ThreadExchange(std::span<const std::unique_ptr<transport::WorkerLoop>> loops)
    : loops_(loops) {
    for (std::size_t i = 0; i < loops.size(); ++i) {
        inboxes_.push_back(std::make_unique<Inbox>());
    }
    for (std::size_t i = 0; i < loops.size() * loops.size(); ++i) {
        ways_.push_back(std::make_unique<Way>());
    }
}

ThreadExchange::~ThreadExchange() = default;

void ThreadExchange::post(std::uint32_t from, std::uint32_t to, CrossBatch& batch,
                          StoreTicket ticket) {
    way(from, to).item_count.fetch_add(batch.size());
    inboxes_[to]->mailbox.post(from, batch, ticket);
    loops_[to]->wake();
}

void ThreadExchange::post_task(std::uint32_t to, BrokerTask task) {
    loops_[to]->post([this, to, task = std::move(task)] { task(*brokers_[to]); });
}

void ThreadExchange::deliver(std::uint32_t to, Broker& broker) {
    Inbox& inbox = *inboxes_[to];
    inbox.mailbox.take(inbox.taken);
    for (const Mailbox::Letter& letter : inbox.taken) {
        Way& from = way(letter.from, to);
        from.item_count.fetch_sub(letter.items.size());
        if (from.is_awaited.exchange(false)) {
            loops_[letter.from]->wake();
        }
    }
    for (Mailbox::Letter& letter : inbox.taken) {
        broker.on_batch(letter.from, letter.items, letter.ticket);
    }
}

bool ThreadExchange::is_ahead(std::uint32_t from) {
    // About as much as a worker does in the time that one connection may take (WorkerLoop).
    constexpr std::size_t item_count_max = 2048;
    bool is_ahead = false;
    for (std::uint32_t to = 0; to < loops_.size(); ++to) {
        Way& target = way(from, to);
        if (target.item_count.load() > item_count_max) {
            target.is_awaited.store(true);
            // It may have been taken just before, by one that saw nobody waiting.
            is_ahead = target.item_count.load() > item_count_max || is_ahead;
        }
    }
    return is_ahead;
}

}  // namespace gw
