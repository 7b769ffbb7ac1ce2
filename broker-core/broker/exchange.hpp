#pragma once

#include "broker-core/message/message.hpp"
#include "broker-core/router/match_result.hpp"
#include "broker-core/router/shared_group.hpp"
#include "broker-core/storage/storage.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace gw {

class Broker;

/// Names a delivery to nobody that keeps a message in the store until the worker it is on its way
/// to has stored its own deliveries of it: that one completes it with them. 0: none.
struct Hold {
    std::uint64_t session_id = 0;
    std::uint64_t sequence = 0;
};

/// How a message comes to where it is delivered.
struct Passage {
    bool is_refusable = false;  // the publisher is told when it cannot be stored
    Hold hold;
    std::uint32_t passed_over = 0;  // members of the group that could not take it
};

/// A message on its way from one worker to another: to all targets that `match` has there, or, when
/// `match` is null, to the one member that a shared group chose.
struct CrossDelivery {
    MessagePtr message;
    MatchPtr match;
    SharedGroupPtr group;
    RouteTarget target;
    Passage passage;
};

using CrossBatch = std::vector<CrossDelivery>;
using BrokerTask = std::function<void(Broker&)>;

/// Carries batches between workers. To one worker batches arrive in the order in which they were
/// posted, whoever posted them; from one worker tasks do, too.
class Exchange {
public:
    virtual ~Exchange() = default;
    /// Takes the content of `batch`; it comes back empty, perhaps with memory to use again. Called
    /// by worker `from`, at most once a turn and target. Arrives as Broker::on_batch(). A ticket
    /// other than 0 says that `from` waits until what follows from the batch is stored; batches
    /// that are joined on their way keep the last one's.
    virtual void post(std::uint32_t from, std::uint32_t to, CrossBatch& batch,
                      StoreTicket ticket) = 0;
    /// Runs a task on a worker; for what is rare. Any thread.
    virtual void post_task(std::uint32_t to, BrokerTask task) = 0;
};

}  // namespace gw
