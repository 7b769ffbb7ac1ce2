// What clients publish, in the one order for all protocols: the mount point, what is repeated, the
// right, hooks, then the way to subscribers.
#include "broker-core/broker/broker.hpp"

#include <algorithm>
#include <utility>

namespace gw {

namespace {

/// A topic of MQTT has two bytes for its length (MQTT 5.0, 1.5.4).
constexpr std::size_t topic_bytes_max = 65535;

InboundPublish inbound_of(const PublishRequest& request, std::string_view topic) {
    return {.packet_id = request.packet_id,
            .dup = request.dup,
            .topic = topic,
            .payload = as_text(request.payload),
            .retain = request.retain};
}

bool has_exchange(const PublishRequest& request) {
    return request.qos == Qos::exactly_once && request.packet_id != 0;
}

PublishOutcome refused(ReasonCode reason) {
    PublishOutcome outcome;
    outcome.reason = reason;
    return outcome;
}

}  // namespace

std::string_view Broker::mounted(const ClientIdentity& client, std::string_view topic,
                                 std::string& scratch) {
    const std::string_view mountpoint = client.mountpoint.view();
    if (mountpoint.empty()) [[likely]] {
        return topic;
    }
    scratch.reserve(mountpoint.size() + topic.size());
    scratch = mountpoint;
    scratch += topic;
    return scratch;
}

MessagePtr Broker::find_retained(const Session& session, std::string_view topic) const {
    std::string scratch;
    return shared_.retained.find(mounted(*session.identity, topic, scratch), now_.monotonic);
}

bool Broker::next_retained(const Session& session, std::string_view filter, RetainedCursor& cursor,
                           std::size_t count, std::vector<MessagePtr>& out) const {
    std::string scratch;
    return shared_.retained.next(mounted(*session.identity, filter, scratch), cursor, count,
                                 now_.monotonic, out);
}

/// What speaks against a publish. Without any effect.
PublishOutcome Broker::judge_publish(const ClientIdentity& client, std::string_view topic,
                                     const PublishRequest& request) {
    if (topic.size() > topic_bytes_max) {
        return refused(ReasonCode::topic_name_invalid);
    }
    PublishOutcome outcome;
    switch (authorize(client, {.client = client,
                               .action = AccessAction::publish,
                               .topic = topic,
                               .qos = request.qos,
                               .retain = request.retain})) {
        case AccessDecision::allow:
            break;
        case AccessDecision::deny:
            outcome.reason = ReasonCode::not_authorized;
            break;
        case AccessDecision::pending:
            outcome.is_pending = true;
            break;
    }
    return outcome;
}

PublishOutcome Broker::check_publish(const Session& session, const PublishRequest& request) {
    std::string scratch;
    return judge_publish(*session.identity, mounted(*session.identity, request.topic, scratch),
                         request);
}

bool Broker::is_repeated(Session& session, const PublishRequest& request) {
    std::string scratch;
    return has_exchange(request) &&
           is_repeated_qos2(
               session, inbound_of(request, mounted(*session.identity, request.topic, scratch)));
}

PublishOutcome Broker::publish(Session& session, const PublishRequest& request) {
    std::string scratch;
    const std::string_view topic = mounted(*session.identity, request.topic, scratch);
    // Whatever would be decided of what was taken already is too late: an error would free the
    // packet id for the client and not here (MQTT 5.0, 4.3.3).
    if (has_exchange(request) && is_repeated_qos2(session, inbound_of(request, topic))) {
        PublishOutcome outcome;
        outcome.is_repeated = true;
        outcome.ticket = firm_ticket(session);
        return outcome;
    }
    const PublishOutcome judged = judge_publish(*session.identity, topic, request);
    if (judged.is_pending || is_error(judged.reason)) {
        note_refused(judged);
        return judged;
    }
    return take_publish(session, topic, request);
}

PublishOutcome Broker::publish_all(Session& session, std::span<const PublishRequest> requests) {
    PublishOutcome outcome;
    for (const PublishRequest& request : requests) {
        const PublishOutcome judged = check_publish(session, request);
        if (is_error(judged.reason)) {
            note_refused(judged);
            return judged;
        }
        outcome.is_pending = outcome.is_pending || judged.is_pending;
    }
    if (outcome.is_pending) {
        return outcome;
    }
    // In one turn, so the store gets it in one piece: after a crash it is there, or it is not.
    std::string scratch;
    for (const PublishRequest& request : requests) {
        const PublishOutcome one =
            take_publish(session, mounted(*session.identity, request.topic, scratch), request);
        outcome.ticket = std::max(outcome.ticket, one.ticket);
    }
    return outcome;
}

PublishOutcome Broker::publish_unowned(const IdentityPtr& publisher,
                                       const PublishRequest& request) {
    GW_ASSERT(request.qos == Qos::at_most_once);
    std::string scratch;
    const std::string_view topic = mounted(*publisher, request.topic, scratch);
    PublishOutcome outcome = judge_publish(*publisher, topic, request);
    if (outcome.is_pending) {
        outcome = refused(ReasonCode::not_authorized);  // nobody could wait for the answer
    }
    if (is_error(outcome.reason)) {
        note_refused(outcome);
        return outcome;
    }
    MessagePtr message = make_message(publisher, topic, request);
    count_received(*message);
    if (pass_hooks(message) && !route(message).matched) {
        metrics_.messages_without_subscriber.add();
        outcome.reason = ReasonCode::no_matching_subscribers;
    }
    return outcome;
}

void Broker::publish_internal(std::string_view topic, std::string_view payload, bool retain,
                              Qos qos) {
    route(
        make_message(nullptr, topic,
                     {.topic = topic, .payload = as_bytes(payload), .qos = qos, .retain = retain}));
}

void Broker::note_refused(const PublishOutcome& outcome) {
    if (outcome.reason == ReasonCode::not_authorized) {
        metrics_.drop(DropReason::not_authorized_publish);
    }
}

MessagePtr Broker::make_message(const IdentityPtr& publisher, std::string_view topic,
                                const PublishRequest& request) const {
    return Message::create({.topic = topic,
                            .payload = request.payload,
                            .properties = request.properties,
                            .qos = request.qos,
                            .retain = request.retain,
                            .arrival = now_.monotonic,
                            .expires_at = request.expires_at,
                            .publisher = publisher});
}

void Broker::count_received(const Message& message) {
    metrics_.messages_received.add();
    metrics_.messages_received_by_qos[static_cast<std::size_t>(message.qos())].add();
}

/// False: a hook has dropped it.
bool Broker::pass_hooks(MessagePtr& message) {
    for (const auto& hook : shared_.hooks) {
        if (!hook->on_message_publish(message)) {
            metrics_.drop(DropReason::refused_by_hook);
            return false;
        }
    }
    return true;
}

/// A publish that nothing speaks against.
PublishOutcome Broker::take_publish(Session& session, std::string_view topic,
                                    const PublishRequest& request) {
    std::optional<Unreleased> taken;
    PublishOutcome outcome;
    if (has_exchange(request)) {
        taken = take_qos2(session, inbound_of(request, topic));
        if (!taken) {
            // Another message under an id that is in use: the client has lost our PUBREC.
            outcome.is_repeated = true;
            outcome.ticket = store_ticket(session);
            return outcome;
        }
    }
    MessagePtr message = make_message(session.identity, topic, request);
    count_received(*message);
    if (!pass_hooks(message)) {
        return outcome;
    }
    const bool is_refusable = session.waits_for_store && message->qos() != Qos::at_most_once;
    const bool is_qos2 = message->qos() == Qos::exactly_once;
    const Routed routed = route(message, is_refusable, is_qos2 && is_stored(session));
    if (!routed.matched) {
        metrics_.messages_without_subscriber.add();
        outcome.reason = ReasonCode::no_matching_subscribers;
    }
    // At QoS 2 the packet id is stored too; a publish that was stored nowhere waits for nothing.
    const bool waits = message->qos() == Qos::at_least_once
                           ? routed.stored
                           : is_qos2 && (routed.stored || is_stored(session));
    if (waits && (storage_.has_pending() || has_tracked_)) {
        outcome.ticket = await(session, epoch_);
    }
    if (taken && outcome.ticket != 0 && session.waits_for_store) {
        inbound_waits_.push_back({outcome.ticket, session.ref(), *taken});
    }
    return outcome;
}

}  // namespace gw
