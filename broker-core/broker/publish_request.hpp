#pragma once

#include "broker-core/base/bytes.hpp"
#include "broker-core/base/clock.hpp"
#include "broker-core/message/qos.hpp"
#include "broker-core/message/reason.hpp"
#include "broker-core/storage/storage.hpp"

#include <cstdint>
#include <functional>
#include <string_view>

namespace gw {

/// What a client publishes, as its protocol has read it; borrowed for the call.
struct PublishRequest {
    /// As the client knows it: without its mount point. An alias is resolved, and the name has
    /// passed check_topic_name().
    std::string_view topic;
    Bytes payload{};
    Bytes properties{};  // as Message::properties()
    Qos qos = Qos::at_most_once;
    bool retain = false;
    bool dup = false;
    /// At QoS 2: the exchange that PUBREL ends (MQTT 5.0, 4.3.3). 0: the protocol has none.
    std::uint16_t packet_id = 0;
    MonotonicTime expires_at = never;
    /// False: the payload is not all here yet. For Broker::check_publish(), which then asks no
    /// filter.
    bool is_body_complete = true;
};

/// What has become of a PublishRequest.
struct PublishOutcome {
    /// success, no_matching_subscribers, or why it was refused; then nothing else was done, and its
    /// packet id is free.
    ReasonCode reason = ReasonCode::success;
    /// The access policy or a filter has no answer yet: nothing was done, and the same request is
    /// to be made again after SessionLink::on_access_decided().
    bool is_pending = false;
    bool is_by_filter = false;  // it is a filter that has refused it
    /// At QoS 2, the client repeats what it has not released: nothing is to be done but to answer.
    bool is_repeated = false;
    /// When not 0, a success may be acknowledged only after SessionLink::on_stored() named a ticket
    /// as high.
    StoreTicket ticket = 0;
};

/// Told what became of the store's part of a publish by somebody without a session.
using WhenPublished = std::function<void(StoreOutcome)>;

}  // namespace gw
