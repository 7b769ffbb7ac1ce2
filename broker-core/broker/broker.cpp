#include "broker-core/broker/broker.hpp"

#include "broker-core/base/hash.hpp"

#include <algorithm>
#include <utility>

namespace gw {

std::uint32_t BrokerShared::partition_of(std::string_view client_id, std::uint64_t key) {
    return static_cast<std::uint32_t>(hash_text(client_id, key) % partition_count);
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
      outgoing_(shared.worker_count),
      hooks_(shared.hooks ? shared.hooks : std::make_shared<const HookSet>()),
      // Never used before: the time in microseconds goes up faster than messages come.
      next_message_id_(
          static_cast<std::uint64_t>(worker) << 56 |
          (static_cast<std::uint64_t>(start.wall.time_since_epoch().count()) * 1000 + 1)),
      is_tracked_(shared.worker_count) {}

Broker::~Broker() {
    sessions_.for_each([this](Session& session) {
        timers_.cancel(session);
        shared_.router.unsubscribe_all(session.subscriptions, session.ref());
    });
}

void Broker::flush() {
    // To the store before to other workers: what they store refers to it.
    const bool has_own = storage_.submit(epoch_);
    if (has_own || has_tracked_) {
        epochs_.push_back({epoch_, has_own, StoreOutcome::stored, {}});
    }
    for (std::uint32_t to = 0; to < outgoing_.size(); ++to) {
        if (!outgoing_[to].empty()) {
            if (is_tracked_[to]) {
                epochs_.back().waits_for.push_back(to);
            }
            exchange_.post(worker_, to, outgoing_[to], is_tracked_[to] ? epoch_ : 0);
            is_tracked_[to] = false;
        }
    }
    if (has_own || has_tracked_) {
        has_tracked_ = false;
        ++epoch_;
    }
    body_stored_again_ = 0;
}

void Broker::on_batch(std::uint32_t from, CrossBatch& batch, StoreTicket ticket) {
    if (ticket != 0) {
        storage_.cover(from, ticket);
    }
    for (CrossDelivery& item : batch) {
        if (item.match) {
            deliver_targets(item.message, item.match->targets(worker_), item.passage.is_refusable);
            let_go(item.passage.hold, item.message->store_id());
        } else {
            deliver_shared(item.message, item.group, item.target, item.passage);
        }
    }
    batch.clear();
}

// ------------------------------------------------------------------------------------ routing

Broker::Routed Broker::route(const MessagePtr& message, bool is_refusable, bool is_to_hold) {
    Routed routed;
    if (message->retain()) {
        routed.stored = retain(message);
    }
    const MatchPtr match = shared_.router.match(worker_, message->topic());
    if (match->empty()) {
        return routed;
    }
    routed.matched = true;
    const bool can_store =
        storage_.is_durable() && (message->qos() != Qos::at_most_once || options_.upgrade_qos);
    const bool is_to_store = can_store && match->has_stored_target();
    if (is_to_store) {
        routed.stored = true;
        store_body(*message);
    }
    for (const MatchResult::WorkerRun& run : match->runs()) {
        if (run.worker == worker_) {
            deliver_targets(message, match->targets(run), is_refusable);
        } else {
            Passage passage{is_refusable, {}, 0};
            if (is_to_store && is_to_hold) {
                passage.hold = hold(*message, worker_text(run.worker));
            }
            outgoing_[run.worker].push_back({message, match, nullptr, {}, passage});
            track(run.worker, is_to_store);
        }
    }
    for (const SharedGroupPtr& group : match->groups()) {
        const auto target = group->pick(*message, random_);
        if (target) {
            const bool is_stored_target = can_store && target->session.is_persistent() &&
                                          target->options.max_qos() != Qos::at_most_once;
            routed.stored = routed.stored || is_stored_target;
            Passage passage{is_refusable, {}, 0};
            if (is_to_hold && is_stored_target && target->session.worker() != worker_) {
                passage.hold = hold(*message, group->text());
            }
            dispatch_shared(message, group, *target, passage);
        }
    }
    return routed;
}

void Broker::track(std::uint32_t worker, bool may_be_stored) {
    if (may_be_stored) {
        is_tracked_[worker] = true;
        has_tracked_ = true;
    }
}

std::uint64_t Broker::store_body(const Message& message) {
    // The store gives up a body that no delivery has named for some seconds. When this worker came
    // so late to it, the body goes with the deliveries, once a turn.
    constexpr Milliseconds late_after{1000};
    if (const std::uint64_t id = message.store_id(); id != 0) {
        if (message.arrival() + late_after < now_.monotonic && body_stored_again_ != id) {
            storage_.put_message(id, message, now_);
            body_stored_again_ = id;
        }
        return id;
    }
    const std::uint64_t id = next_message_id_++;
    if (message.claim_store_id(id)) {
        storage_.put_message(id, message, now_);
        body_stored_again_ = id;
    }
    return message.store_id();
}

void Broker::store_delivery(const Session& session, Delivery& delivery) {
    if (delivery.message->qos() == Qos::at_most_once && !options_.upgrade_qos) {
        // What route() did not store for all is stored by each worker for itself.
        delivery.message_id = next_message_id_++;
        storage_.put_message(delivery.message_id, *delivery.message, now_);
    } else {
        delivery.message_id = store_body(*delivery.message);
    }
    storage_.put_delivery({.session_id = session.store_id,
                           .sequence = delivery.sequence,
                           .message_id = delivery.message_id,
                           .qos = delivery.qos,
                           .retain = delivery.retain,
                           .identifiers = delivery.identifiers(),
                           .group = delivery.group_text()});
}

void Broker::settle(const Session& session, const Delivery& delivery) {
    if (delivery.message_id != 0) {
        storage_.complete(session.store_id, delivery.sequence, delivery.message_id);
    }
}

bool Broker::retain(const MessagePtr& message) {
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
    std::uint64_t version = 0;
    switch (shared_.retained.set(kept, &version)) {
        case RetainOutcome::stored:
        case RetainOutcome::replaced:
        case RetainOutcome::cleared:
            if (storage_.is_durable()) {
                storage_.put_retained(*kept, version, now_);
            }
            return storage_.is_durable();
        case RetainOutcome::nothing_to_clear:
            return false;
        case RetainOutcome::over_count:
        case RetainOutcome::over_bytes:
        case RetainOutcome::payload_too_large:
            // The topic has no retained message now: an older one would be taken for current.
            metrics_.retained_refused.add();
            retain_nothing(*message, version);
            return false;
    }
    GW_UNREACHABLE();
}

void Broker::retain_nothing(const Message& message, std::uint64_t version) {
    if (!storage_.is_durable()) {
        return;
    }
    const MessagePtr empty = Message::create({.topic = message.topic(),
                                              .payload = {},
                                              .properties = {},
                                              .qos = message.qos(),
                                              .retain = true,
                                              .arrival = message.arrival(),
                                              .expires_at = never,
                                              .publisher = message.publisher()});
    storage_.put_retained(*empty, version, now_);
}

void Broker::forget_retained(std::span<const MessagePtr> expired, std::uint64_t version) {
    for (const MessagePtr& message : expired) {
        retain_nothing(*message, version);
    }
}

void Broker::dispatch_shared(const MessagePtr& message, const SharedGroupPtr& group,
                             const RouteTarget& target, const Passage& passage) {
    if (target.session.worker() == worker_) {
        deliver_shared(message, group, target, passage);
    } else {
        outgoing_[target.session.worker()].push_back({message, nullptr, group, target, passage});
        track(target.session.worker(), storage_.is_durable() && target.session.is_persistent());
    }
}

void Broker::deliver_shared(const MessagePtr& message, const SharedGroupPtr& group,
                            const RouteTarget& chosen, const Passage& passage) {
    const bool is_checked = checks_delivery(*message);
    Passage onward = passage;
    for (RouteTarget target = chosen;;) {
        Session* const session = sessions_.find(target.session);
        if (session != nullptr && may_receive(*session, *message, is_checked)) {
            deliver(*session, message, {&target, 1}, &group, {passage.is_refusable, false});
            let_go(passage.hold, message->store_id());
            return;
        }
        // The member ended while the message was under way, or has no right to it: then each of
        // the others is asked in its turn.
        const bool is_over = ++onward.passed_over > passed_over_max;
        const auto other = is_over ? std::nullopt
                           : session != nullptr
                               ? group->pick_after(target.session, onward.passed_over)
                               : group->pick(*message, random_, target.session);
        if (!other) {
            metrics_.drop(session != nullptr ? DropReason::not_authorized_delivery
                                             : DropReason::no_group_member);
            let_go(passage.hold, message->store_id());
            return;
        }
        metrics_.messages_redispatched.add();
        if (other->session.worker() != worker_) {
            if (onward.hold.session_id == 0 && needs_hold(*message, *other)) {
                onward.hold = hold(*message, group->text());
            }
            dispatch_shared(message, group, *other, onward);
            return;
        }
        target = *other;
    }
}

void Broker::deliver_targets(const MessagePtr& message, std::span<const RouteTarget> targets,
                             bool is_refusable) {
    const HowDelivered how{is_refusable, checks_delivery(*message)};
    for (std::size_t begin = 0; begin < targets.size();) {
        std::size_t end = begin + 1;
        while (end < targets.size() && targets[end].session == targets[begin].session) {
            ++end;
        }
        Session* const session = sessions_.find(targets[begin].session);
        if (session != nullptr) {
            deliver(*session, message, targets.subspan(begin, end - begin), nullptr, how);
        } else {
            metrics_.drop(DropReason::session_gone);
        }
        begin = end;
    }
}

void Broker::deliver(Session& session, const MessagePtr& message,
                     std::span<const RouteTarget> targets, const SharedGroupPtr* group,
                     const HowDelivered& how) {
    const bool is_echo =
        message->publisher() && message->publisher()->session == targets.front().session;
    Delivery delivery;
    bool wanted = false;
    bool retain_as_published = session.identity->is_bridge;
    Qos granted = Qos::at_most_once;
    for (const RouteTarget& target : targets) {
        // A group has chosen this session alone: what it would not take is lost for all.
        const bool no_local =
            target.options.skips_own() || (session.no_local_always && group == nullptr);
        if (is_echo && no_local) {
            continue;
        }
        wanted = true;
        granted = std::max(granted, target.options.max_qos());
        retain_as_published = retain_as_published || target.options.keeps_retain();
        const std::uint32_t identifier = target.options.delivered_identifier();
        if (identifier == 0) {
            continue;
        }
        if (delivery.identifier == 0) {
            delivery.identifier = identifier;
            continue;
        }
        if (!delivery.extra) {
            delivery.extra = std::make_unique<DeliveryExtra>();
            delivery.extra->identifiers.push_back(delivery.identifier);
        }
        delivery.extra->identifiers.push_back(identifier);
    }
    if (!wanted) {
        return;
    }
    if (group == nullptr && !may_receive(session, *message, how.is_checked)) {
        metrics_.drop(DropReason::not_authorized_delivery);
        return;
    }
    if (group != nullptr) {
        if (!delivery.extra) {
            delivery.extra = std::make_unique<DeliveryExtra>();
        }
        delivery.extra->group = *group;
    }
    delivery.qos = delivery_qos(session, *message, granted);
    delivery.retain = message->retain() && retain_as_published;
    delivery.message = message;
    number(session, delivery);
    enqueue(session, std::move(delivery), how.is_refusable);
}

Qos Broker::delivery_qos(const Session& session, const Message& message, Qos granted) const {
    if (session.identity->protocol->has_subscriber_qos) {
        return granted;
    }
    return options_.upgrade_qos ? std::max(message.qos(), granted)
                                : std::min(message.qos(), granted);
}

/// Gives a delivery its place in the session's order, and stores it where it must not be lost.
void Broker::number(Session& session, Delivery& delivery) {
    delivery.footprint = static_cast<std::uint32_t>(delivery.message->footprint());
    if (delivery.qos != Qos::at_most_once) {
        delivery.sequence = ++session.last_sequence;
        if (is_stored(session)) {
            store_delivery(session, delivery);
            // Sent before it is stored, it would be sent a second time, and as a new message, after
            // the process died.
            delivery.is_unstored = delivery.qos == Qos::exactly_once;
        }
    }
}

// ----------------------------------------------------------------------------------- delivery

void Broker::enqueue(Session& session, Delivery delivery, bool is_refusable) {
    const bool is_qos0 = delivery.qos == Qos::at_most_once;
    if (!delivery.is_unstored && session.link != nullptr && !session.link->is_output_blocked &&
        session.queue.empty() && session.unsent_resends == 0 && !session.is_starting) [[likely]] {
        if (is_qos0 || session.inflight.has_room(session.inflight_max, delivery.sequence)) {
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
    if (session.link != nullptr && session.link->conflates_queue) {
        conflate(session, delivery.message->topic());
    }
    const bool is_unstored = delivery.is_unstored;
    const bool is_of_group = delivery.extra && delivery.extra->group;
    const std::uint64_t sequence = delivery.message_id != 0 ? delivery.sequence : 0;
    session.queue.push(std::move(delivery), options_.queue_limits, [&](const Delivery& dropped) {
        metrics_.drop(DropReason::queue_full);
        ++session.dropped_count;
        settle(session, dropped);
    });
    const bool is_to_unload = !is_of_group && session.queue.count() > loaded_count_max(session);
    if (sequence != 0 && (is_to_unload || is_unstored)) {
        when_stored_.push_back(
            {epoch_, session.ref(), sequence, is_to_unload, is_refusable && is_unstored});
    }
    count_load(session);
}

/// Makes room for one more message of the topic in the queue of a client that sleeps and wants only
/// the newest ones.
void Broker::conflate(Session& session, std::string_view topic) {
    const std::uint32_t count_max =
        session.link->queued_count_max(session.identity->own_topic(topic));
    if (count_max == 0 || session.queue.empty()) {
        return;
    }
    std::size_t count = 0;
    const auto is_of_topic = [topic](const Delivery& delivery) {
        return delivery.message && delivery.message->topic() == topic;
    };
    session.queue.for_each([&](const Delivery& delivery) { count += is_of_topic(delivery); });
    session.queue.remove_if([&](const Delivery& delivery) {
        if (count < count_max || !is_of_topic(delivery)) {
            return false;
        }
        --count;
        metrics_.drop(DropReason::superseded);
        settle(session, delivery);
        return true;
    });
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
                            .packet_id = delivery.packet_id(),
                            .qos = delivery.qos,
                            .retain = delivery.retain,
                            .is_resend = delivery.is_resend};
    if (!session.link->on_delivery(view)) {
        metrics_.drop(DropReason::packet_too_large);
        return false;
    }
    metrics_.messages_sent.add();
    metrics_.messages_sent_by_qos[static_cast<std::size_t>(delivery.qos)].add();
    tell(HookPoint::message_delivered,
         [&](Observer& one) { one.on_message_delivered(*session.identity, *delivery.message); });
    return true;
}

void Broker::send_new(Session& session, Delivery delivery) {
    if (delivery.message->is_expired(now_.monotonic)) {
        metrics_.drop(DropReason::expired);
        settle(session, delivery);
        return;
    }
    if (delivery.qos == Qos::at_most_once) {
        send(session, delivery);
        return;
    }
    Delivery& entry = session.inflight.add(std::move(delivery));
    const bool is_sent = send(session, entry);
    entry.is_resend = false;
    if (!is_sent) {
        settle(session, entry);
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
        const Delivery& front = session.queue.front();
        if (front.is_unstored) {
            return;  // goes on with the store's report
        }
        if (front.is_unloaded()) {
            request_load(session);
        } else if (front.qos == Qos::at_most_once ||
                   session.inflight.has_room(session.inflight_max, front.sequence)) {
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
            session.link->on_release(delivery.packet_id());
        } else if (!send(session, delivery)) {
            too_large = delivery.packet_id();
        }
        delivery.is_resend = false;
    });
    if (too_large != 0) {
        Delivery& delivery = *session.inflight.find(too_large);
        settle(session, delivery);
        session.inflight.complete(delivery);
    }
    return progressed;
}

bool Broker::pump_replays(Session& session) {
    constexpr std::size_t page_count = 64;
    RetainedReplay& replay = session.replays->front();
    bool is_fresh = false;
    if (replay.page.empty()) {
        if (!session.inflight.has_room(session.inflight_max, session.last_sequence + 1)) {
            return false;  // goes on with the next acknowledgement
        }
        replay.is_last_page = !shared_.retained.next(replay.filter, replay.cursor, page_count,
                                                     now_.monotonic, replay.page);
        std::reverse(replay.page.begin(), replay.page.end());
        is_fresh = true;
    }
    // Not through the queue: its bound is for what comes by itself, and this can wait in the store.
    bool progressed = is_fresh;
    bool is_to_note = false;  // given again after a restart, it would be once too often
    while (!replay.page.empty() &&
           session.inflight.has_room(session.inflight_max, session.last_sequence + 1) &&
           !session.link->is_output_blocked) {
        MessagePtr message = std::move(replay.page.back());
        replay.page.pop_back();
        replay.given = RetainedStore::behind(message->topic());
        progressed = true;
        if (!is_fresh) {
            // It has waited: an older state must not follow a newer one that was sent live.
            message = shared_.retained.find(message->topic(), now_.monotonic);
        }
        if (message) {
            const Qos qos = delivery_qos(session, *message, replay.options.max_qos());
            is_to_note = is_to_note || qos == Qos::exactly_once;
            send_retained_message(session, replay, std::move(message));
        }
    }
    if (replay.page.empty() && replay.is_last_page) {
        end_replay(session);
        return progressed;
    }
    if (replay.page.empty()) {
        replay.given = replay.cursor;
    }
    if ((is_to_note || replay.page.empty()) && is_kept(session, replay)) {
        replay.is_given_stored = true;
        keep_state(session);
    }
    return progressed;
}

void Broker::send_retained_message(Session& session, const RetainedReplay& replay,
                                   MessagePtr message) {
    if (!may_receive(session, *message, checks_delivery(*message))) {
        metrics_.drop(DropReason::not_authorized_delivery);
        return;
    }
    Delivery delivery;
    delivery.identifier = replay.options.delivered_identifier();
    delivery.qos = delivery_qos(session, *message, replay.options.max_qos());
    if (delivery.qos == Qos::at_most_once && replay.is_restored) {
        metrics_.drop(DropReason::offline_qos0);  // it may have been given before
        return;
    }
    delivery.retain = true;
    // The retained message itself is not numbered: several workers may send it at one time.
    delivery.message = is_stored(session) && delivery.qos != Qos::at_most_once ? message->copy()
                                                                               : std::move(message);
    number(session, delivery);
    if (delivery.is_unstored) {
        enqueue(session, std::move(delivery), false);
    } else {
        send_new(session, std::move(delivery));
    }
}

// --------------------------------------------------------------------------- acknowledgements

bool Broker::on_puback(Session& session, std::uint16_t packet_id, ReasonCode reason) {
    Delivery* const delivery = session.inflight.find(packet_id);
    if (delivery == nullptr || delivery->qos != Qos::at_least_once ||
        (delivery->is_resend && session.unsent_resends != 0)) {
        return false;
    }
    tell(HookPoint::message_acked,
         [&](Observer& one) { one.on_message_acked(*session.identity, *delivery->message); });
    if (is_error(reason)) {
        metrics_.drop(DropReason::refused_by_client);
    }
    settle(session, *delivery);
    session.inflight.complete(*delivery);
    pump(session);
    return true;
}

}  // namespace gw
