#include "broker-core/metrics/metrics.hpp"

#include "broker-core/base/assert.hpp"

#include <functional>
#include <string>

namespace gw {

std::string_view drop_reason_name(DropReason reason) {
    switch (reason) {
        case DropReason::queue_full:
            return "queue_full";
        case DropReason::expired:
            return "expired";
        case DropReason::packet_too_large:
            return "packet_too_large";
        case DropReason::offline_qos0:
            return "offline_qos0";
        case DropReason::memory_shed:
            return "memory_shed";
        case DropReason::not_authorized_publish:
            return "not_authorized_publish";
        case DropReason::not_authorized_delivery:
            return "not_authorized_delivery";
        case DropReason::session_ended:
            return "session_ended";
        case DropReason::refused_by_hook:
            return "refused_by_hook";
        case DropReason::refused_by_client:
            return "refused_by_client";
        case DropReason::no_group_member:
            return "no_group_member";
        case DropReason::invalid:
            return "invalid";
        case DropReason::session_gone:
            return "session_gone";
        case DropReason::superseded:
            return "superseded";
        case DropReason::not_stored:
            return "not_stored";
    }
    GW_UNREACHABLE();
}

std::string_view datagram_drop_name(DatagramDrop reason) {
    constexpr std::array<std::string_view, datagram_drop_count> names = {
        "truncated",  "length_mismatch", "unknown_type", "overlong", "nested_too_deep",
        "unexpected", "unknown_peer",    "not_allowed",  "rate",     "refused_publish",
        "too_long",   "unsent",          "busy"};
    return names[static_cast<std::size_t>(reason)];
}

std::string_view door_reason_name(DoorReason reason) {
    switch (reason) {
        case DoorReason::no_room:
            return "no_room";
        case DoorReason::listener_full:
            return "listener_full";
        case DoorReason::listener_rate:
            return "listener_rate";
        case DoorReason::access_list:
            return "access_list";
        case DoorReason::address_rate:
            return "address_rate";
        case DoorReason::network_rate:
            return "network_rate";
        case DoorReason::unauthenticated:
            return "unauthenticated";
        case DoorReason::loop_lag:
            return "loop_lag";
        case DoorReason::banned:
            return "banned";
        case DoorReason::login_delay:
            return "login_delay";
        case DoorReason::reserved_name:
            return "reserved_name";
        case DoorReason::other_principal:
            return "other_principal";
        case DoorReason::weaker_proof:
            return "weaker_proof";
    }
    GW_UNREACHABLE();
}

namespace detail {

namespace {

constexpr std::array<std::string_view, 16> packet_names = {
    "",        "connect",  "connack",    "publish", "puback",      "pubrec",
    "pubrel",  "pubcomp",  "subscribe",  "suback",  "unsubscribe", "unsuback",
    "pingreq", "pingresp", "disconnect", "auth"};

/// Adds one counter up over the workers and hands it on.
class Sum {
public:
    Sum(const Metrics* const* workers, std::size_t count, MetricVisitor& visitor)
        : workers_(workers), count_(count), visitor_(visitor) {}

    template <class Get>
    void counter(std::string_view name, std::string_view help, const Get& get,
                 MetricKind kind = MetricKind::counter) {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < count_; ++i) {
            value += get(*workers_[i]).value();
        }
        visitor_.visit({name, kind, help, value});
    }
    /// Reason codes that never occurred are left out: there are 256 of them.
    template <class Get>
    void by_reason(const std::string& prefix, std::string_view help, const Get& get) {
        for (std::size_t code = 0; code < 256; ++code) {
            std::uint64_t value = 0;
            for (std::size_t i = 0; i < count_; ++i) {
                value += get(*workers_[i])[code].value();
            }
            if (value != 0) {
                std::string name = prefix + std::string{reason_text(static_cast<ReasonCode>(code))};
                for (char& c : name) {
                    c = c == ' ' ? '_' : c;
                }
                visitor_.visit({name, MetricKind::counter, help, value});
            }
        }
    }

private:
    const Metrics* const* workers_;
    std::size_t count_;
    MetricVisitor& visitor_;
};

/// Types that go one way have one counter, as in EMQ; for the others the way is in the name.
enum class Way { received, sent, both };

Way way_of(std::size_t type) {
    switch (type) {
        case 1:   // CONNECT
        case 8:   // SUBSCRIBE
        case 10:  // UNSUBSCRIBE
        case 12:  // PINGREQ
            return Way::received;
        case 2:   // CONNACK
        case 9:   // SUBACK
        case 11:  // UNSUBACK
        case 13:  // PINGRESP
            return Way::sent;
        default:
            return Way::both;
    }
}

void visit_packets(Sum& sum) {
    for (std::size_t type = 1; type < packet_names.size(); ++type) {
        const std::string name = "packets/" + std::string{packet_names[type]};
        const auto received = [type](const Metrics& m) -> const Counter& {
            return m.packets_received_by_type[type];
        };
        const auto sent = [type](const Metrics& m) -> const Counter& {
            return m.packets_sent_by_type[type];
        };
        switch (way_of(type)) {
            case Way::received:
                sum.counter(name, "MQTT packets of this type received.", received);
                break;
            case Way::sent:
                sum.counter(name, "MQTT packets of this type sent.", sent);
                break;
            case Way::both:
                sum.counter(name + "/received", "MQTT packets of this type received.", received);
                sum.counter(name + "/sent", "MQTT packets of this type sent.", sent);
                break;
        }
    }
    // EMQ counted those of clients under the plain name.
    sum.counter("packets/disconnect", "DISCONNECT packets received.",
                [](const Metrics& m) -> const Counter& { return m.packets_received_by_type[14]; });
}

void visit_messages(Sum& sum) {
    sum.counter("messages/received", "Messages published by clients.",
                std::mem_fn(&Metrics::messages_received));
    sum.counter("messages/sent", "Copies of messages sent to clients.",
                std::mem_fn(&Metrics::messages_sent));
    for (std::size_t qos = 0; qos < 3; ++qos) {
        const std::string name = "messages/qos" + std::to_string(qos);
        sum.counter(
            name + "/received", "Messages published by clients at this QoS.",
            [qos](const Metrics& m) -> const Counter& { return m.messages_received_by_qos[qos]; });
        sum.counter(
            name + "/sent", "Copies sent at this QoS.",
            [qos](const Metrics& m) -> const Counter& { return m.messages_sent_by_qos[qos]; });
    }
    sum.counter("messages/dropped", "Messages, or copies of one, that were given up.",
                std::mem_fn(&Metrics::messages_dropped));
    for (std::size_t reason = 0; reason < drop_reason_count; ++reason) {
        const std::string name =
            "messages/dropped/" + std::string{drop_reason_name(static_cast<DropReason>(reason))};
        sum.counter(name, "Given up for this reason.",
                    [reason](const Metrics& m) -> const Counter& {
                        return m.messages_dropped_by_reason[reason];
                    });
    }
    sum.counter("messages/without_subscriber", "Messages that no subscription matched.",
                std::mem_fn(&Metrics::messages_without_subscriber));
    sum.counter("messages/redispatched", "Messages of a shared group given to another member.",
                std::mem_fn(&Metrics::messages_redispatched));
    sum.counter("connections/paused/rate", "Times a client was not read for its rate.",
                std::mem_fn(&Metrics::reading_paused_rate));
    sum.counter("connections/paused/memory",
                "Times a client's PUBLISH was left unread since memory was scarce.",
                std::mem_fn(&Metrics::reading_paused_memory));
    sum.counter("messages/retained/refused", "Messages not retained for a limit of the store.",
                std::mem_fn(&Metrics::retained_refused));
}

void visit_sessions(Sum& sum) {
    sum.counter("connections/opened", "Connections accepted.",
                std::mem_fn(&Metrics::connections_opened));
    sum.counter("connections/closed", "Connections ended.",
                std::mem_fn(&Metrics::connections_closed));
    sum.counter("connections/refused", "Connections refused before CONNECT.",
                std::mem_fn(&Metrics::connections_refused));
    sum.counter("connections/handshakes", "TLS and other handshakes below the protocol completed.",
                std::mem_fn(&Metrics::handshakes_completed));
    sum.counter("connections/handshakes/failed", "Handshakes that failed.",
                std::mem_fn(&Metrics::handshakes_failed));
    for (std::size_t reason = 0; reason < handshake_failure_count; ++reason) {
        const std::string name =
            "connections/handshakes/failed/" +
            std::string{handshake_failure_name(static_cast<HandshakeFailure>(reason))};
        sum.counter(name, "Handshakes that failed for this reason.",
                    [reason](const Metrics& m) -> const Counter& {
                        return m.handshakes_failed_by_reason[reason];
                    });
    }
    sum.counter("http/refused", "HTTP requests answered with an error.",
                std::mem_fn(&Metrics::requests_refused));
    for (const unsigned status : {400U, 403U, 404U, 405U, 408U, 413U, 426U, 431U}) {
        sum.counter("http/refused/" + std::to_string(status), "HTTP requests with this answer.",
                    [status](const Metrics& m) -> const Counter& {
                        return m.requests_refused_by_status[status - 400];
                    });
    }
    sum.counter("connections/layer_failed",
                "Connections ended since the peer broke the rules of TLS or WebSocket.",
                std::mem_fn(&Metrics::layers_failed));
    for (const unsigned code : {1002U, 1003U, 1007U, 1008U, 1009U}) {
        sum.counter("websocket/failed/" + std::to_string(code),
                    "WebSocket connections closed with this code for what the client sent.",
                    [code](const Metrics& m) -> const Counter& {
                        return m.websockets_failed_by_code[code - 1000];
                    });
    }
    for (std::size_t reason = 0; reason < door_reason_count; ++reason) {
        const std::string name =
            "door/refused/" + std::string{door_reason_name(static_cast<DoorReason>(reason))};
        sum.counter(name, "Connections not let in for this reason.",
                    [reason](const Metrics& m) -> const Counter& {
                        return m.door_refused_by_reason[reason];
                    });
    }
    sum.counter("door/bans/flapping", "Client ids banned for coming and going too often.",
                std::mem_fn(&Metrics::bans_by_flapping));
    sum.by_reason("connections/closed/", "Connections ended for this reason.",
                  std::mem_fn(&Metrics::connections_closed_by_reason));
    sum.by_reason("connections/connect_refused/", "CONNECT packets refused for this reason.",
                  std::mem_fn(&Metrics::connects_refused_by_reason));
    sum.counter("sessions/created", "Sessions created.", std::mem_fn(&Metrics::sessions_created));
    sum.counter("sessions/resumed", "Sessions resumed by their client.",
                std::mem_fn(&Metrics::sessions_resumed));
    sum.counter("sessions/taken_over", "Connections ended since the client came again.",
                std::mem_fn(&Metrics::sessions_taken_over));
    sum.counter("sessions/expired", "Sessions whose expiry interval passed.",
                std::mem_fn(&Metrics::sessions_expired));
    sum.counter("sessions/removed", "Sessions ended, for any reason.",
                std::mem_fn(&Metrics::sessions_removed));
    sum.counter("wills/published", "Will messages published.",
                std::mem_fn(&Metrics::wills_published));
    sum.counter("subscribes/refused", "Filters refused in a SUBSCRIBE.",
                std::mem_fn(&Metrics::subscribes_refused));
    sum.counter("store/replies/refused", "Acknowledgements kept back because the store failed.",
                std::mem_fn(&Metrics::replies_refused_store));
    sum.counter("subscriptions/revoked", "Subscriptions ended since the client lost its right.",
                std::mem_fn(&Metrics::subscriptions_revoked));
}

void visit_logins(Sum& sum) {
    for (std::size_t i = 0; i < auth_source_count; ++i) {
        const std::string source{auth_source_name(static_cast<AuthSource>(i))};
        sum.counter(
            "auth/allowed/" + (i == 0 ? "anonymous" : source), "Clients let in for this proof.",
            [i](const Metrics& m) -> const Counter& { return m.auth_allowed_by_source[i]; });
        sum.counter("auth/denied/" + source, "Clients refused by this module.",
                    [i](const Metrics& m) -> const Counter& { return m.auth_denied_by_source[i]; });
    }
    sum.counter("auth/cache/hits", "Logins decided by a remembered answer.",
                std::mem_fn(&Metrics::auth_cache_hits));
    sum.counter("auth/cache/misses", "Logins that had to be decided anew.",
                std::mem_fn(&Metrics::auth_cache_misses));
    sum.counter("auth/busy", "Logins refused since too many were waiting.",
                std::mem_fn(&Metrics::auth_busy));
    sum.counter("auth/timeouts", "Logins refused since no answer came in time.",
                std::mem_fn(&Metrics::auth_timeouts));
    sum.counter("auth/expired", "Connections ended since their proof had expired.",
                std::mem_fn(&Metrics::logins_expired));
}

void visit_datagrams(Sum& sum) {
    sum.counter("datagrams/dropped", "Datagrams that were given up.",
                std::mem_fn(&Metrics::datagrams_dropped));
    for (std::size_t reason = 0; reason < datagram_drop_count; ++reason) {
        const std::string name = "datagrams/dropped/" +
                                 std::string{datagram_drop_name(static_cast<DatagramDrop>(reason))};
        sum.counter(name, "Datagrams given up for this reason.",
                    [reason](const Metrics& m) -> const Counter& {
                        return m.datagrams_dropped_by_reason[reason];
                    });
    }
    sum.counter("datagrams/retransmitted",
                "Messages sent again, since a client over UDP did not acknowledge them.",
                std::mem_fn(&Metrics::retransmissions));
}

void visit_coap(Sum& sum) {
    sum.counter("coap/requests", "CoAP requests, copies included.",
                std::mem_fn(&Metrics::coap_requests));
    sum.counter("coap/requests/duplicate", "CoAP requests that had come before.",
                std::mem_fn(&Metrics::coap_duplicates));
    sum.counter("coap/requests/refused", "CoAP requests answered with an error, 4.xx or 5.xx.",
                std::mem_fn(&Metrics::coap_requests_refused));
    sum.counter("coap/observations", "Entries in the lists of CoAP observers.",
                std::mem_fn(&Metrics::coap_observations), MetricKind::gauge);
    sum.counter("coap/observations/reset", "Observations that the observer ended by a reset.",
                std::mem_fn(&Metrics::coap_observations_reset));
    sum.counter("coap/observations/lost",
                "Observations that ended since the observer did not acknowledge.",
                std::mem_fn(&Metrics::coap_observations_lost));
    sum.counter("coap/uploads/abandoned", "Bodies in blocks whose next block did not come.",
                std::mem_fn(&Metrics::coap_uploads_abandoned));
    sum.counter("coap/connections/moved", "Times that a CoAP connection changed its address.",
                std::mem_fn(&Metrics::coap_connections_moved));
}

}  // namespace

void visit_metrics(const Metrics* const* workers, std::size_t count, MetricVisitor& visitor) {
    Sum sum{workers, count, visitor};
    sum.counter("bytes/received", "Bytes received.", std::mem_fn(&Metrics::bytes_received));
    sum.counter("bytes/sent", "Bytes sent.", std::mem_fn(&Metrics::bytes_sent));
    sum.counter("packets/received", "MQTT packets received.",
                std::mem_fn(&Metrics::packets_received));
    sum.counter("packets/sent", "MQTT packets sent.", std::mem_fn(&Metrics::packets_sent));
    visit_packets(sum);
    sum.counter("stomp/frames/received", "STOMP frames received.",
                std::mem_fn(&Metrics::stomp_frames_received));
    sum.counter("stomp/frames/sent", "STOMP frames sent.",
                std::mem_fn(&Metrics::stomp_frames_sent));
    sum.counter("stomp/errors/sent", "ERROR frames sent; each ends its connection.",
                std::mem_fn(&Metrics::stomp_errors_sent));
    visit_messages(sum);
    visit_sessions(sum);
    visit_logins(sum);
    visit_datagrams(sum);
    visit_coap(sum);
    sum.counter("sessions/count", "Sessions, with a connection or without.",
                std::mem_fn(&Metrics::sessions), MetricKind::gauge);
    sum.counter("clients/count", "Clients connected.", std::mem_fn(&Metrics::clients_online),
                MetricKind::gauge);
}

}  // namespace detail

}  // namespace gw
