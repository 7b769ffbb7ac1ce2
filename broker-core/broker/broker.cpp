#include "broker-core/broker/broker.hpp"

#include "broker-core/base/hash.hpp"

#include <algorithm>
#include <utility>

namespace gw {

namespace {

bool is_sys_topic(std::string_view topic) {
    return topic.starts_with("$SYS") && (topic.size() == 4 || topic[4] == '/');
}

}  // namespace

std::uint32_t BrokerShared::partition_of(std::string_view client_id) const {
    return static_cast<std::uint32_t>(hash_text(client_id, hash_key) % partition_count);
}

Broker::Broker(BrokerShared& shared, const BrokerOptions& options, std::uint32_t worker,
               Exchange& exchange, Storage& storage, Now start, std::uint64_t seed)
    : shared_(shared),
      options_(options),
      worker_(worker),
      exchange_(exchange),
      storage_(storage),
      now_(start),
      random_(seed),
      timers_(start.monotonic),
      sessions_(worker, shared.hash_key),
      outgoing_(shared.worker_count) {}

Broker::~Broker() {
    sessions_.for_each([this](Session& session) {
        timers_.cancel(session);
        shared_.router.unsubscribe_all(session.subscriptions, session.ref());
    });
}

void Broker::flush() {
    for (std::uint32_t to = 0; to < outgoing_.size(); ++to) {
        if (!outgoing_[to].empty()) {
            exchange_.post(worker_, to, outgoing_[to]);
        }
    }
}

void Broker::on_batch(CrossBatch& batch) {
    for (CrossDelivery& item : batch) {
        if (item.match) {
            deliver_targets(item.message, item.match->targets(worker_));
        } else {
            deliver_shared(item.message, item.group, item.target);
        }
    }
    batch.clear();
}

// ------------------------------------------------------------------------------------- access

AccessDecision Broker::authorize(const Session& session, const AccessRequest& request) {
    const ClientIdentity& client = *session.identity;
    if (client.is_superuser) {
        return AccessDecision::allow;
    }
    if (is_sys_topic(request.topic)) {
        // Only the broker speaks there, and only to administrators.
        if (request.action == AccessAction::publish || !client.is_administrator) {
            return AccessDecision::deny;
        }
    }
    return shared_.access->check(request);
}

bool Broker::may_receive(const Session& session, const Message& message) {
    if (!shared_.access->checks_delivery() && !message.topic().starts_with('$')) [[likely]] {
        return true;
    }
    const AccessRequest request{.client = *session.identity,
                                .action = AccessAction::deliver,
                                .topic = message.topic(),
                                .qos = message.qos(),
                                .retain = message.retain()};
    return authorize(session, request) == AccessDecision::allow;
}

void Broker::on_access_decided(SessionRef ref) {
    Session* const session = sessions_.find(ref);
    if (session != nullptr && session->link != nullptr) {
        session->link->on_access_decided();
    }
}

// ------------------------------------------------------------------------------------ publish

PublishOutcome Broker::publish(Session& session, MessagePtr message) {
    metrics_.messages_received.add();
    metrics_.messages_received_by_qos[static_cast<std::size_t>(message->qos())].add();
    for (const auto& hook : shared_.hooks) {
        if (!hook->on_message_publish(message)) {
            metrics_.drop(DropReason::refused_by_hook);
            return {};
        }
    }
    bool matched = false;
    route(message, matched);
    PublishOutcome outcome;
    if (!matched) {
        metrics_.messages_without_subscriber.add();
        outcome.reason = ReasonCode::no_matching_subscribers;
    }
    if (message->qos() != Qos::at_most_once) {
        outcome.ticket = store_ticket(session);
    }
    return outcome;
}

PublishOutcome Broker::publish_qos2(Session& session, MessagePtr message, std::uint16_t packet_id) {
    if (!session.inbound_qos2) {
        session.inbound_qos2 = std::make_unique<PacketIdSet>();
    }
    if (!session.inbound_qos2->insert(packet_id)) {
        // The client has lost our PUBREC: it is answered again, nothing is routed (4.3.3).
        return {.reason = ReasonCode::success, .ticket = store_ticket(session)};
    }
    if (session.is_persistent()) {
        storage_.keep_session(session.client_id());
    }
    return publish(session, std::move(message));
}

bool Broker::release_inbound(Session& session, std::uint16_t packet_id) {
    if (!session.inbound_qos2 || !session.inbound_qos2->erase(packet_id)) {
        return false;
    }
    if (session.is_persistent()) {
        storage_.keep_session(session.client_id());
    }
    return true;
}

void Broker::publish_internal(std::string_view topic, std::string_view payload, bool retain,
                              Qos qos) {
    const MessagePtr message = Message::create({.topic = topic,
                                                .payload = as_bytes(payload),
                                                .properties = {},
                                                .qos = qos,
                                                .retain = retain,
                                                .arrival = now_.monotonic,
                                                .expires_at = never,
                                                .publisher = nullptr});
    bool matched = false;
    route(message, matched);
}

void Broker::route(const MessagePtr& message, bool& matched) {
    if (message->retain()) {
        retain(message);
    }
    const MatchPtr match = shared_.router.match(worker_, message->topic());
    if (match->empty()) {
        return;
    }
    matched = true;
    for (const MatchResult::WorkerRun& run : match->runs()) {
        if (run.worker == worker_) {
            deliver_targets(message, match->targets(run));
        } else {
            outgoing_[run.worker].push_back({message, match, nullptr, {}});
        }
    }
    for (const SharedGroupPtr& group : match->groups()) {
        const auto target = group->pick(*message, random_);
        if (target) {
            dispatch_shared(message, group, *target);
        }
    }
}

void Broker::retain(const MessagePtr& message) {
    MessagePtr kept = message;
    if (options_.retained_expiry != Seconds{0}) {
        const MonotonicTime expires_at =
            std::min(message->expires_at(), now_.monotonic + options_.retained_expiry);
        kept = Message::create({.topic = message->topic(),
                                .payload = message->payload(),
                                .properties = message->properties(),
                                .qos = message->qos(),
                                .retain = true,
                                .arrival = message->arrival(),
                                .expires_at = expires_at,
                                .publisher = message->publisher()});
    }
    switch (shared_.retained.set(kept)) {
        case RetainOutcome::stored:
        case RetainOutcome::replaced:
        case RetainOutcome::cleared:
            storage_.keep_retained(kept);
            break;
        case RetainOutcome::nothing_to_clear:
            break;
        case RetainOutcome::over_count:
        case RetainOutcome::over_bytes:
        case RetainOutcome::payload_too_large:
            // The topic has no retained message now: an older one would be taken for current.
            metrics_.retained_refused.add();
            storage_.keep_retained(Message::create({.topic = message->topic(),
                                                    .payload = {},
                                                    .properties = {},
                                                    .qos = message->qos(),
                                                    .retain = true,
                                                    .arrival = message->arrival(),
                                                    .expires_at = never,
                                                    .publisher = message->publisher()}));
            break;
    }
}

void Broker::dispatch_shared(const MessagePtr& message, const SharedGroupPtr& group,
                             const RouteTarget& target) {
    if (target.session.worker() == worker_) {
        deliver_shared(message, group, target);
    } else {
        outgoing_[target.session.worker()].push_back({message, nullptr, group, target});
    }
}

void Broker::deliver_shared(const MessagePtr& message, const SharedGroupPtr& group,
                            const RouteTarget& target) {
    Session* const session = sessions_.find(target.session);
    if (session != nullptr) {
        deliver(*session, message, {&target, 1}, &group);
        return;
    }
    // The member ended while the message was under way.
    const auto other = group->pick(*message, random_, target.session);
    if (!other) {
        metrics_.drop(DropReason::no_group_member);
        return;
    }
    metrics_.messages_redispatched.add();
    dispatch_shared(message, group, *other);
}

void Broker::deliver_targets(const MessagePtr& message, std::span<const RouteTarget> targets) {
    for (std::size_t begin = 0; begin < targets.size();) {
        std::size_t end = begin + 1;
        while (end < targets.size() && targets[end].session == targets[begin].session) {
            ++end;
        }
        Session* const session = sessions_.find(targets[begin].session);
        if (session != nullptr) {
            deliver(*session, message, targets.subspan(begin, end - begin), nullptr);
        } else {
            metrics_.drop(DropReason::session_gone);
        }
        begin = end;
    }
}

void Broker::deliver(Session& session, const MessagePtr& message,
                     std::span<const RouteTarget> targets, const SharedGroupPtr* group) {
    const bool is_echo =
        message->publisher() && message->publisher()->session == targets.front().session;
    Delivery delivery;
    bool wanted = false;
    bool retain_as_published = session.identity->is_bridge;
    Qos granted = Qos::at_most_once;
    for (const RouteTarget& target : targets) {
        // A group has chosen this session alone: what it would not take is lost for all.
        const bool no_local =
            target.options.no_local || (session.no_local_always && group == nullptr);
        if (is_echo && no_local) {
            continue;
        }
        wanted = true;
        granted = std::max(granted, target.options.max_qos());
        retain_as_published = retain_as_published || target.options.retain_as_published;
        if (target.options.identifier == 0) {
            continue;
        }
        if (delivery.identifier == 0) {
            delivery.identifier = target.options.identifier;
            continue;
        }
        if (!delivery.extra) {
            delivery.extra = std::make_unique<DeliveryExtra>();
            delivery.extra->identifiers.push_back(delivery.identifier);
        }
        delivery.extra->identifiers.push_back(target.options.identifier);
    }
    if (!wanted) {
        return;
    }
    if (!may_receive(session, *message)) {
        metrics_.drop(DropReason::not_authorized_delivery);
        return;
    }
    if (group != nullptr) {
        delivery.extra = std::make_unique<DeliveryExtra>();
        delivery.extra->group = *group;
    }
    delivery.qos = options_.upgrade_qos ? std::max(message->qos(), granted)
                                        : std::min(message->qos(), granted);
    delivery.retain = message->retain() && retain_as_published;
    delivery.message = message;
    if (delivery.qos != Qos::at_most_once && session.is_persistent()) {
        storage_.keep_delivery(session.client_id(), message);
    }
    enqueue(session, std::move(delivery));
}

// ----------------------------------------------------------------------------------- delivery

void Broker::enqueue(Session& session, Delivery delivery) {
    const bool is_qos0 = delivery.qos == Qos::at_most_once;
    if (session.link != nullptr && !session.link->is_output_blocked && session.queue.empty() &&
        session.unsent_resends == 0 && !session.is_starting) [[likely]] {
        if (is_qos0 || session.inflight.has_room(session.inflight_max)) {
            send_new(session, std::move(delivery));
            count_load(session);
            return;
        }
    }
    if (is_qos0) {
        if (session.link == nullptr && (!session.is_persistent() || !options_.queue_qos0_offline)) {
            metrics_.drop(DropReason::offline_qos0);
            return;
        }
        if (shared_.memory_grade.load(std::memory_order_relaxed) != MemoryGrade::normal) {
            metrics_.drop(DropReason::memory_shed);
            return;
        }
    }
    session.queue.push(std::move(delivery), options_.queue_limits, [&](const Delivery&) {
        metrics_.drop(DropReason::queue_full);
        ++session.dropped_count;
    });
    count_load(session);
}

void Broker::count_load(Session& session) {
    if (session.load) {
        session.load->inflight_count.store(
            static_cast<std::uint32_t>(session.inflight.count() + session.queue.count()),
            std::memory_order_relaxed);
    }
}

bool Broker::send(Session& session, const Delivery& delivery) {
    const DeliveryView view{.message = *delivery.message,
                            .identifiers = delivery.identifiers(),
                            .packet_id = delivery.packet_id,
                            .qos = delivery.qos,
                            .retain = delivery.retain,
                            .is_resend = delivery.is_resend};
    if (!session.link->on_delivery(view)) {
        metrics_.drop(DropReason::packet_too_large);
        return false;
    }
    metrics_.messages_sent.add();
    metrics_.messages_sent_by_qos[static_cast<std::size_t>(delivery.qos)].add();
    for (const auto& hook : shared_.hooks) {
        hook->on_message_delivered(*session.identity, *delivery.message);
    }
    return true;
}

void Broker::send_new(Session& session, Delivery delivery) {
    if (delivery.message->is_expired(now_.monotonic)) {
        metrics_.drop(DropReason::expired);
        return;
    }
    if (delivery.qos == Qos::at_most_once) {
        send(session, delivery);
        return;
    }
    Delivery& entry = session.inflight.add(std::move(delivery));
    if (!send(session, entry)) {
        session.inflight.complete(entry);
    }
}

void Broker::start_delivery(Session& session) {
    session.is_starting = false;
    session.unsent_resends = static_cast<std::uint32_t>(session.inflight.count());
    session.inflight.for_each([](Delivery& delivery) { delivery.is_resend = true; });
    pump(session);
}

void Broker::pump(Session& session) {
    // A link may report acknowledgements from within a call of ours: one loop at a time.
    if (session.is_pumping || session.is_starting) {
        return;
    }
    session.is_pumping = true;
    bool progressed = true;
    while (progressed && session.link != nullptr && !session.link->is_output_blocked) {
        progressed = false;
        pump_once(session, progressed);
    }
    session.is_pumping = false;
    session.inflight.shrink();
    session.queue.shrink();
    count_load(session);
}

void Broker::pump_once(Session& session, bool& progressed) {
    if (session.unsent_resends != 0) {
        progressed = pump_resends(session);
        return;
    }
    if (!session.queue.empty()) {
        if (session.queue.front().qos == Qos::at_most_once ||
            session.inflight.has_room(session.inflight_max)) {
            send_new(session, session.queue.pop());
            progressed = true;
        }
        return;
    }
    if (session.replays) {
        progressed = pump_replays(session);
    }
}

bool Broker::pump_resends(Session& session) {
    // What was in flight may be more than the new connection's Receive Maximum: the rest follows
    // as acknowledgements come (MQTT 5.0, 3.3.4 and 4.4).
    std::size_t on_the_wire = session.inflight.count() - session.unsent_resends;
    bool progressed = false;
    std::uint16_t too_large = 0;
    session.inflight.for_each([&](Delivery& delivery) {
        if (!delivery.is_resend || on_the_wire >= session.inflight_max || too_large != 0) {
            return;
        }
        ++on_the_wire;
        --session.unsent_resends;
        progressed = true;
        if (delivery.state == DeliveryState::released) {
            session.link->on_release(delivery.packet_id);
        } else if (!send(session, delivery)) {
            too_large = delivery.packet_id;
        }
        delivery.is_resend = false;
    });
    if (too_large != 0) {
        session.inflight.complete(*session.inflight.find(too_large));
    }
    return progressed;
}

bool Broker::pump_replays(Session& session) {
    constexpr std::size_t page_count = 64;
    RetainedReplay& replay = session.replays->front();
    bool is_fresh = false;
    if (replay.page.empty()) {
        if (!session.inflight.has_room(session.inflight_max)) {
            return false;  // goes on with the next acknowledgement
        }
        replay.is_last_page = !shared_.retained.next(replay.filter, replay.cursor, page_count,
                                                     now_.monotonic, replay.page);
        is_fresh = true;
    }
    // Not through the queue: its bound is for what comes by itself, and this can wait in the store.
    bool progressed = is_fresh;
    while (!replay.page.empty() && session.inflight.has_room(session.inflight_max) &&
           !session.link->is_output_blocked) {
        MessagePtr message = std::move(replay.page.back());
        replay.page.pop_back();
        progressed = true;
        if (!is_fresh) {
            // It has waited: an older state must not follow a newer one that was sent live.
            message = shared_.retained.find(message->topic(), now_.monotonic);
        }
        if (message) {
            send_retained_message(session, replay.options, std::move(message));
        }
    }
    if (replay.page.empty() && replay.is_last_page) {
        session.replays->pop_front();
        if (session.replays->empty()) {
            session.replays.reset();
        }
    }
    return progressed;
}

void Broker::send_retained_message(Session& session, SubscriptionOptions options,
                                   MessagePtr message) {
    if (!may_receive(session, *message)) {
        metrics_.drop(DropReason::not_authorized_delivery);
        return;
    }
    Delivery delivery;
    delivery.identifier = options.identifier;
    delivery.qos = options_.upgrade_qos ? std::max(message->qos(), options.max_qos())
                                        : std::min(message->qos(), options.max_qos());
    delivery.retain = true;
    delivery.message = std::move(message);
    if (delivery.qos != Qos::at_most_once && session.is_persistent()) {
        storage_.keep_delivery(session.client_id(), delivery.message);
    }
    send_new(session, std::move(delivery));
}

// --------------------------------------------------------------------------- acknowledgements

bool Broker::on_puback(Session& session, std::uint16_t packet_id, ReasonCode reason) {
    Delivery* const delivery = session.inflight.find(packet_id);
    if (delivery == nullptr || delivery->qos != Qos::at_least_once ||
        (delivery->is_resend && session.unsent_resends != 0)) {
        return false;
    }
    for (const auto& hook : shared_.hooks) {
        hook->on_message_acked(*session.identity, *delivery->message);
    }
    if (is_error(reason)) {
        metrics_.drop(DropReason::refused_by_client);
    }
    session.inflight.complete(*delivery);
    pump(session);
    return true;
}

bool Broker::on_pubrec(Session& session, std::uint16_t packet_id, ReasonCode reason) {
    Delivery* const delivery = session.inflight.find(packet_id);
    if (delivery == nullptr || delivery->qos != Qos::exactly_once ||
        (delivery->is_resend && session.unsent_resends != 0)) {
        return false;
    }
    if (delivery->state == DeliveryState::published) {
        for (const auto& hook : shared_.hooks) {
            hook->on_message_acked(*session.identity, *delivery->message);
        }
    }
    if (is_error(reason)) {
        metrics_.drop(DropReason::refused_by_client);
        session.inflight.complete(*delivery);
        pump(session);
        return true;
    }
    delivery->state = DeliveryState::released;
    delivery->message.reset();
    delivery->extra.reset();
    return true;
}

bool Broker::on_pubcomp(Session& session, std::uint16_t packet_id) {
    Delivery* const delivery = session.inflight.find(packet_id);
    if (delivery == nullptr || delivery->state != DeliveryState::released) {
        return false;
    }
    if (delivery->is_resend && session.unsent_resends != 0) {
        --session.unsent_resends;  // answered before PUBREL went out again
    }
    session.inflight.complete(*delivery);
    pump(session);
    return true;
}

StoreTicket Broker::store_ticket(const Session& session) {
    const StoreTicket ticket = storage_.ticket();
    if (ticket != 0) {
        store_waits_.push_back({ticket, session.ref()});
    }
    return ticket;
}

void Broker::on_stored(StoreTicket ticket) {
    while (!store_waits_.empty() && store_waits_.front().ticket <= ticket) {
        const SessionRef ref = store_waits_.front().session;
        store_waits_.pop_front();
        // One call for all that the same client waits for.
        if (!store_waits_.empty() && store_waits_.front().session == ref &&
            store_waits_.front().ticket <= ticket) {
            continue;
        }
        Session* const session = sessions_.find(ref);
        if (session != nullptr && session->link != nullptr) {
            session->link->on_stored(ticket);
        }
    }
}

// ------------------------------------------------------------------------------ subscriptions

ReasonCode Broker::subscribe(Session& session, const SubscribeRequest& request) {
    const TopicFilter& filter = request.filter;
    if (filter.has_wildcard && !options_.wildcard_subscriptions) {
        return ReasonCode::wildcard_subscriptions_not_supported;
    }
    if (filter.kind == FilterKind::shared) {
        if (!options_.shared_subscriptions) {
            return ReasonCode::shared_subscriptions_not_supported;
        }
        if (!session.load) {
            session.load = SessionLoadPtr{new SessionLoad};
            session.load->online.store(session.link != nullptr, std::memory_order_relaxed);
            count_load(session);
        }
    }
    if (options_.subscriptions_max != 0 &&
        session.subscriptions.size() >= options_.subscriptions_max &&
        !shared_.router.find_subscription(session.ref(), filter)) {
        return ReasonCode::quota_exceeded;
    }
    if (session.replays && session.replays->size() > 2 * session.subscriptions.size() + 64) {
        // The same filters again and again without reading what is retained.
        return ReasonCode::quota_exceeded;
    }
    const SubscribeOutcome outcome = shared_.router.subscribe(
        session.subscriptions, session.ref(), filter, request.options,
        filter.kind == FilterKind::shared ? session.load : SessionLoadPtr{});
    if (session.is_persistent()) {
        storage_.keep_session(session.client_id());
    }
    for (const auto& hook : shared_.hooks) {
        hook->on_session_subscribed(*session.identity, filter.text);
    }
    using Retained = SubscribeRequest::Retained;
    const bool due =
        request.retained == Retained::send ||
        (request.retained == Retained::send_if_new && outcome == SubscribeOutcome::created);
    // No retained messages for shared subscriptions (MQTT 5.0, 4.8.2).
    if (due && filter.kind != FilterKind::shared && options_.retain_available &&
        shared_.retained.count() != 0) {
        if (!session.replays) {
            session.replays = std::make_unique<Ring<RetainedReplay>>();
        }
        RetainedReplay replay;
        replay.filter = std::string{filter.filter()};
        replay.options = request.options;
        session.replays->push_back(std::move(replay));
    }
    return static_cast<ReasonCode>(request.options.qos);
}

ReasonCode Broker::unsubscribe(Session& session, const TopicFilter& filter) {
    if (!shared_.router.unsubscribe(session.subscriptions, session.ref(), filter)) {
        return ReasonCode::no_subscription_existed;
    }
    if (session.replays) {
        // What is retained for a filter that is gone is not sent any more.
        Ring<RetainedReplay> others;
        while (!session.replays->empty()) {
            RetainedReplay replay = session.replays->pop_front();
            if (replay.filter != filter.filter()) {
                others.push_back(std::move(replay));
            }
        }
        *session.replays = std::move(others);
        if (session.replays->empty()) {
            session.replays.reset();
        }
    }
    if (session.is_persistent()) {
        storage_.keep_session(session.client_id());
    }
    for (const auto& hook : shared_.hooks) {
        hook->on_session_unsubscribed(*session.identity, filter.text);
    }
    return ReasonCode::success;
}

}  // namespace gw
