#pragma once

#include "broker-core/base/clock.hpp"
#include "broker-core/message/message.hpp"
#include "broker-core/message/reason.hpp"

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace gw {

/// Names a point in the order of what one worker had stored. 0: nothing to wait for.
using StoreTicket = std::uint64_t;

/// What became of what was to be stored.
enum class StoreOutcome : std::uint8_t {
    stored,
    no_room,  // disk or quota full
    failed,   // anything else: I/O error, read-only, damaged
};

/// Why a client is refused what could not be stored (MQTT 5.0, 2.4).
inline ReasonCode reason_of(StoreOutcome outcome) {
    switch (outcome) {
        case StoreOutcome::stored:
            return ReasonCode::success;
        case StoreOutcome::no_room:
            return ReasonCode::quota_exceeded;
        case StoreOutcome::failed:
            break;
    }
    return ReasonCode::implementation_specific_error;
}

/// Of a stored subscription, behind the 32 bits of its options: retained messages are still to come
/// by it.
inline constexpr std::uint64_t brings_retained = std::uint64_t{1} << 32;

/// A delivery as it is stored: one message for one session (architecture, section 7).
struct StoredDelivery {
    std::uint64_t session_id = 0;  // the store's, see Storage::new_session_id()
    std::uint64_t sequence = 0;
    std::uint64_t message_id = 0;
    Qos qos = Qos::at_least_once;
    bool retain = false;
    std::span<const std::uint32_t> identifiers;
    std::string_view group;  // whole text of the shared filter that chose the session, or empty
};

/// Where a worker's sessions, queues and retained messages are kept. One object a worker, called by
/// its thread only; never blocks. Everything given in one turn is handed over by submit() and is
/// safe once Broker::on_store_progress() has named its ticket.
class Storage {
public:
    virtual ~Storage() = default;

    /// Whether anything is kept at all. If not, nothing else is called.
    virtual bool is_durable() const = 0;

    /// A message body, under a number that no other has had.
    virtual void put_message(std::uint64_t id, const Message& message, Now now) = 0;
    /// One session must get that message, though the process dies.
    virtual void put_delivery(const StoredDelivery& delivery) = 0;
    /// The delivery is over; with its last delivery a message goes.
    virtual void complete(std::uint64_t session_id, std::uint64_t sequence,
                          std::uint64_t message_id) = 0;

    virtual std::uint64_t new_session_id() = 0;
    virtual void put_session(std::uint64_t session_id, std::string_view client_id,
                             std::string_view state) = 0;
    virtual void remove_session(std::uint64_t session_id) = 0;
    /// `options`: SubscriptionOptions, and `brings_retained`.
    virtual void put_subscription(std::uint64_t session_id, std::string_view filter,
                                  std::uint64_t options) = 0;
    virtual void remove_subscription(std::uint64_t session_id, std::string_view filter) = 0;
    /// A retained message was set, or cleared by an empty payload. Of what different workers give
    /// for one topic, the highest version counts, whoever comes last: see RetainedStore::set().
    virtual void put_retained(const Message& message, std::uint64_t version, Now now) = 0;
    /// Messages at QoS 2 from the client that are not released: Unreleased::to_stored().
    virtual void put_inbound(std::uint64_t session_id, std::uint64_t unreleased) = 0;
    virtual void remove_inbound(std::uint64_t session_id, std::uint64_t unreleased) = 0;
    /// Deliveries at QoS 2 that the client has received and not completed: stored_release().
    virtual void put_released(std::uint64_t session_id, std::uint64_t released) = 0;
    virtual void remove_released(std::uint64_t session_id, std::uint64_t released) = 0;

    /// What was given in this turn contains all that followed from a batch of another worker.
    virtual void cover(std::uint32_t worker, StoreTicket ticket) = 0;
    /// Hands over what was given since the last call. False: there was nothing.
    virtual bool submit(StoreTicket ticket) = 0;
    /// Whether something was given since the last submit().
    virtual bool has_pending() const = 0;

    /// Fetches message bodies; they come back to Broker::on_loaded().
    virtual void load(SessionRef session, std::vector<std::uint64_t> message_ids) = 0;
};

/// Keeps nothing: the core's own memory is all there is, so there is nothing to wait for.
class MemoryStorage final : public Storage {
public:
    bool is_durable() const override { return false; }
    void put_message(std::uint64_t, const Message&, Now) override {}
    void put_delivery(const StoredDelivery&) override {}
    void complete(std::uint64_t, std::uint64_t, std::uint64_t) override {}
    std::uint64_t new_session_id() override { return 0; }
    void put_session(std::uint64_t, std::string_view, std::string_view) override {}
    void remove_session(std::uint64_t) override {}
    void put_subscription(std::uint64_t, std::string_view, std::uint64_t) override {}
    void remove_subscription(std::uint64_t, std::string_view) override {}
    void put_retained(const Message&, std::uint64_t, Now) override {}
    void put_inbound(std::uint64_t, std::uint64_t) override {}
    void remove_inbound(std::uint64_t, std::uint64_t) override {}
    void put_released(std::uint64_t, std::uint64_t) override {}
    void remove_released(std::uint64_t, std::uint64_t) override {}
    void cover(std::uint32_t, StoreTicket) override {}
    bool submit(StoreTicket) override { return false; }
    bool has_pending() const override { return false; }
    void load(SessionRef, std::vector<std::uint64_t>) override {}
};

}  // namespace gw
