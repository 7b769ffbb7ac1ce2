#pragma once

#include "adapters/mqttsn/machine/topic_registry.hpp"
#include "broker-core/base/bytes.hpp"
#include "broker-core/base/clock.hpp"
#include "broker-core/message/qos.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace gw::mqttsn {

/// Will topic and will message, which a client sets apart from each other (MQTT-SN 1.2, 6.3 and
/// 6.4) and which stay its own after they were published.
struct WillData {
    std::string topic;  // empty: there is no will
    std::string message;
    Qos qos = Qos::at_most_once;
    bool retain = false;

    bool empty() const { return topic.empty() && message.empty(); }
};

/// When a sleeping client is due.
struct Sleep {
    std::uint16_t duration = 0;    // seconds, as announced
    std::uint16_t keep_alive = 0;  // seconds, of its connection
    WallTime until{};              // then it is lost
};

/// What a persistent session of MQTT-SN has beyond the broker's: kept with it as
/// Broker::set_adapter_state().
struct ClientState {
    TopicRegistry topics;
    WillData will;
    std::optional<Sleep> sleep;

    bool empty() const { return topics.size() == 0 && will.empty() && !sleep; }
};

void encode_client_state(ByteBuffer& out, const ClientState& state);
/// Nothing when the bytes are damaged, or were written by a newer version.
std::optional<ClientState> decode_client_state(Bytes bytes);

}  // namespace gw::mqttsn
