#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace gw {

/// Whose packet ids a protocol's exchanges at QoS 2 use. A device has another program, with ids and
/// exchanges of its own, for MQTT than for MQTT-SN; the versions and transports of MQTT cannot be
/// told apart so. Each protocol's traits name one, from 1 to packet_id_space_max; it is stored.
enum class PacketIdSpace : std::uint8_t {
    none = 0,  // a protocol without such ids; in the store also: that of the session's protocol
};
inline constexpr std::uint8_t packet_id_space_max = 2;

/// What an adapter says of the protocol that its clients speak, so that the core names none. One
/// constant for each, with static storage: its address stands for the protocol.
struct ProtocolTraits {
    std::uint8_t number = 0;    // its own, from 1 on; stored
    std::string_view name{};    // as events and logs give it ("MQTT 3.1.1")
    std::string_view family{};  // as access rules name it, with its other versions ("mqtt")
    /// What the field "protocol" of $SYS events is, where it is not the name; EMQ told the protocol
    /// level of MQTT. 0: the name.
    std::uint8_t level = 0;
    PacketIdSpace packet_ids = PacketIdSpace::none;
    /// The subscription alone decides about the QoS of a delivery, whatever the message was
    /// published with: STOMP's ack modes do (STOMP 1.2, "SUBSCRIBE ack Header"), and a message that
    /// was not acknowledged must be there to be sent again.
    bool has_subscriber_qos = false;
    /// Which publishers hear that theirs was refused, and why, without losing the connection.
    enum class Refusals : std::uint8_t { told_to_nobody, told_at_qos_1_and_2, told_always };
    Refusals refusals = Refusals::told_to_nobody;
    /// Its clients say of each subscription whether they want what they publish themselves (MQTT
    /// 5.0, 3.8.3.1), so that no setting decides it for them.
    bool has_no_local = false;
};

/// The gateway itself: what it publishes has no client.
inline constexpr ProtocolTraits internal_protocol{.name = "internal", .family = "internal"};

/// The protocols that this gateway can speak; made at start, then never changed.
class ProtocolList {
public:
    ProtocolList() = default;
    explicit ProtocolList(std::vector<const ProtocolTraits*> all) : all_(std::move(all)) {}

    /// What a number of the store stands for. One that is not known here, of an adapter that is not
    /// there any more, is of the gateway itself: it has no ids and no rights by its name.
    const ProtocolTraits& by_number(std::uint8_t number) const {
        const auto found =
            std::find_if(all_.begin(), all_.end(),
                         [number](const ProtocolTraits* one) { return one->number == number; });
        return found != all_.end() ? **found : internal_protocol;
    }
    /// The newest of those that rules call so; null: there is none.
    const ProtocolTraits* of_family(std::string_view family) const {
        const auto found =
            std::find_if(all_.rbegin(), all_.rend(),
                         [family](const ProtocolTraits* one) { return one->family == family; });
        return found != all_.rend() ? *found : nullptr;
    }
    const std::vector<const ProtocolTraits*>& all() const { return all_; }

private:
    std::vector<const ProtocolTraits*> all_;  // older versions first
};

}  // namespace gw
