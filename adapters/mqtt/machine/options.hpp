#pragma once

#include "broker-core/base/clock.hpp"
#include "broker-core/message/qos.hpp"
#include "broker-core/topic/topic.hpp"

#include <cstdint>
#include <string>

namespace gw::mqtt {

/// Settings of all MQTT connections of one listener. Machines hold them by shared pointer: a reload
/// puts new ones in place for new connections.
struct MachineOptions {
    std::uint32_t packet_bytes_max = 1 << 20;
    std::uint32_t unauthenticated_bytes_max = 128 << 10;  // of the CONNECT packet
    Milliseconds connect_timeout{30000};                  // until CONNECT is complete and decided
    std::uint32_t client_id_bytes_max = 1024;
    double keep_alive_backoff = 0.75;  // closed after 2 x this x keep alive
    Seconds server_keep_alive{0};      // 0: the client's own
    Seconds session_expiry{604800};    // of 3.x sessions that are not clean; 0: never
    std::uint16_t receive_maximum = 1024;
    std::uint16_t awaiting_rel_max = 0;  // for 3.x clients; 0: 65,535
    std::uint16_t topic_alias_maximum = 64;
    TopicLimits topic_limits;
    Qos qos_max = Qos::exactly_once;
    bool retain_available = true;
    bool wildcard_subscriptions = true;
    bool shared_subscriptions = true;
    bool subscription_identifiers = true;
    std::uint32_t user_properties_max = 100;  // of one packet
    std::uint32_t publish_rate_max = 0;       // messages/s, 0: none
    std::uint64_t byte_rate_max = 0;          // bytes/s, 0: none
    std::size_t unsent_bytes_max = 1 << 20;   // then deliveries wait in the session's queue
    std::string server_reference;             // told with 0x9C and at shutdown; empty: none
    std::string response_information;         // empty: none
    /// A publish without the right ends the connection, where its answer could not say why.
    bool disconnects_denied = false;
    bool waits_for_store = true;  // acknowledgements leave when what they promise is stored
};

}  // namespace gw::mqtt
