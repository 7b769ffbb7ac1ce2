#pragma once

#include "broker-core/base/bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace gw::mqtt {

/// Property identifiers (MQTT 5.0, 2.2.2.2).
enum class PropertyId : std::uint8_t {
    payload_format_indicator = 0x01,
    message_expiry_interval = 0x02,
    content_type = 0x03,
    response_topic = 0x08,
    correlation_data = 0x09,
    subscription_identifier = 0x0b,
    session_expiry_interval = 0x11,
    assigned_client_identifier = 0x12,
    server_keep_alive = 0x13,
    authentication_method = 0x15,
    authentication_data = 0x16,
    request_problem_information = 0x17,
    will_delay_interval = 0x18,
    request_response_information = 0x19,
    response_information = 0x1a,
    server_reference = 0x1c,
    reason_string = 0x1f,
    receive_maximum = 0x21,
    topic_alias_maximum = 0x22,
    topic_alias = 0x23,
    maximum_qos = 0x24,
    retain_available = 0x25,
    user_property = 0x26,
    maximum_packet_size = 0x27,
    wildcard_subscription_available = 0x28,
    subscription_identifier_available = 0x29,
    shared_subscription_available = 0x2a,
};

struct UserProperty {
    std::string_view name;
    std::string_view value;
    bool operator==(const UserProperty&) const = default;
};

/// The user properties of a packet, in order: a view of a block of checked properties in wire form,
/// in which other properties may stand and are passed over. Whoever made the block keeps it alive.
class UserProperties {
public:
    UserProperties() = default;
    /// `block` comes from a decoder of this folder or from PropertyWriter, so it is well formed.
    explicit UserProperties(Bytes block);

    std::size_t count() const { return count_; }
    bool empty() const { return count_ == 0; }
    /// Bytes that they take in a packet.
    std::size_t wire_bytes() const { return wire_bytes_; }

    /// Calls `visit(const UserProperty&)` for each.
    template <class Visitor>
    void for_each(Visitor&& visit) const {
        Reader in{block_};
        while (const auto property = next(in)) {
            visit(*property);
        }
    }

    /// The same pairs in the same order; what stands between them does not count.
    bool operator==(const UserProperties& other) const;

private:
    static std::optional<UserProperty> next(Reader& in);

    Bytes block_;
    std::size_t count_ = 0;
    std::size_t wire_bytes_ = 0;
};

/// The subscription identifiers of a PUBLISH from a server, in order: a view as UserProperties.
class SubscriptionIdentifiers {
public:
    SubscriptionIdentifiers() = default;
    explicit SubscriptionIdentifiers(Bytes block);

    std::size_t count() const { return count_; }
    bool empty() const { return count_ == 0; }

    /// Calls `visit(std::uint32_t)` for each.
    template <class Visitor>
    void for_each(Visitor&& visit) const {
        Reader in{block_};
        while (const std::uint32_t id = next(in)) {
            visit(id);
        }
    }

private:
    /// The next identifier; 0, which no identifier is, at the end.
    static std::uint32_t next(Reader& in);

    Bytes block_;
    std::size_t count_ = 0;
};

}  // namespace gw::mqtt
