// What waits for the store, what comes back from it, and what it gives at start.
#include <algorithm>
#include <utility>

#include "broker-core/broker/broker.hpp"

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

void Broker::on_store_progress(const StoreProgress& progress) {
    for (Epoch& epoch : epochs_) {
        if (epoch.ticket == progress.own_ticket) {
            epoch.waits_for_own = false;
            epoch.has_failed = epoch.has_failed || progress.outcome == StoreOutcome::failed;
        }
        for (const StoreProgress::Cover& cover : progress.covers) {
            if (epoch.ticket <= cover.ticket) {
                const auto waited = std::erase(epoch.waits_for, cover.worker);
                epoch.has_failed = epoch.has_failed ||
                                   (waited != 0 && cover.outcome == StoreOutcome::failed);
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
        if (!epoch.has_failed) {
            stored = epoch.ticket;
            continue;
        }
        if (stored != 0) {
            report_stored(std::exchange(stored, 0), StoreOutcome::stored);
        }
        report_stored(epoch.ticket, StoreOutcome::failed);
    }
    if (stored != 0) {
        report_stored(stored, StoreOutcome::stored);
        unload(stored);
    }
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
}

// ------------------------------------------------------------------------------------- loading

void Broker::unload(StoreTicket ticket) {
    while (!unloads_.empty() && unloads_.front().ticket <= ticket) {
        const Unload unload = unloads_.front();
        unloads_.pop_front();
        if (Session* const session = sessions_.find(unload.session)) {
            if (Delivery* const delivery = session->queue.find(unload.sequence)) {
                delivery->message.reset();
            }
        }
    }
}

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
    if (session == nullptr) {
        return;
    }
    session->is_loading = false;
    // In the order in which they were asked for, which is the queue's.
    std::size_t next = 0;
    session->queue.for_front(bodies.size() * 2, [&](Delivery& delivery) {
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
    session->queue.remove_if([&](const Delivery& delivery) {
        const bool is_lost = !delivery.message && delivery.message_id == 0;
        if (is_lost) {
            metrics_.drop(DropReason::session_gone);
        }
        return is_lost;
    });
    pump(*session);
}

// ------------------------------------------------------------------------------------ starting

void Broker::keep_state(const Session& session) {
    if (!is_stored(session)) {
        return;
    }
    SessionState state;
    state.username = session.identity->username;
    state.protocol = session.identity->protocol;
    state.is_anonymous = session.identity->is_anonymous;
    state.is_online = session.link != nullptr;
    state.expiry_interval = session.expiry_interval;
    state.disconnected_at = now_.wall;
    state.last_sequence = session.last_sequence;
    if (session.will) {
        state.will = std::make_unique<Will>(*session.will);
    }
    ByteBuffer bytes;
    encode_session_state(bytes, state);
    storage_.put_session(session.store_id, session.client_id(), as_text(bytes.view()));
}

void Broker::restore_session(RestoredSession&& restored) {
    const SessionState& state = restored.state;
    OpenSession request;
    request.client_id = restored.client_id;
    request.protocol = state.protocol;
    request.expiry_interval = std::max(state.expiry_interval, 1U);
    AuthDecision auth;
    auth.username = state.username;
    auth.is_anonymous = state.is_anonymous;
    Session& session = create_session(request, auth);
    session.store_id = restored.store_id;
    session.expiry_interval = state.expiry_interval;
    session.last_sequence = state.last_sequence;
    session.inflight_max = options_.inflight_max;
    for (const auto& [filter, options] : restored.subscriptions) {
        if (filter.kind == FilterKind::shared && !session.load) {
            session.load = SessionLoadPtr{new SessionLoad};
        }
        shared_.router.subscribe(session.subscriptions, session.ref(), filter, options,
                                 filter.kind == FilterKind::shared ? session.load
                                                                   : SessionLoadPtr{});
    }
    // What was in flight when the process ended cannot be told from what was about to be: as much
    // as fits into the window may have been received.
    std::size_t maybe_sent = state.is_online ? options_.inflight_max : 0;
    for (Delivery& delivery : restored.deliveries) {
        session.last_sequence = std::max(session.last_sequence, delivery.sequence);
        delivery.is_resend = maybe_sent != 0;
        maybe_sent -= maybe_sent != 0 ? 1 : 0;
        session.queue.restore(std::move(delivery));
    }
    for (const std::uint64_t sequence : restored.released) {
        session.last_sequence = std::max(session.last_sequence, sequence);
        Delivery delivery;
        delivery.sequence = sequence;
        delivery.qos = Qos::exactly_once;
        delivery.state = DeliveryState::released;
        session.inflight.add(std::move(delivery));
    }
    for (const std::uint16_t packet_id : restored.inbound_qos2) {
        if (!session.inbound_qos2) {
            session.inbound_qos2 = std::make_unique<PacketIdSet>();
        }
        session.inbound_qos2->insert(packet_id);
    }
    session.will = std::move(restored.state.will);
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

}  // namespace gw
