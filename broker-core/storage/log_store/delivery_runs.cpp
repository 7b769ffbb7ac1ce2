#include "broker-core/storage/log_store/delivery_runs.hpp"

#include <algorithm>
#include <utility>

namespace gw {

namespace {

bool by_sequence(const RestoredDelivery& a, const RestoredDelivery& b) {
    return a.sequence < b.sequence;
}

bool is_completed(const RestoredDelivery& one) {
    return one.message == 0;
}

}  // namespace

bool DeliveryRuns::Run::complete(std::uint64_t sequence) {
    const auto at = std::lower_bound(
        deliveries.begin(), deliveries.end(), sequence,
        [](const RestoredDelivery& one, std::uint64_t wanted) { return one.sequence < wanted; });
    if (at == deliveries.end() || at->sequence != sequence || at->message == 0) {
        return false;
    }
    at->message = 0;
    ++dead_count;
    if (dead_count * 2 > deliveries.size()) {
        std::erase_if(deliveries, is_completed);
        dead_count = 0;
    }
    return true;
}

void DeliveryRuns::add(const RestoredDelivery& delivery) {
    if (first_.takes(delivery.sequence)) {
        first_.deliveries.push_back(delivery);
        return;
    }
    for (Run& run : others_) {
        if (run.takes(delivery.sequence)) {
            run.deliveries.push_back(delivery);
            return;
        }
    }
    others_.emplace_back();
    others_.back().deliveries.push_back(delivery);
}

bool DeliveryRuns::complete(std::uint64_t sequence) {
    if (first_.complete(sequence)) {
        return true;
    }
    return std::any_of(others_.begin(), others_.end(),
                       [sequence](Run& run) { return run.complete(sequence); });
}

std::vector<RestoredDelivery> DeliveryRuns::take() {
    std::vector<RestoredDelivery> all = std::move(first_.deliveries);
    for (const Run& run : others_) {
        all.insert(all.end(), run.deliveries.begin(), run.deliveries.end());
    }
    std::erase_if(all, is_completed);
    if (!others_.empty()) {
        std::sort(all.begin(), all.end(), by_sequence);
    }
    *this = DeliveryRuns{};
    return all;
}

}  // namespace gw
