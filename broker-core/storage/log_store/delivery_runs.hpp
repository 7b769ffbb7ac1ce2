#pragma once

#include "broker-core/message/qos.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gw {

/// A delivery that is still owed, without its message: LogStore::read() gives that. 24 bytes.
struct RestoredDelivery {
    std::uint64_t sequence = 0;
    std::uint64_t message = 0;
    std::uint32_t identifier = 0;  // the only subscription identifier; 0: none, or see extras
    Qos qos = Qos::at_most_once;
    bool retain = false;
    bool has_extra = false;
};

/// The deliveries of one session while the log is read. They come in ascending order, but for those
/// that a compaction wrote again, which ascend among themselves: so there are a few ascending runs,
/// each searched by halving. Those that are completed go in batches. One thread.
class DeliveryRuns {
public:
    void add(const RestoredDelivery& delivery);
    /// False when there is no such delivery.
    bool complete(std::uint64_t sequence);
    /// All that are left, ascending by sequence; leaves nothing.
    std::vector<RestoredDelivery> take();
    /// Calls `is_dead(delivery)` for all that are left and drops those that it says.
    template <class IsDead>
    void drop_if(IsDead&& is_dead) {
        drop_from(first_, is_dead);
        for (Run& run : others_) {
            drop_from(run, is_dead);
        }
    }

private:
    struct Run {
        std::vector<RestoredDelivery> deliveries;  // message 0: completed
        std::size_t dead_count = 0;

        bool takes(std::uint64_t sequence) const {
            return deliveries.empty() || deliveries.back().sequence < sequence;
        }
        bool complete(std::uint64_t sequence);
    };

    template <class IsDead>
    static void drop_from(Run& run, IsDead& is_dead) {
        std::erase_if(run.deliveries, [&is_dead](const RestoredDelivery& one) {
            return one.message == 0 || is_dead(one);
        });
        run.dead_count = 0;
    }

    Run first_;
    std::vector<Run> others_;
};

}  // namespace gw
