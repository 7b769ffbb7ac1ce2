#pragma once

#include "broker-core/base/intrusive_ptr.hpp"
#include "broker-core/message/identity.hpp"
#include "broker-core/message/qos.hpp"

#include <atomic>
#include <cstdint>

namespace gw {

/// Options of one subscription, packed into 32 bits (MQTT 5.0, 3.8.3.1).
struct SubscriptionOptions {
    std::uint32_t identifier : 28 = 0;  // subscription identifier, 0: none
    std::uint32_t qos : 2 = 0;
    std::uint32_t no_local : 1 = 0;
    std::uint32_t retain_as_published : 1 = 0;

    Qos max_qos() const { return static_cast<Qos>(qos); }
    bool operator==(const SubscriptionOptions&) const = default;
};
static_assert(sizeof(SubscriptionOptions) == 4);

/// How busy a session is, read by shared groups of any worker; written by the session's owner.
/// Made only for sessions that are in a shared group.
struct SessionLoad : RefCounted<SessionLoad> {
    mutable std::atomic<bool> online{false};
    mutable std::atomic<std::uint32_t> inflight_count{0};  // in flight and queued
};
using SessionLoadPtr = IntrusivePtr<const SessionLoad>;

/// One session that a topic is to be delivered to, through one of its subscriptions.
struct RouteTarget {
    SessionRef session;
    SubscriptionOptions options;
};

/// How a shared group chooses the member that gets a message.
enum class ShareStrategy : std::uint8_t {
    random,
    round_robin,
    sticky,
    hash_clientid,  // of the publisher
    hash_topic,
    least_inflight,
};

}  // namespace gw
