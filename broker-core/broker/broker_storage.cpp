// What waits for the store, what comes back from it, and what it gives at start.
#include "broker-core/broker/broker.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace gw {

// ------------------------------------------------------------------------------------- waiting

StoreTicket Broker::await(const Session& session, StoreTicket ticket) {
    if (ticket != 0) {
        store_waits_.push_back({ticket, session.ref()});
    }
    return ticket;
}

StoreTicket Broker::store_ticket(const Session& session) {
    if (!is_stored(session)) {
        return 0;
    }
    if (storage_.has_pending() || has_tracked_) {
        return await(session, epoch_);
    }
    // What is repeated may have been given to the store in an earlier turn.
    return await(session, epochs_.empty() ? 0 : epochs_.back().ticket);
}

StoreTicket Broker::firm_ticket(Session& session) {
    if (is_store_failing_ && is_stored(session)) {
        // The store repeats in order what it could not write: once this is stored, so is that.
        keep_state(session);
    }
    return store_ticket(session);
}

void Broker::on_store_progress(const StoreProgress& progress) {
    for (Epoch& epoch : epochs_) {
        if (epoch.ticket == progress.own_ticket) {
            epoch.waits_for_own = false;
            epoch.outcome = std::max(epoch.outcome, progress.outcome);
        }
        for (const StoreProgress::Cover& cover : progress.covers) {
            if (epoch.ticket <= cover.ticket) {
                if (std::erase(epoch.waits_for, cover.worker) != 0) {
                    epoch.outcome = std::max(epoch.outcome, cover.outcome);
                }
            }
        }
    }
    complete_epochs();
}

void Broker::complete_epochs() {
    StoreTicket stored = 0;
    while (!epochs_.empty() && !epochs_.front().waits_for_own &&
           epochs_.front().waits_for.empty()) {
        const Epoch epoch = std::move(epochs_.front());
        epochs_.pop_front();
        is_store_failing_ = epoch.outcome != StoreOutcome::stored;
        if (!is_store_failing_) {
            stored = epoch.ticket;
            continue;
        }
        if (stored != 0) {
            report_stored(stored, StoreOutcome::stored);
            stored_up_to(std::exchange(stored, 0));
        }
        forget_unstored_inbound(epoch.ticket);
        report_stored(epoch.ticket, epoch.outcome);
        withdraw(epoch.ticket);
        take_back_holds(epoch.ticket);
        stored_up_to(epoch.ticket);
    }
    if (stored != 0) {
        report_stored(stored, StoreOutcome::stored);
        stored_up_to(stored);
    }
}

/// A turn was not stored. Its bodies stay in memory, for they could not be loaded again. QoS 2 that
/// waited for the store is given up where its publisher was told so: that one will send it anew,
/// as another message.
void Broker::withdraw(StoreTicket ticket) {
    for (WhenStored& entry : when_stored_) {
        if (entry.ticket > ticket) {
            break;
        }
        entry.is_to_unload = false;
        Session* const session = entry.is_refusable ? sessions_.find(entry.session) : nullptr;
        const Delivery* const found =
            session != nullptr ? session->queue.find(entry.sequence) : nullptr;
        if (found == nullptr || !found->is_unstored) {
            continue;
        }
        settle(*session, *found);
        metrics_.drop(DropReason::not_stored);
        session->queue.remove_if(
            [&entry](const Delivery& delivery) { return delivery.sequence == entry.sequence; });
        count_load(*session);
    }
}

void Broker::stored_up_to(StoreTicket ticket) {
    while (!inbound_waits_.empty() && inbound_waits_.front().ticket <= ticket) {
        inbound_waits_.pop_front();
    }
    while (!held_.empty() && held_.front().ticket <= ticket) {
        held_.pop_front();
    }
    settle_stored(ticket);
}

void Broker::report_stored(StoreTicket ticket, StoreOutcome outcome) {
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
            session->link->on_stored(ticket, outcome);
        }
    }
    while (!unowned_waits_.empty() && unowned_waits_.front().ticket <= ticket) {
        const WhenPublished tell_publisher = std::move(unowned_waits_.front().tell);
        unowned_waits_.pop_front();
        tell_publisher(outcome);
    }
}

void Broker::settle_stored(StoreTicket ticket) {
    while (!when_stored_.empty() && when_stored_.front().ticket <= ticket) {
        const WhenStored entry = when_stored_.front();
        when_stored_.pop_front();
        Session* const session = sessions_.find(entry.session);
        if (session == nullptr) {
            continue;
        }
        Delivery* const delivery = session->queue.find(entry.sequence);
        if (delivery != nullptr) {
            delivery->is_unstored = false;
            if (entry.is_to_unload) {
                delivery->message.reset();
            }
        }
        // Also when it is gone: what stood behind it, given way to meanwhile, may go on.
        if (!session->queue.empty()) {
            pump(*session);
        }
    }
}

void Broker::unload_queue(const Session& session) {
    std::size_t position = 0;
    session.queue.for_each([&](const Delivery& delivery) {
        const bool is_of_group = delivery.extra && delivery.extra->group;
        if (++position > loaded_count_max(session) && delivery.message && !is_of_group &&
            delivery.message_id != 0) {
            when_stored_.push_back({epoch_, session.ref(), delivery.sequence, true, false});
        }
    });
}

void Broker::set_expiry(Session& session, std::uint32_t seconds) const {
    session.expiry_interval = seconds;
    if (options_.expiry_interval_max != Seconds{0}) {
        session.expiry_interval = static_cast<std::uint32_t>(
            std::min<std::int64_t>(seconds, options_.expiry_interval_max.count()));
    }
}

StoreTicket Broker::begin_close(Session& session, const ConnectionEnd& end) {
    const std::uint32_t expiry_before = session.expiry_interval;
    if (end.expiry_interval) {
        set_expiry(session, *end.expiry_interval);
    }
    const bool drops_will = end.discard_will && session.will;
    if (drops_will) {
        session.will.reset();
    }
    if (drops_will || session.expiry_interval != expiry_before) {
        session.is_leaving = true;
        keep_state(session);
    }
    return session.is_leaving ? firm_ticket(session) : 0;
}

// ------------------------------------------------------------------------------------- loading

void Broker::request_load(Session& session) {
    if (session.is_loading) {
        return;
    }
    constexpr std::size_t page_count = 128;
    std::vector<std::uint64_t> wanted;
    session.queue.for_front(page_count, [&wanted](const Delivery& delivery) {
        if (delivery.is_unloaded()) {
            wanted.push_back(delivery.message_id);
        }
    });
    session.is_loading = true;
    storage_.load(session.ref(), std::move(wanted));
}

void Broker::on_loaded(SessionRef ref, const std::vector<LoadedBody>& bodies) {
    Session* const session = sessions_.find(ref);
    if (session != nullptr) {
        session->is_loading = false;
        put_in_place(*session, bodies);
        pump(*session);
        return;
    }
    for (const LoadedBody& body : bodies) {
        hand_on_loaded(body);
    }
}

void Broker::put_in_place(Session& session, const std::vector<LoadedBody>& bodies) {
    // In the order in which they were asked for, which is the queue's.
    std::size_t next = 0;
    session.queue.for_front(bodies.size() * 2, [&](Delivery& delivery) {
        while (next < bodies.size() && delivery.is_unloaded()) {
            const LoadedBody& body = bodies[next];
            if (body.message_id == delivery.message_id) {
                ++next;
                if (body.message) {
                    // Others may have the same message from the store: it has its number already.
                    body.message->claim_store_id(body.message_id);
                    delivery.message = body.message;
                } else {
                    delivery.message_id = 0;  // gone: neither loaded nor to be loaded
                }
                return;
            }
            const bool is_ahead = std::none_of(
                bodies.begin() + static_cast<std::ptrdiff_t>(next), bodies.end(),
                [&](const LoadedBody& b) { return b.message_id == delivery.message_id; });
            if (is_ahead) {
                return;
            }
            ++next;
        }
    });
    drop_unauthorized(session);
    session.queue.remove_if([&](const Delivery& delivery) {
        const bool is_lost = !delivery.message && delivery.message_id == 0;
        if (is_lost) {
            metrics_.drop(DropReason::session_gone);
        }
        return is_lost;
    });
}

// ------------------------------------------------------------------- a session that begins to last

void Broker::make_persistent(Session& session) {
    if (session.is_persistent()) {
        return;
    }
    session.expiry_interval = 1;
    if (!storage_.is_durable()) {
        return;
    }
    session.store_id = storage_.new_session_id();
    std::vector<SubscriptionInfo> subscriptions;
    shared_.router.list_subscriptions(session.subscriptions, session.ref(), 0,
                                      session.subscriptions.size(), subscriptions);
    // Under a reference that tells all workers to store what they send to it.
    shared_.router.unsubscribe_all(session.subscriptions, session.ref());
    const SessionRef old = session.ref();
    IntrusivePtr<ClientIdentity> identity{new ClientIdentity{*session.identity}};
    identity->session = SessionRef{old.worker(), old.slot, old.generation(), true};
    session.identity = IdentityPtr{identity.get()};
    keep_state(session);
    for (const SubscriptionInfo& one : subscriptions) {
        const auto filter =
            parse_topic_filter(one.filter, {.bytes_max = 200000, .levels_max = 65536});
        GW_ASSERT(filter.has_value());  // it was, when it was subscribed
        shared_.router.subscribe(
            session.subscriptions, session.ref(), *filter, one.options,
            filter->kind == FilterKind::shared ? session.load : SessionLoadPtr{});
        const auto passing = passing_.find(&session);
        if (passing == passing_.end() || !passing->second.contains(filter->text)) {
            storage_.put_subscription(session.store_id, filter->text,
                                      stored_options(session, *filter, one.options));
        }
    }
    session.inflight.for_each([this, &session](Delivery& delivery) {
        if (delivery.message) {  // else it is released, and the client has it
            store_delivery(session, delivery);
        }
    });
    session.queue.for_front(session.queue.count(), [this, &session](Delivery& delivery) {
        if (delivery.qos == Qos::at_most_once) {
            return;
        }
        store_delivery(session, delivery);
        if (delivery.qos == Qos::exactly_once) {
            delivery.is_unstored = true;  // as number() has it
            when_stored_.push_back({epoch_, session.ref(), delivery.sequence, false, false});
        }
    });
    if (session.exactly_once) {
        session.exactly_once->inbound.for_each([this, &session](const Unreleased& one) {
            storage_.put_inbound(session.store_id, one.to_stored());
        });
    }
}

// ------------------------------------------------------------------------------------ starting

void Broker::keep_state(Session& session) {
    if (!is_stored(session)) {
        return;
    }
    SessionState state;
    state.username = session.identity->username.str();
    state.protocol = session.identity->protocol->number;
    state.is_anonymous = session.identity->is_anonymous;
    state.strength = session.identity->strength;
    state.is_online = session.link != nullptr;
    state.expiry_interval = session.expiry_interval;
    state.disconnected_at = now_.wall;
    state.last_sequence = session.last_sequence;
    const auto note_sent = [&state](const Delivery& delivery) {
        state.sent_sequence = std::max(state.sent_sequence, delivery.sequence);
    };
    session.inflight.for_each(note_sent);
    session.queue.for_front_while([&](const Delivery& delivery) {
        if (delivery.is_resend) {
            note_sent(delivery);
        }
        return delivery.is_resend;
    });
    if (session.will) {
        state.will = std::make_unique<Will>(*session.will);
    }
    state.mountpoint = session.identity->mountpoint.str();
    if (const auto rewritten = rewritten_.find(&session); rewritten != rewritten_.end()) {
        state.rewritten.assign(rewritten->second.begin(), rewritten->second.end());
    }
    if (session.adapter_state) {
        state.adapter_state = *session.adapter_state;
    }
    if (session.replays && session.replays->front().is_given_stored) {
        const RetainedReplay& replay = session.replays->front();
        state.replay = StoredReplay{replay.filter, replay.given};
    }
    ByteBuffer bytes;
    encode_session_state(bytes, state);
    storage_.put_session(session.store_id, session.client_id(), as_text(bytes.view()));
}

void Broker::restore_session(StoredSession&& restored) {
    const SessionState& state = restored.state;
    OpenSession request;
    request.client_id = restored.client_id;
    request.protocol = &shared_.protocols.by_number(state.protocol);
    request.restored_mountpoint = state.mountpoint;
    request.expiry_interval = std::max(state.expiry_interval, 1U);
    AuthDecision auth;
    auth.username = state.username;
    auth.is_anonymous = state.is_anonymous;
    auth.strength = state.strength;
    Session& session = create_session(request, auth, restored.store_id);
    session.is_identity_restored = true;
    session.expiry_interval = state.expiry_interval;
    session.last_sequence = state.last_sequence;
    session.inflight_max = options_.inflight_max;
    if (!state.rewritten.empty()) {
        rewritten_[&session].insert(state.rewritten.begin(), state.rewritten.end());
    }
    for (const auto& [filter, options] : restored.subscriptions) {
        if (filter.kind == FilterKind::shared && !session.load) {
            session.load = SessionLoadPtr{new SessionLoad};
        }
        shared_.router.subscribe(
            session.subscriptions, session.ref(), filter, options,
            filter.kind == FilterKind::shared ? session.load : SessionLoadPtr{});
    }
    // What was in flight when the process ended cannot be told from what was about to be: not even
    // by the size of the window, since acknowledgements that had come may not have been stored.
    for (Delivery& delivery : restored.deliveries) {
        session.last_sequence = std::max(session.last_sequence, delivery.sequence);
        if (restore_release(session, delivery, restored.released)) {
            continue;
        }
        delivery.is_resend = state.is_online || delivery.sequence <= state.sent_sequence;
        session.queue.restore(std::move(delivery));
    }
    for (auto& [sequence, group] : restored.groups) {
        unknown_groups_.push_back({session.ref(), sequence, std::move(group)});
    }
    restore_inbound(session, restored.unreleased);
    for (RetainedReplay& replay : restored.replays) {
        if (!session.replays) {
            session.replays = std::make_unique<Ring<RetainedReplay>>();
        }
        session.replays->push_back(std::move(replay));
    }
    session.will = std::move(restored.state.will);
    if (!state.adapter_state.empty()) {
        session.adapter_state = std::make_unique<std::string>(state.adapter_state);
    }
    // Time went on while the process did not run; a session that was online has lost its
    // connection with the process.
    const WallTime since = state.is_online ? now_.wall : state.disconnected_at;
    const Milliseconds away = std::max(now_.wall - since, Milliseconds{0});
    const auto left = [&](Seconds interval) {
        return now_.monotonic + std::max<Milliseconds>(interval - away, Milliseconds{0});
    };
    session.ends_at = state.expiry_interval == session_never_expires
                          ? never
                          : left(Seconds{state.expiry_interval});
    session.will_at = session.will ? left(session.will->delay) : never;
    timers_.schedule(session, std::min(session.ends_at, session.will_at));
    if (state.is_online) {
        keep_state(session);
    }
    count_load(session);
}

/// The members of a group are restored in any order, so its deliveries come to know it at the end.
void Broker::finish_restore() {
    std::string text;
    SharedGroupPtr group;
    for (const UnknownGroup& unknown : std::exchange(unknown_groups_, {})) {
        Session* const session = sessions_.find(unknown.session);
        Delivery* const delivery =
            session != nullptr ? session->queue.find(unknown.sequence) : nullptr;
        if (delivery == nullptr) {
            continue;
        }
        if (text != unknown.text) {
            text = unknown.text;
            group = find_group(text);
        }
        if (group) {
            if (!delivery->extra) {
                delivery->extra = std::make_unique<DeliveryExtra>();
            }
            delivery->extra->group = group;
        }
    }
}

}  // namespace gw
