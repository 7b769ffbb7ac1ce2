#pragma once

#include "broker-core/message/handshake_failure.hpp"
#include "broker-core/message/identity.hpp"
#include "broker-core/message/reason.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace gw {

/// A number that one worker writes and any thread reads. Adding costs as much as to a plain
/// integer: there is one writer, so no read-modify-write is needed.
class Counter {
public:
    void add(std::uint64_t amount = 1) {
        value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    }
    void subtract(std::uint64_t amount = 1) { add(0 - amount); }
    std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

/// Why a message, or one delivery of it, was given up. Each has a counter.
enum class DropReason : std::uint8_t {
    queue_full,               // the session's queue was at its bound
    expired,                  // message expiry interval passed while it waited
    packet_too_large,         // above the client's Maximum Packet Size
    offline_qos0,             // QoS 0 for a session without a connection
    memory_shed,              // QoS 0, memory budget nearly used up
    not_authorized_publish,   // publisher has no right to the topic
    not_authorized_delivery,  // subscriber has no right to the topic
    session_ended,            // was waiting for a session that ended
    refused_by_hook,
    refused_by_client,  // PUBREC or PUBACK with an error
    no_group_member,    // a shared group without any session left
    invalid,            // topic alias, payload format and the like; the publisher was told
    session_gone,       // the session ended while the message crossed workers
    superseded,         // by a newer one of its topic, for a client that sleeps
    not_stored,         // QoS 2 that could not be stored; the publisher was told
};
inline constexpr std::size_t drop_reason_count = 15;
std::string_view drop_reason_name(DropReason reason);

/// Why a datagram of an adapter over UDP was given up. Each has a counter.
enum class DatagramDrop : std::uint8_t {
    truncated,        // ends within its message
    length_mismatch,  // its length field is not its size
    unknown_type,     // a reserved message type
    overlong,         // more than the message has fields
    nested_too_deep,  // too many forwarders behind each other
    unexpected,       // a message that only a gateway sends, or that nothing had asked for
    unknown_peer,     // from an address that is nobody's
    not_allowed,      // address not allowed by the listener's access list
    rate,             // above the client's or the listener's rate
    refused_publish,  // publish without a connection: not enabled, not authorised, no such topic
    too_long,         // above the largest datagram
    unsent,           // the socket took no more
    busy,             // too much waits for an answer about this client
};
inline constexpr std::size_t datagram_drop_count = 13;
std::string_view datagram_drop_name(DatagramDrop reason);

/// Why somebody was not let in. Each has a counter.
enum class DoorReason : std::uint8_t {
    no_room,          // node.max_connections, or the limit of open files
    listener_full,    // the listener's max_clients
    listener_rate,    // the listener's max_conn_rate
    access_list,      // the listener's access rules
    address_rate,     // connections of one address
    network_rate,     // connections of one network
    unauthenticated,  // too many who have not said who they are
    loop_lag,         // the workers are behind
    banned,
    login_delay,      // failed logins of the address or the user
    reserved_name,    // a name or id that only the gateway itself has
    other_principal,  // the session of the client id is another user's
    weaker_proof,     // it was made with a stronger proof than the one shown now
};
inline constexpr std::size_t door_reason_count = 13;
std::string_view door_reason_name(DoorReason reason);

/// Counters of one worker. Names are public interface (see for_each_metric()).
struct Metrics {
    Counter bytes_received, bytes_sent;
    Counter packets_received, packets_sent;
    /// By MQTT packet type, 1 to 15.
    std::array<Counter, 16> packets_received_by_type, packets_sent_by_type;
    Counter stomp_frames_received, stomp_frames_sent, stomp_errors_sent;
    Counter messages_received, messages_sent;
    std::array<Counter, 3> messages_received_by_qos, messages_sent_by_qos;
    Counter messages_dropped;
    std::array<Counter, drop_reason_count> messages_dropped_by_reason;
    Counter messages_without_subscriber;
    Counter messages_redispatched;                       // of shared groups, to another member
    Counter retained_refused;                            // over a limit of the retained store
    Counter reading_paused_rate, reading_paused_memory;  // times that a connection had to wait
    Counter connections_opened, connections_closed;
    /// By the reason that ended the connection, or that refused the CONNECT.
    std::array<Counter, 256> connections_closed_by_reason, connects_refused_by_reason;
    Counter handshakes_completed, handshakes_failed;  // TLS and the like, below the protocol
    std::array<Counter, handshake_failure_count> handshakes_failed_by_reason;
    Counter connections_refused;                                    // before CONNECT
    std::array<Counter, door_reason_count> door_refused_by_reason;  // before or at CONNECT
    Counter bans_by_flapping;
    Counter requests_refused;  // HTTP requests answered with an error
    /// By status, 400 to 431; others are not sent.
    std::array<Counter, 32> requests_refused_by_status;
    Counter layers_failed;  // connections ended since the peer broke the rules of TLS or WebSocket
    /// By the code of the WebSocket Close that we sent, from 1000 on.
    std::array<Counter, 16> websockets_failed_by_code;
    Counter sessions_created, sessions_resumed, sessions_taken_over, sessions_expired;
    Counter sessions_removed;
    /// Logins by what decided them; `none`: anonymous ones, and ones that nothing vouched for.
    std::array<Counter, auth_source_count> auth_allowed_by_source, auth_denied_by_source;
    Counter auth_cache_hits, auth_cache_misses;
    Counter auth_busy;       // refused since too many logins were waiting
    Counter auth_timeouts;   // refused since no answer came in time
    Counter logins_expired;  // connections ended since their proof had expired
    Counter wills_published;
    Counter subscribes_refused;
    Counter datagrams_dropped;
    std::array<Counter, datagram_drop_count> datagrams_dropped_by_reason;
    Counter retransmissions;        // of what a client of a datagram protocol did not acknowledge
    Counter replies_refused_store;  // not acknowledged, since the store failed
    Counter coap_requests, coap_duplicates, coap_requests_refused;
    Counter coap_observations_reset, coap_observations_lost;  // ended by RST, by silence
    Counter coap_uploads_abandoned, coap_connections_moved;
    Counter subscriptions_revoked;  // ended since the client lost its right
    /// Gauges.
    Counter sessions, clients_online, coap_observations;

    void refuse_request(unsigned status) {
        requests_refused.add();
        if (status >= 400 && status - 400 < requests_refused_by_status.size()) {
            requests_refused_by_status[status - 400].add();
        }
    }
    void fail_layer(unsigned code) {
        layers_failed.add();
        if (code >= 1000 && code - 1000 < websockets_failed_by_code.size()) {
            websockets_failed_by_code[code - 1000].add();
        }
    }
    void drop(DropReason reason, std::uint64_t amount = 1) {
        messages_dropped.add(amount);
        messages_dropped_by_reason[static_cast<std::size_t>(reason)].add(amount);
    }
    void drop(DatagramDrop reason, std::uint64_t amount = 1) {
        datagrams_dropped.add(amount);
        datagrams_dropped_by_reason[static_cast<std::size_t>(reason)].add(amount);
    }
};

enum class MetricKind : std::uint8_t { counter, gauge };

/// One metric as the exporters see it.
struct MetricView {
    std::string_view name;  // EMQ's where EMQ had it: "packets/publish/received"
    MetricKind kind;
    std::string_view help;
    std::uint64_t value;
};

namespace detail {
class MetricVisitor {
public:
    virtual ~MetricVisitor() = default;
    virtual void visit(const MetricView& metric) = 0;
};
void visit_metrics(const Metrics* const* workers, std::size_t count, MetricVisitor& visitor);
}  // namespace detail

/// Calls `visit(const MetricView&)` for each metric, added up over the workers.
template <class Workers, class Visit>
void for_each_metric(const Workers& workers, const Visit& visit) {
    struct Visitor final : detail::MetricVisitor {
        explicit Visitor(const Visit& function) : function_(function) {}
        void visit(const MetricView& metric) override { function_(metric); }
        const Visit& function_;
    } visitor{visit};
    detail::visit_metrics(workers.data(), workers.size(), visitor);
}

}  // namespace gw
