#include "adapters/stomp/machine/unacked_table.hpp"

#include <utility>

namespace gw::stomp {

void UnackedTable::add(UnackedMessage message, std::uint32_t sharers) {
    GW_ASSERT(entries_.empty() || entries_.back().number < message.number);
    if (sharers > 1) {
        counts_[message.packet_id] = sharers;
    }
    entries_.push_back(std::move(message));
}

UnackedMessage* UnackedTable::find(std::uint64_t number) {
    std::size_t low = 0;
    std::size_t high = entries_.size();
    while (low < high) {
        const std::size_t middle = (low + high) / 2;
        if (entries_[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const bool is_found =
        low < entries_.size() && entries_[low].number == number && !entries_[low].is_over;
    return is_found ? &entries_[low] : nullptr;
}

void UnackedTable::collect(std::uint32_t subscription, std::uint64_t up_to,
                           std::vector<std::uint64_t>& numbers) {
    for (std::size_t i = 0; i < entries_.size() && entries_[i].number <= up_to; ++i) {
        if (!entries_[i].is_over && entries_[i].subscription == subscription) {
            numbers.push_back(entries_[i].number);
        }
    }
}

void UnackedTable::refuse(UnackedMessage& message) {
    if (!std::exchange(message.is_refused, true)) {
        ++refused_count_;
    }
}

UnackedMessage* UnackedTable::find_refused() {
    for (std::size_t i = 0; i < entries_.size() && refused_count_ != 0; ++i) {
        if (!entries_[i].is_over && entries_[i].is_refused) {
            return &entries_[i];
        }
    }
    return nullptr;
}

bool UnackedTable::complete(UnackedMessage& message) {
    const std::uint16_t packet_id = message.packet_id;
    drop(message);
    const auto count = counts_.find(packet_id);
    if (count == counts_.end()) {
        return true;
    }
    if (--count->second != 0) {
        return false;
    }
    counts_.erase(count);
    return true;
}

void UnackedTable::renumber(UnackedMessage& message, std::uint64_t number) {
    UnackedMessage again = drop(message);
    again.number = number;
    GW_ASSERT(entries_.empty() || entries_.back().number < number);
    entries_.push_back(std::move(again));
}

UnackedMessage UnackedTable::drop(UnackedMessage& message) {
    refused_count_ -= message.is_refused ? 1 : 0;
    UnackedMessage taken = std::exchange(message, {});
    taken.is_refused = false;
    message.number = taken.number;
    message.is_over = true;
    ++over_count_;
    while (!entries_.empty() && entries_.front().is_over) {
        entries_.pop_front();
        --over_count_;
    }
    // One message that is never acknowledged must not keep the holes behind it.
    if (over_count_ > 64 && over_count_ > entries_.size() / 2) {
        compact();
    }
    entries_.shrink_when_empty(16);
    return taken;
}

void UnackedTable::compact() {
    for (std::size_t left = entries_.size(); left != 0; --left) {
        UnackedMessage entry = entries_.pop_front();
        if (!entry.is_over) {
            entries_.push_back(std::move(entry));
        }
    }
    over_count_ = 0;
}

}  // namespace gw::stomp
