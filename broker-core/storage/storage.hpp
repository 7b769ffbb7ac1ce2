#pragma once

#include "broker-core/message/message.hpp"

#include <cstdint>
#include <string_view>

namespace gw {

/// Names a point in the order of what one worker had stored. 0: nothing to wait for.
using StoreTicket = std::uint64_t;

/// Where a worker's sessions, queues and retained messages are kept. One object a worker, called by
/// it only; never blocks. What was written is safe once the storage has reported a ticket at least
/// as high through Broker::on_stored(); an acknowledgement that promises it waits for that.
class Storage {
public:
    virtual ~Storage() = default;

    /// A message was published that the session of this client id must get, though the process
    /// dies.
    virtual void keep_delivery(std::string_view client_id, const MessagePtr& message) = 0;
    /// A retained message was set, or cleared by an empty payload.
    virtual void keep_retained(const MessagePtr& message) = 0;
    /// The state of a session other than its queue has changed: created, resumed, subscriptions,
    /// packet ids of QoS 2, expiry.
    virtual void keep_session(std::string_view client_id) = 0;
    virtual void forget_session(std::string_view client_id) = 0;

    /// The ticket that stands for all that was given so far; 0 when it is safe already.
    virtual StoreTicket ticket() = 0;
};

/// Keeps nothing: the core's own memory is all there is, so there is nothing to wait for.
class MemoryStorage final : public Storage {
public:
    void keep_delivery(std::string_view, const MessagePtr&) override {}
    void keep_retained(const MessagePtr&) override {}
    void keep_session(std::string_view) override {}
    void forget_session(std::string_view) override {}
    StoreTicket ticket() override { return 0; }
};

}  // namespace gw
