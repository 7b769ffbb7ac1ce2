#pragma once

#include "broker-core/broker/exchange.hpp"

#include <atomic>
#include <cstdint>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

namespace gw {

/// What other workers have posted for one worker, in the order of posting, whoever it is from: who
/// hears that a message was acknowledged, and publishes another one by way of another worker, finds
/// them in that order. Locked for as long as it takes to swap or append a vector.
class Mailbox {
public:
    struct Letter {
        std::uint32_t from = 0;
        StoreTicket ticket = 0;  // the last one that is not 0
        CrossBatch items;
    };

    /// Takes the content of `batch`; it comes back empty, perhaps with memory to use again.
    void post(std::uint32_t from, CrossBatch& batch, StoreTicket ticket) {
        const std::lock_guard lock{mutex_};
        if (!letters_.empty() && letters_.back().from == from) {
            Letter& last = letters_.back();
            last.items.insert(last.items.end(), std::make_move_iterator(batch.begin()),
                              std::make_move_iterator(batch.end()));
            last.ticket = ticket != 0 ? ticket : last.ticket;
            batch.clear();
        } else {
            letters_.push_back({from, ticket, {}});
            if (!spares_.empty()) {
                letters_.back().items = std::move(spares_.back());
                spares_.pop_back();
            }
            letters_.back().items.swap(batch);
        }
        has_letters_.store(true, std::memory_order_release);
    }

    /// Puts all that has come into `out`, in order. What was in it is emptied and used again.
    void take(std::vector<Letter>& out) {
        constexpr std::size_t spare_count_max = 8;
        if (!has_letters_.load(std::memory_order_acquire)) {
            out.clear();
            return;
        }
        for (Letter& letter : out) {
            letter.items.clear();
        }
        const std::lock_guard lock{mutex_};
        for (Letter& letter : out) {
            if (spares_.size() < spare_count_max) {
                spares_.push_back(std::move(letter.items));
            }
        }
        out.clear();
        out.swap(letters_);
        has_letters_.store(false, std::memory_order_release);
    }

private:
    std::mutex mutex_;  // guards all but the last
    std::vector<Letter> letters_;
    std::vector<CrossBatch> spares_;
    std::atomic<bool> has_letters_{false};
};

}  // namespace gw
