#pragma once

#include "broker-core/access/access.hpp"
#include "broker-core/base/clock.hpp"
#include "broker-core/base/log.hpp"
#include "broker-core/door/door.hpp"
#include "broker-core/hooks/hook_set.hpp"
#include "broker-core/retained/retained_store.hpp"
#include "broker-core/router/router.hpp"
#include "broker-core/session/outbound_queue.hpp"
#include "broker-core/storage/storage.hpp"
#include "broker-core/topic/topic.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace gw {

/// Settings of the core that may change while it runs; each worker has its own copy.
struct BrokerOptions {
    std::string node_name = "mangrove@127.0.0.1";
    TopicLimits topic_limits;
    QueueLimits queue_limits;
    bool queue_qos0_offline = true;
    std::uint16_t inflight_max = 128;
    std::uint32_t subscriptions_max = 100000;  // of one session, 0: none
    std::uint64_t sessions_max = 0;            // of the instance, 0: none
    Seconds expiry_interval_max{0};            // of sessions, 0: none
    Seconds retained_expiry{0};                // 0: never
    Milliseconds auth_timeout{10000};          // for each answer of an authenticator
    /// Whether a session that was made with a strong proof is kept from a weaker one of the same
    /// user.
    bool takeover_by_strength = true;
    bool upgrade_qos = false;
    bool ignore_loop_deliver = false;
    bool retain_available = true;
    bool wildcard_subscriptions = true;
    bool shared_subscriptions = true;
    bool presence_events = true;
    bool disconnect_revoked = false;  // clients that lost a subscription by a change of rules
    Qos presence_qos = Qos::at_most_once;
};

/// How near the process is to its memory budget; each grade includes the ones before.
enum class MemoryGrade : std::uint8_t { normal, shed_qos0, pause_reading, refuse_connect };

/// What all workers share. Everything in here may be used by any thread.
struct BrokerShared {
    BrokerShared(const RouterOptions& router_options, const RetainedOptions& retained_options,
                 std::uint64_t key)
        : router(router_options), retained(retained_options), hash_key(key) {}

    Router router;
    RetainedStore retained;
    std::uint64_t hash_key;  // spreads client ids over partitions
    std::uint32_t worker_count = 1;
    std::shared_ptr<AccessPolicy> access;
    std::shared_ptr<Authenticator> authenticator;
    std::shared_ptr<AuthMethods> auth_methods;  // null: none
    std::shared_ptr<Door> door;                 // null: nobody is kept out
    HookSetPtr hooks;                           // that brokers start with; null: none
    ProtocolList protocols;                     // that adapters speak here
    Log* log = nullptr;
    std::atomic<MemoryGrade> memory_grade{MemoryGrade::normal};
    std::atomic<std::uint64_t> session_count{0};

    /// Partitions a client id belongs to; the same that a cluster would spread over its nodes.
    static constexpr std::uint32_t partition_count = 256;
    static std::uint32_t partition_of(std::string_view client_id, std::uint64_t key);
    std::uint32_t partition_of(std::string_view client_id) const {
        return partition_of(client_id, hash_key);
    }
    std::uint32_t worker_of(std::string_view client_id) const {
        return partition_of(client_id) % worker_count;
    }
};

}  // namespace gw
