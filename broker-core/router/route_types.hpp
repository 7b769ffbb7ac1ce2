#pragma once

#include "broker-core/base/intrusive_ptr.hpp"
#include "broker-core/message/identity.hpp"
#include "broker-core/message/qos.hpp"

#include <atomic>
#include <cstdint>

namespace gw {

/// In an identifier of a delivery: an adapter without subscription identifiers on its wire has
/// chosen it, to find its own subscription again. A session may be another protocol's by the time
/// of the delivery, and its client must not be told a number that it has never given.
constexpr std::uint32_t private_identifier_bit = 1U << 28;

/// Options of one subscription, packed into 32 bits (MQTT 5.0, 3.8.3.1).
struct SubscriptionOptions {
    std::uint32_t identifier : 28 = 0;  // subscription identifier, 0: none
    std::uint32_t qos : 2 = 0;          // 3: the identifier is private, see with_private_identifier
    std::uint32_t no_local : 1 = 0;
    std::uint32_t retain_as_published : 1 = 0;

    /// A subscription with an identifier (1 to 268,435,455) of the adapter's own. It has neither of
    /// the two flags of MQTT 5, whose bits hold the QoS.
    static SubscriptionOptions with_private_identifier(std::uint32_t identifier, Qos max_qos) {
        const auto bits = static_cast<std::uint32_t>(max_qos);
        SubscriptionOptions options;
        options.identifier = identifier & 0x0fffffffU;
        options.qos = 3;
        options.no_local = bits & 1U;
        options.retain_as_published = bits >> 1 & 1U;
        return options;
    }

    bool is_private() const { return qos == 3; }
    Qos max_qos() const {
        return static_cast<Qos>(is_private() ? no_local | retain_as_published << 1 : qos);
    }
    bool skips_own() const { return !is_private() && no_local != 0; }
    bool keeps_retain() const { return !is_private() && retain_as_published != 0; }
    /// The identifier as deliveries have it, 0: none.
    std::uint32_t delivered_identifier() const {
        return identifier | (is_private() ? private_identifier_bit : 0U);
    }
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
