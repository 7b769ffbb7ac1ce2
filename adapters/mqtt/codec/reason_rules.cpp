#include "adapters/mqtt/codec/reason_rules.hpp"

#include <array>
#include <cstdint>

namespace gw::mqtt {

namespace {

/// Bits of the packet types that may carry a code, for each side that may send it.
struct Allowed {
    std::uint16_t from_client = 0;
    std::uint16_t from_server = 0;
};

constexpr std::uint16_t bit(PacketType type) {
    return static_cast<std::uint16_t>(1U << static_cast<unsigned>(type));
}

using enum PacketType;

// Packets that share most of their codes.
constexpr std::uint16_t publish_answers = bit(puback) | bit(pubrec);
constexpr std::uint16_t release_answers = bit(pubrel) | bit(pubcomp);
constexpr std::uint16_t subscription_answers = bit(suback) | bit(unsuback);

/// The table of MQTT 5.0, 2.4, with the columns "sent by" of 3.14.2.1 and 3.15.2.1. The packets of
/// a publish flow both ways; the rest from the server stands in `from_server` only.
constexpr auto table = [] {
    std::array<Allowed, 256> allowed{};
    const auto both = [&allowed](ReasonCode code, unsigned types) {
        auto& entry = allowed[static_cast<std::uint8_t>(code)];
        entry.from_client = static_cast<std::uint16_t>(entry.from_client | types);
        entry.from_server = static_cast<std::uint16_t>(entry.from_server | types);
    };
    const auto server = [&allowed](ReasonCode code, unsigned types) {
        auto& entry = allowed[static_cast<std::uint8_t>(code)];
        entry.from_server = static_cast<std::uint16_t>(entry.from_server | types);
    };
    const auto client = [&allowed](ReasonCode code, unsigned types) {
        auto& entry = allowed[static_cast<std::uint8_t>(code)];
        entry.from_client = static_cast<std::uint16_t>(entry.from_client | types);
    };
    using enum ReasonCode;
    both(success, publish_answers | release_answers | bit(disconnect));
    server(success, bit(connack) | subscription_answers | bit(auth));
    server(granted_qos_1, bit(suback));
    server(granted_qos_2, bit(suback));
    client(disconnect_with_will_message, bit(disconnect));
    both(no_matching_subscribers, publish_answers);
    server(no_subscription_existed, bit(unsuback));
    both(continue_authentication, bit(auth));
    client(re_authenticate, bit(auth));
    both(unspecified_error, publish_answers | bit(disconnect));
    server(unspecified_error, bit(connack) | subscription_answers);
    both(malformed_packet, bit(disconnect));
    server(malformed_packet, bit(connack));
    both(protocol_error, bit(disconnect));
    server(protocol_error, bit(connack));
    both(implementation_specific_error, publish_answers | bit(disconnect));
    server(implementation_specific_error, bit(connack) | subscription_answers);
    server(unsupported_protocol_version, bit(connack));
    server(client_identifier_not_valid, bit(connack));
    server(bad_user_name_or_password, bit(connack));
    both(not_authorized, publish_answers);
    server(not_authorized, bit(connack) | subscription_answers | bit(disconnect));
    server(server_unavailable, bit(connack));
    server(server_busy, bit(connack) | bit(disconnect));
    server(banned, bit(connack));
    server(server_shutting_down, bit(disconnect));
    server(bad_authentication_method, bit(connack) | bit(disconnect));
    server(keep_alive_timeout, bit(disconnect));
    server(session_taken_over, bit(disconnect));
    server(topic_filter_invalid, subscription_answers | bit(disconnect));
    both(topic_name_invalid, publish_answers | bit(disconnect));
    server(topic_name_invalid, bit(connack));
    both(packet_identifier_in_use, publish_answers);
    server(packet_identifier_in_use, subscription_answers);
    both(packet_identifier_not_found, release_answers);
    both(receive_maximum_exceeded, bit(disconnect));
    both(topic_alias_invalid, bit(disconnect));
    both(packet_too_large, bit(disconnect));
    server(packet_too_large, bit(connack));
    both(message_rate_too_high, bit(disconnect));
    both(quota_exceeded, publish_answers | bit(disconnect));
    server(quota_exceeded, bit(connack) | bit(suback));
    both(administrative_action, bit(disconnect));
    both(payload_format_invalid, publish_answers | bit(disconnect));
    server(payload_format_invalid, bit(connack));
    server(retain_not_supported, bit(connack) | bit(disconnect));
    server(qos_not_supported, bit(connack) | bit(disconnect));
    server(use_another_server, bit(connack) | bit(disconnect));
    server(server_moved, bit(connack) | bit(disconnect));
    server(shared_subscriptions_not_supported, bit(suback) | bit(disconnect));
    server(connection_rate_exceeded, bit(connack) | bit(disconnect));
    server(maximum_connect_time, bit(disconnect));
    server(subscription_identifiers_not_supported, bit(suback) | bit(disconnect));
    server(wildcard_subscriptions_not_supported, bit(suback) | bit(disconnect));
    return allowed;
}();

}  // namespace

bool is_reason_allowed(PacketType type, Sender sender, ReasonCode reason) {
    const Allowed& allowed = table[static_cast<std::uint8_t>(reason)];
    const std::uint16_t types =
        sender == Sender::client ? allowed.from_client : allowed.from_server;
    return (types & bit(type)) != 0;
}

}  // namespace gw::mqtt
