// What clients publish, in the one order for all protocols: what is repeated, rewriting, the mount
// point, the right, filters, then the way to subscribers.
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
    return behind(client.mountpoint.view(), topic, scratch);
}

MessagePtr Broker::find_retained(const Session& session, std::string_view topic) const {
    AskedFilter asked{.text = topic};
    const SubscribeAnswer answer = resolve_filter(*session.identity, asked);
    if (answer.is_pending || is_error(answer.reason)) {
        return nullptr;
    }
    return shared_.retained.find(asked.text, now_.monotonic);
}

MessagePtr Broker::find_retained_before(const Session& session,
                                        const PublishRequest& request) const {
    std::string scratch;
    Passing passing = passing_of(*session.identity, request, scratch);
    if (hooks_->wants(HookPoint::rewrite_publish) && !rewrite_topic(*session.identity, passing)) {
        return nullptr;
    }
    return shared_.retained.find(passing.topic, now_.monotonic);
}

bool Broker::next_retained(const Session& session, std::string_view filter, RetainedCursor& cursor,
                           std::size_t count, std::vector<MessagePtr>& out) const {
    std::string scratch;
    return shared_.retained.next(mounted(*session.identity, filter, scratch), cursor, count,
                                 now_.monotonic, out);
}

/// As the client wrote it, with its mount point: what a repetition is known by.
Broker::Passing Broker::passing_of(const ClientIdentity& client, const PublishRequest& request,
                                   std::string& scratch) {
    Passing passing;
    passing.request = &request;
    passing.topic = mounted(client, request.topic, scratch);
    passing.written = passing.topic;
    return passing;
}

/// What speaks against a publish. Without any effect.
PublishOutcome Broker::judge_publish(const ClientIdentity& client, Passing& passing) {
    if (hooks_->wants(HookPoint::rewrite_publish)) [[unlikely]] {
        if (!rewrite_topic(client, passing)) {
            return refused(ReasonCode::topic_name_invalid);
        }
    }
    if (passing.topic.size() > topic_bytes_max) {
        return refused(ReasonCode::topic_name_invalid);
    }
    PublishOutcome outcome = ask_publish(client, passing);
    const auto may_pass = [&outcome] {
        return !outcome.is_pending && !is_error(outcome.reason);
    };
    if (hooks_->wants(HookPoint::filter_publish) && passing.request->is_body_complete && may_pass())
        [[unlikely]] {
        outcome = filter_publish(client, passing);
    }
    if (passing.request->retain && may_pass() && lacks_room(client, passing)) {
        outcome = refused(ReasonCode::quota_exceeded);
    }
    return outcome;
}

/// Whether a retained message would not be kept, where the client can be told so: an
/// acknowledgement says that it is. Others get it delivered and not kept.
bool Broker::lacks_room(const ClientIdentity& client, const Passing& passing) const {
    using Refusals = ProtocolTraits::Refusals;
    const PublishRequest& request = *passing.request;
    const Refusals told = client.protocol->refusals;
    if (told == Refusals::told_to_nobody || passing.taker != nullptr || passing.is_dropped ||
        (told == Refusals::told_at_qos_1_and_2 && request.qos == Qos::at_most_once) ||
        request.payload.empty() || !request.is_body_complete) {
        return false;
    }
    return !shared_.retained.has_room(
        passing.topic, Message::footprint_of(passing.topic.size(), request.properties.size(),
                                             request.payload.size()));
}

PublishOutcome Broker::ask_publish(const ClientIdentity& client, const Passing& passing) {
    PublishOutcome outcome;
    switch (authorize(client, {.client = client,
                               .action = AccessAction::publish,
                               .topic = passing.topic,
                               .qos = passing.request->qos,
                               .retain = passing.request->retain})) {
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

bool Broker::rewrite_topic(const ClientIdentity& client, Passing& passing) const {
    std::optional<std::string> text;
    rewrite_text(client, HookPoint::rewrite_publish, passing.request->topic, text);
    if (!text) {
        return true;
    }
    if (!check_topic_name(*text, options_.topic_limits)) {
        return false;
    }
    passing.change().set_topic(client.mountpoint.str() + *text);
    passing.take_change();
    return true;
}

void Broker::rewrite_text(const ClientIdentity& client, HookPoint point, std::string_view written,
                          std::optional<std::string>& text) const {
    hooks_->ask(point, [&](MessageFilter& filter) {
        if (auto other = filter.rewrite(client, point, text ? *text : written)) {
            text = std::move(other);
        }
        return true;
    });
}

PublishOutcome Broker::filter_publish(const ClientIdentity& client, Passing& passing) {
    PublishDraft& draft = passing.change();
    PublishOutcome outcome;
    hooks_->ask(HookPoint::filter_publish, [&](MessageFilter& filter) {
        const FilterAnswer answer = filter.on_publish(client, draft);
        switch (answer.kind) {
            case FilterAnswer::Kind::pass:
                return true;
            case FilterAnswer::Kind::take:
                passing.taker = &filter;
                return false;
            case FilterAnswer::Kind::drop:
                passing.is_dropped = true;
                return false;
            case FilterAnswer::Kind::refuse:
                outcome.reason = answer.error();
                outcome.is_by_filter = true;
                return false;
            case FilterAnswer::Kind::pending:
                outcome.is_pending = true;
                return false;
        }
        GW_UNREACHABLE();
    });
    if (outcome.is_pending || is_error(outcome.reason)) {
        return outcome;
    }
    const bool is_elsewhere = draft.topic != passing.topic;
    passing.take_change();
    if (!is_elsewhere) {
        return outcome;
    }
    if (!check_topic_name(draft.topic, {.bytes_max = topic_bytes_max, .levels_max = 65535})) {
        return refused(ReasonCode::topic_name_invalid);
    }
    return ask_publish(client, passing);
}

PublishDraft& Broker::Passing::change() {
    if (!changed) {
        changed = std::make_unique<Changed>();
        PublishDraft& draft = changed->draft;
        draft.topic = topic;
        draft.payload = request->payload;
        draft.properties = request->properties;
        draft.qos = request->qos;
        draft.retain = request->retain;
        draft.expires_at = request->expires_at;
        changed->request = *request;
    }
    return changed->draft;
}

/// What a filter has left takes the place of what came. A QoS 2 exchange stays what it is.
void Broker::Passing::take_change() {
    const PublishDraft& draft = changed->draft;
    PublishRequest& one = changed->request;
    one.payload = draft.payload;
    one.properties = draft.properties;
    one.qos = draft.qos;
    one.retain = draft.retain;
    one.expires_at = draft.expires_at;
    request = &one;
    topic = draft.topic;
}

PublishOutcome Broker::check_publish(const Session& session, const PublishRequest& request) {
    std::string scratch;
    Passing passing = passing_of(*session.identity, request, scratch);
    return judge_publish(*session.identity, passing);
}

bool Broker::is_repeated(Session& session, const PublishRequest& request) {
    std::string scratch;
    return has_exchange(request) &&
           is_repeated_qos2(
               session, inbound_of(request, mounted(*session.identity, request.topic, scratch)));
}

PublishOutcome Broker::publish(Session& session, const PublishRequest& request) {
    std::string scratch;
    Passing passing = passing_of(*session.identity, request, scratch);
    // Whatever would be decided of what was taken already is too late: an error would free the
    // packet id for the client and not here (MQTT 5.0, 4.3.3).
    if (has_exchange(request) && is_repeated_qos2(session, inbound_of(request, passing.written))) {
        PublishOutcome outcome;
        outcome.is_repeated = true;
        outcome.ticket = firm_ticket(session);
        return outcome;
    }
    const PublishOutcome judged = judge_publish(*session.identity, passing);
    if (judged.is_pending || is_error(judged.reason)) {
        note_refused(judged);
        return judged;
    }
    return take_publish(session, request, passing);
}

PublishOutcome Broker::publish_all(Session& session, std::span<const PublishRequest> requests) {
    std::vector<Passing> passing(requests.size());
    std::vector<std::string> scratch(requests.size());
    PublishOutcome outcome;
    for (std::size_t i = 0; i < requests.size(); ++i) {
        passing[i] = passing_of(*session.identity, requests[i], scratch[i]);
        const PublishOutcome judged = judge_publish(*session.identity, passing[i]);
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
    for (std::size_t i = 0; i < requests.size(); ++i) {
        const PublishOutcome one = take_publish(session, requests[i], passing[i]);
        outcome.ticket = std::max(outcome.ticket, one.ticket);
    }
    return outcome;
}

PublishOutcome Broker::publish_unowned(const IdentityPtr& publisher, const PublishRequest& request,
                                       WhenPublished when_stored) {
    std::string scratch;
    Passing passing = passing_of(*publisher, request, scratch);
    PublishOutcome outcome = judge_publish(*publisher, passing);
    if (outcome.is_pending) {
        outcome = refused(ReasonCode::not_authorized);  // nobody could wait for the answer
    }
    if (is_error(outcome.reason)) {
        note_refused(outcome);
        return outcome;
    }
    const Sent sent = send_on(publisher, passing, {.is_counted = true});
    outcome.reason = sent.reason;
    // Whoever has no session has no packet id that would have to be stored: only the message
    // counts.
    if (sent.is_stored && when_stored && (storage_.has_pending() || has_tracked_)) {
        outcome.ticket = epoch_;
        unowned_waits_.push_back({epoch_, std::move(when_stored)});
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
    if (outcome.is_by_filter) {
        metrics_.drop(DropReason::refused_by_hook);
    } else if (outcome.reason == ReasonCode::not_authorized) {
        metrics_.drop(DropReason::not_authorized_publish);
    } else if (outcome.reason == ReasonCode::quota_exceeded) {
        metrics_.retained_refused.add();
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

/// Gives on what nothing speaks against: to the filter that takes it, or to subscribers.
Broker::Sent Broker::send_on(const IdentityPtr& publisher, const Passing& passing, SendOn how) {
    MessagePtr message = make_message(publisher, passing.topic, *passing.request);
    if (how.is_counted) {
        count_received(*message);
    }
    Sent sent;
    if (passing.is_dropped) {
        metrics_.drop(DropReason::refused_by_hook);
        return sent;
    }
    tell(HookPoint::message_published, [&](Observer& one) { one.on_message_published(*message); });
    if (passing.taker != nullptr) {
        sent.is_stored = passing.taker->take(message, storage_);
        return sent;
    }
    const Routed routed = route(message, how.is_refusable, how.is_to_hold);
    if (!routed.matched) {
        metrics_.messages_without_subscriber.add();
        sent.reason = ReasonCode::no_matching_subscribers;
    }
    sent.is_stored = routed.stored;
    return sent;
}

/// A publish that nothing speaks against. `written` is what has come, `passing` what is left of it.
PublishOutcome Broker::take_publish(Session& session, const PublishRequest& written,
                                    const Passing& passing) {
    std::optional<Unreleased> taken;
    PublishOutcome outcome;
    if (has_exchange(written)) {
        taken = take_qos2(session, inbound_of(written, passing.written));
        if (!taken) {
            // Another message under an id that is in use: the client has lost our PUBREC.
            outcome.is_repeated = true;
            outcome.ticket = store_ticket(session);
            return outcome;
        }
    }
    // What has to be acknowledged goes by how the client has sent it.
    const bool is_qos2 = written.qos == Qos::exactly_once;
    const Sent sent =
        send_on(session.identity, passing,
                {.is_counted = true,
                 .is_refusable = session.waits_for_store && written.qos != Qos::at_most_once,
                 .is_to_hold = is_qos2 && is_stored(session)});
    outcome.reason = sent.reason;
    // At QoS 2 the packet id is stored too; a publish that was stored nowhere waits for nothing.
    const bool waits = written.qos == Qos::at_least_once
                           ? sent.is_stored
                           : is_qos2 && (sent.is_stored || is_stored(session));
    if (waits && (storage_.has_pending() || has_tracked_)) {
        outcome.ticket = await(session, epoch_);
    }
    if (taken && outcome.ticket != 0 && session.waits_for_store) {
        inbound_waits_.push_back({outcome.ticket, session.ref(), *taken});
    }
    return outcome;
}

/// A will was rewritten when its client connected, and is judged again now.
void Broker::publish_will(Session& session) {
    const std::unique_ptr<Will> will = std::move(session.will);
    const ClientIdentity& client = *session.identity;
    const PublishRequest request{
        .topic = will->topic,
        .payload = as_bytes(will->payload),
        .properties = as_bytes(will->properties),
        .qos = will->qos,
        .retain = will->retain,
        .expires_at = will->has_expiry ? now_.monotonic + will->expiry_interval : never};
    Passing passing;
    passing.request = &request;
    passing.topic = passing.written = will->topic;
    PublishOutcome outcome = ask_publish(client, passing);
    if (hooks_->wants(HookPoint::filter_publish) && !outcome.is_pending &&
        !is_error(outcome.reason)) {
        outcome = filter_publish(client, passing);
    }
    // The client is gone, so nobody could wait for an answer that is pending: refused.
    if (outcome.is_pending) {
        outcome = refused(ReasonCode::not_authorized);
    }
    if (is_error(outcome.reason)) {
        note_refused(outcome);
        shared_.log->warning(outcome.is_by_filter ? "will.refused" : "will.not_authorized",
                             {{"client_id", client.client_id}, {"topic", will->topic}});
        return;
    }
    if (!passing.is_dropped) {
        metrics_.wills_published.add();
    }
    // What the store has of the session forgets the will in this turn.
    send_on(session.identity, passing, {.is_to_hold = is_stored(session)});
}

/// Whether filters and access let a client leave this will, whose topic then is the broker's.
ReasonCode Broker::admit_will(const ClientIdentity& client, Will& will) {
    std::optional<std::string> text;
    if (hooks_->wants(HookPoint::rewrite_publish)) {
        rewrite_text(client, HookPoint::rewrite_publish, will.topic, text);
    }
    if (text && !check_topic_name(*text, options_.topic_limits)) {
        return ReasonCode::topic_name_invalid;
    }
    if (text) {
        will.topic = std::move(*text);
    }
    if (client.mountpoint.view().size() + will.topic.size() > topic_bytes_max) {
        return ReasonCode::topic_name_invalid;
    }
    will.topic.insert(0, client.mountpoint.view());
    const AccessDecision decision = authorize(client, {.client = client,
                                                       .action = AccessAction::publish,
                                                       .topic = will.topic,
                                                       .qos = will.qos,
                                                       .retain = will.retain});
    return decision == AccessDecision::deny ? ReasonCode::not_authorized : ReasonCode::success;
}

}  // namespace gw
