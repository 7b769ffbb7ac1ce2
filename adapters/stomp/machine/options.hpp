#pragma once

#include "broker-core/base/clock.hpp"
#include "broker-core/topic/topic.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace gw::stomp {

/// Settings of all STOMP connections of one listener. Machines hold them by shared pointer: a
/// reload puts new ones in place for new connections.
struct MachineOptions {
    std::uint32_t header_count_max = 50;
    std::uint32_t line_bytes_max = 8192;
    std::uint32_t body_bytes_max = 1 << 20;
    std::uint32_t unauthenticated_bytes_max = 128 << 10;  // all bytes before the login
    Milliseconds connect_timeout{30000};                  // until CONNECT is complete and decided
    std::uint32_t client_id_bytes_max = 1024;
    Milliseconds heart_beat_min{1000};  // the shortest interval, both ways; 0: no heart-beats
    std::uint16_t unacked_max = 1000;   // messages sent and not acknowledged, of one connection
    std::uint32_t subscriptions_max = 10000;            // ids of one connection; 0: any number
    std::uint32_t transaction_count_max = 16;           // open ones of one connection
    std::uint32_t transaction_frame_count_max = 10000;  // in all of them
    std::size_t transaction_bytes_max = 8 << 20;        // in all of them
    Milliseconds transaction_timeout{60000};            // from BEGIN
    std::string destination_alias;   // taken off the front of destinations; empty: none
    Seconds session_expiry{604800};  // of sessions with durable subscriptions; 0: never
    TopicLimits topic_limits;
    bool retain_available = true;
    std::uint32_t user_properties_max = 100;  // of one message
    std::uint32_t publish_rate_max = 0;       // messages/s, 0: none
    std::uint64_t byte_rate_max = 0;          // bytes/s, 0: none
    std::size_t unsent_bytes_max = 1 << 20;   // then deliveries wait in the session's queue
    std::string server_name = "mangrove";     // of the CONNECTED frame
    bool waits_for_store = true;              // receipts leave when what they promise is stored
};

}  // namespace gw::stomp
