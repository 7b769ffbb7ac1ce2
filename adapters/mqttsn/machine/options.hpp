#pragma once

#include "adapters/mqttsn/machine/predefined_topics.hpp"
#include "broker-core/base/clock.hpp"
#include "broker-core/base/hash.hpp"
#include "broker-core/message/origin.hpp"
#include "broker-core/message/qos.hpp"
#include "broker-core/topic/topic.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace gw::mqttsn {

/// How many messages of one topic are kept for a client that sleeps.
struct SleepRule {
    std::string filter;           // a topic filter without prefix
    std::uint32_t count_max = 0;  // 0: all
};

/// Settings of one MQTT-SN listener. Shared; a reload puts new ones in place.
struct GatewayOptions {
    std::string listener;         // its name in the configuration
    std::uint8_t gateway_id = 1;  // in ADVERTISE and GWINFO
    Seconds advertise_interval{900};
    Milliseconds retry_interval{10000};   // T_retry
    std::uint32_t retry_count_max = 5;    // N_retry
    double retry_backoff = 1.5;           // each interval is this times the one before
    Milliseconds connect_timeout{30000};  // until CONNECT, will and decision are complete
    std::uint32_t client_id_bytes_max = 1024;
    std::uint32_t topic_count_max = 1000;  // registered for one client
    TopicLimits topic_limits;
    double keep_alive_backoff = 0.75;  // lost after 2 x this x keep alive
    Seconds session_expiry{604800};    // of sessions that are not clean; 0: never
    Qos qos_max = Qos::exactly_once;
    bool retain_available = true;
    std::uint32_t datagram_bytes_max = 65507;  // of what is sent
    std::uint32_t publish_rate_max = 0;        // messages/s of one client, 0: none
    std::uint64_t client_count_max = 0;        // of the listener, 0: none
    std::uint32_t connect_rate_max = 0;        // of one worker, connections/s, 0: none
    bool waits_for_store = true;
    bool follows_proven_clients =
        false;  // any message of a proven client moves it, not CONNECT only
    std::optional<std::string> username;  // MQTT-SN has none: what all clients show
    std::optional<std::string> password;
    /// As whom clients publish that are not connected (QoS -1); none: they do not.
    std::optional<std::string> connectionless_username;  // empty: anonymous
    std::vector<SleepRule> sleep_rules;                  // the first that matches decides
    std::shared_ptr<const PredefinedTopics> predefined = std::make_shared<PredefinedTopics>();
    OriginRulesPtr origin;  // null: see Origin
};

using GatewayOptionsPtr = std::shared_ptr<const GatewayOptions>;

/// What the workers of one listener share. Any thread.
struct GatewayShared {
    std::atomic<std::uint64_t> client_count{0};

    /// Clients by what proves them, for those that change their address: see
    /// GatewayOptions::follows_proven_clients. A proof that several clients have is nobody's.
    class ProvenClients {
    public:
        void add(const std::string& proof, const std::string& client_id);
        void remove(const std::string& proof);
        /// The only client with that proof, or "".
        std::string find(const std::string& proof) const;

    private:
        struct Entry {
            std::string client_id;
            std::uint32_t count = 0;
        };
        mutable std::mutex mutex_;  // guards the map
        NameTable<Entry> clients_;
    } proven;
};

}  // namespace gw::mqttsn
