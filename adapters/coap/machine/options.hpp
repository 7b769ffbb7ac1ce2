#pragma once

#include "broker-core/base/bytes.hpp"
#include "broker-core/base/clock.hpp"
#include "broker-core/message/origin.hpp"
#include "broker-core/message/qos.hpp"
#include "broker-core/topic/topic.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace gw::coap {

/// When a peer has to show that it receives at its address, by an Echo option (RFC 9175, 2.4).
/// DTLS has shown it already.
enum class EchoRule : std::uint8_t {
    never,
    large,   // before an answer more than three times as long as what asked for it
    always,  // before anything but a challenge is answered
};

/// Settings of one CoAP listener. Shared; a reload puts new ones in place.
struct MachineOptions {
    std::string listener;                    // its name in the configuration
    std::uint32_t body_bytes_max = 1 << 20;  // of a message, in however many blocks
    std::uint8_t size_exponent = 6;          // of the largest block: 1,024 bytes
    std::uint32_t client_id_bytes_max = 1024;
    TopicLimits topic_limits;
    Qos qos_max = Qos::exactly_once;
    bool retain_available = true;
    Seconds idle_time{120};          // of a client that observes nothing, and of a connection
    Seconds session_expiry{604800};  // of connections that name none; 0: never
    Milliseconds ack_timeout{2000};  // ACK_TIMEOUT (RFC 7252, 4.8)
    std::uint32_t retransmit_count_max = 4;  // MAX_RETRANSMIT
    Milliseconds piggyback_time{500};        // what takes longer to answer is acknowledged first
    Seconds confirm_interval{3600};  // an observer is asked that often whether it still is there
    std::uint32_t observation_count_max = 10000;  // of one client
    std::uint32_t publish_rate_max = 0;           // messages/s of one client, 0: none
    std::uint64_t client_count_max = 0;           // of the listener, 0: none
    std::uint64_t upload_bytes_max = 64 << 20;    // of bodies not complete yet, of one worker
    EchoRule echo = EchoRule::never;
    bool tells_created = false;  // 2.01 for a topic's first retained message
    bool lists_topics = false;   // retained topics in /.well-known/core
    bool waits_for_store = true;
    OriginRulesPtr origin;  // null: see Origin
};

using MachineOptionsPtr = std::shared_ptr<const MachineOptions>;

/// What the workers of one listener share. Any thread.
struct MachineShared {
    std::atomic<std::uint64_t> client_count{0};
};

/// Numbers that nobody outside can guess. Any thread.
class Secrets {
public:
    virtual ~Secrets() = default;
    /// A random number fit for a token.
    virtual std::uint64_t random() = 0;
    /// A keyed digest of `text`; the same for the same text while the program runs.
    virtual std::uint64_t seal(Bytes text) = 0;
};

}  // namespace gw::coap
