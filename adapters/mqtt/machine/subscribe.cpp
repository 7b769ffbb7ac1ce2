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

/// The filter as the broker knows it: behind the listener's mount point. Nothing when it is no
/// valid filter.
std::optional<TopicFilter> ConnectionMachine::mounted_filter(std::string_view text) const {
    auto filter = parse_topic_filter(text, options_->topic_limits);
    if (!filter) {
        return std::nullopt;
    }
    if (!options_->mountpoint.empty()) {
        std::string mounted = filter->text;
        mounted.insert(filter->filter_offset, options_->mountpoint);
        filter = parse_topic_filter(
            mounted, {.bytes_max = 65535 + options_->mountpoint.size(), .levels_max = 65535});
        if (!filter) {
            return std::nullopt;
        }
    }
    return std::move(*filter);
}

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
    std::vector<std::optional<TopicFilter>> filters;
    std::vector<AccessDecision> decisions;
    bool is_pending = false;
    for (const SubscriptionEntry& entry : packet->subscriptions) {
        filters.push_back(mounted_filter(entry.filter));
        AccessDecision decision = AccessDecision::deny;
        if (filters.back()) {
            decision = broker_.authorize(*session_, {.client = *session_->identity,
                                                     .action = AccessAction::subscribe,
                                                     .topic = filters.back()->filter(),
                                                     .qos = entry.qos,
                                                     .retain = false});
        }
        is_pending = is_pending || decision == AccessDecision::pending;
        decisions.push_back(decision);
    }
    if (is_pending) {
        wait_for_access();
        return Step::wait;
    }
    FilterReply answer;
    std::size_t index = 0;
    for (const SubscriptionEntry& entry : packet->subscriptions) {
        bool is_new = false;
        const ReasonCode reason =
            subscribe_one(*packet, entry, filters[index], decisions[index], is_new);
        if (is_error(reason)) {
            broker_.metrics().subscribes_refused.add();
        }
        answer.reasons.push_back(reason);
        if (is_new) {
            answer.added.push_back(std::move(*filters[index]));
        }
        ++index;
    }
    reply(PacketType::suback, packet->packet_id, std::move(answer), broker_.firm_ticket(*session_));
    broker_.send_retained(*session_);
    return Step::done;
}

ReasonCode ConnectionMachine::subscribe_one(const SubscribePacket& packet,
                                            const SubscriptionEntry& entry,
                                            const std::optional<TopicFilter>& filter,
                                            AccessDecision access, bool& is_new) {
    if (!filter) {
        return ReasonCode::topic_filter_invalid;
    }
    if (access == AccessDecision::deny) {
        return ReasonCode::not_authorized;
    }
    SubscriptionOptions options;
    options.identifier = packet.subscription_identifier & 0x0fffffffU;
    options.qos = static_cast<std::uint32_t>(min(entry.qos, options_->qos_max)) & 3U;
    options.no_local = entry.no_local ? 1 : 0;
    options.retain_as_published = entry.retain_as_published ? 1 : 0;
    return broker_.subscribe(
        *session_,
        {.filter = *filter, .options = options, .retained = retained_of(entry.retain_handling)},
        &is_new);
}

ConnectionMachine::Step ConnectionMachine::on_unsubscribe(const Frame& frame) {
    const auto packet = decode_unsubscribe(frame.body, version_);
    if (!packet) {
        fail(packet.error());
        return Step::done;
    }
    FilterReply answer;
    for (const std::string_view text : packet->filters) {
        const auto filter = mounted_filter(text);
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
        rare().pending_replies.push_back({ticket, packet_id, ReasonCode::success, type,
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
