// SUBSCRIBE and UNSUBSCRIBE (MQTT 5.0, 3.8 to 3.11).
#include "adapters/mqtt/machine/connection_machine.hpp"

#include <utility>
#include <vector>

namespace gw::mqtt {

namespace {

SubscribeRequest::Retained retained_of(RetainHandling handling) {
    switch (handling) {
        case RetainHandling::send:
            return SubscribeRequest::Retained::send;
        case RetainHandling::send_if_new:
            return SubscribeRequest::Retained::send_if_new;
        case RetainHandling::do_not_send:
            return SubscribeRequest::Retained::do_not_send;
    }
    GW_UNREACHABLE();
}

}  // namespace

ConnectionMachine::Step ConnectionMachine::on_subscribe(const Frame& frame) {
    const auto packet = decode_subscribe(frame.body, version_);
    if (!packet) {
        fail(packet.error());
        return Step::done;
    }
    if (packet->subscription_identifier != 0 && !options_->subscription_identifiers) {
        fail(ReasonCode::subscription_identifiers_not_supported, {});
        return Step::done;
    }
    if (packet->user_properties.count() > options_->user_properties_max) {
        fail(ReasonCode::quota_exceeded, "too many user properties");
        return Step::done;
    }
    // Every filter is judged before the first takes effect, since an answer may have to wait.
    std::vector<Result<TopicFilter, TopicError>> filters;
    bool is_pending = false;
    for (const SubscriptionEntry& entry : packet->subscriptions) {
        filters.push_back(parse_topic_filter(entry.filter, options_->topic_limits));
        const auto& filter = filters.back();
        is_pending =
            is_pending ||
            (filter && broker_.check_subscribe(*session_, filter->filter(), entry.qos).is_pending);
    }
    if (is_pending) {
        pause(pause_for_access);
        return Step::wait;
    }
    FilterReply answer;
    std::size_t index = 0;
    for (const SubscriptionEntry& entry : packet->subscriptions) {
        auto& filter = filters[index++];
        const SubscribeAnswer one =
            filter ? subscribe_one(*packet, entry, *filter)
                   : SubscribeAnswer{.reason = ReasonCode::topic_filter_invalid};
        if (is_error(one.reason)) {
            broker_.metrics().subscribes_refused.add();
        }
        answer.reasons.push_back(one.reason);
        if (one.is_new) {
            answer.added.push_back(std::move(*filter));
        }
    }
    reply(PacketType::suback, packet->packet_id, std::move(answer), broker_.firm_ticket(*session_));
    broker_.send_retained(*session_);
    return Step::done;
}

SubscribeAnswer ConnectionMachine::subscribe_one(const SubscribePacket& packet,
                                                 const SubscriptionEntry& entry,
                                                 const TopicFilter& filter) {
    SubscriptionOptions options;
    options.identifier = packet.subscription_identifier & 0x0fffffffU;
    options.qos = static_cast<std::uint32_t>(min(entry.qos, options_->qos_max)) & 3U;
    options.no_local = entry.no_local ? 1 : 0;
    options.retain_as_published = entry.retain_as_published ? 1 : 0;
    return broker_.subscribe(
        *session_,
        {.filter = filter, .options = options, .retained = retained_of(entry.retain_handling)});
}

ConnectionMachine::Step ConnectionMachine::on_unsubscribe(const Frame& frame) {
    const auto packet = decode_unsubscribe(frame.body, version_);
    if (!packet) {
        fail(packet.error());
        return Step::done;
    }
    FilterReply answer;
    for (const std::string_view text : packet->filters) {
        const auto filter = parse_topic_filter(text, options_->topic_limits);
        answer.reasons.push_back(filter ? broker_.unsubscribe(*session_, *filter)
                                        : ReasonCode::topic_filter_invalid);
    }
    reply(PacketType::unsuback, packet->packet_id, std::move(answer),
          broker_.firm_ticket(*session_));
    return Step::done;
}

void ConnectionMachine::reply(PacketType type, std::uint16_t packet_id, FilterReply&& filters,
                              StoreTicket ticket) {
    if (is_held_back(ticket)) {
        hold({ticket, packet_id, ReasonCode::success, type,
              std::make_unique<FilterReply>(std::move(filters))});
        return;
    }
    send_filter_reply(type, packet_id, filters);
}

void ConnectionMachine::send_filter_reply(PacketType type, std::uint16_t packet_id,
                                          const FilterReply& filters) {
    SubackPacket packet;
    packet.packet_id = packet_id;
    packet.reasons = as_reason_bytes(filters.reasons);
    if (type == PacketType::suback) {
        encode_suback(connection_.output(), version_, packet);
    } else {
        encode_unsuback(connection_.output(), version_, packet);
    }
    count_sent(type);
}

/// Subscriptions that were made go again. One that was there before has its new options all the
/// same: only the client's old ones are stored so far, and it is told that they may hold.
void ConnectionMachine::refuse_unstored(PacketType type, std::uint16_t packet_id,
                                        FilterReply& reply, StoreOutcome outcome) {
    for (const TopicFilter& filter : reply.added) {
        broker_.unsubscribe(*session_, filter);
    }
    // UNSUBACK knows no quota, and in 3.x neither a quota nor that anything can fail (3.11.3).
    const bool is_suback = type == PacketType::suback;
    if (!is_suback && !is_v5()) {
        give_up_later(reason_of(outcome));
        return;
    }
    const ReasonCode reason =
        is_suback ? reason_of(outcome) : ReasonCode::implementation_specific_error;
    for (ReasonCode& one : reply.reasons) {
        one = is_error(one) ? one : reason;
    }
    send_filter_reply(type, packet_id, reply);
}

}  // namespace gw::mqtt
