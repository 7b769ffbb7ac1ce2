// Exchanges at QoS 2, in both directions, over connections and protocols (MQTT 5.0, 4.3.3).
#include "broker-core/broker/broker.hpp"

#include <algorithm>
#include <utility>

namespace gw {

namespace {

PacketIdSpace space_of(const Session& session) {
    return session.identity->protocol->packet_ids;
}

ExactlyOnce& exactly_once_of(Session& session) {
    if (!session.exactly_once) {
        session.exactly_once = std::make_unique<ExactlyOnce>();
    }
    return *session.exactly_once;
}

}  // namespace

// ------------------------------------------------------------------------------ from the client

UnreleasedSet::OnChange Broker::inbound_store(const Session& session) {
    if (!is_stored(session)) {
        return [](UnreleasedSet::Change, std::uint64_t) {
        };
    }
    return [this, &session](UnreleasedSet::Change change, std::uint64_t stored) {
        if (change == UnreleasedSet::Change::put) {
            storage_.put_inbound(session.store_id, stored);
        } else {
            storage_.remove_inbound(session.store_id, stored);
        }
    };
}

bool Broker::is_repeated_qos2(Session& session, const InboundPublish& publish) {
    return session.exactly_once && session.exactly_once->inbound.take_repeated(
                                       space_of(session), publish, inbound_store(session));
}

std::optional<Unreleased> Broker::take_qos2(Session& session, const InboundPublish& publish) {
    return exactly_once_of(session).inbound.insert(space_of(session), publish,
                                                   inbound_store(session));
}

bool Broker::release_inbound(Session& session, std::uint16_t packet_id) {
    return session.exactly_once && session.exactly_once->inbound.release(
                                       space_of(session), packet_id, inbound_store(session));
}

bool Broker::has_inbound_qos2(const Session& session, std::uint16_t packet_id) const {
    return session.exactly_once &&
           session.exactly_once->inbound.is_current(space_of(session), packet_id);
}

/// A turn was not stored. What its publishers at QoS 2 send again counts as new, also where the
/// connection has ended on which one would have been told: what waited of it is withdrawn.
void Broker::forget_unstored_inbound(StoreTicket ticket) {
    for (; !inbound_waits_.empty() && inbound_waits_.front().ticket <= ticket;
         inbound_waits_.pop_front()) {
        Session* const session = sessions_.find(inbound_waits_.front().session);
        if (session != nullptr && session->exactly_once) {
            session->exactly_once->inbound.forget(inbound_waits_.front().message,
                                                  inbound_store(*session));
        }
    }
}

// ------------------------------------------------------------------------- from one to the next

/// What the client has begun at QoS 2 belongs to the program that has begun it. A protocol without
/// an exchange of that kind, or with its own packet ids, must not end it: the PUBREL of a delivery
/// waits for the protocol whose PUBREC was received, since many clients hand a message on at
/// PUBREL only.
void Broker::change_packet_ids(Session& session, PacketIdSpace to) {
    const PacketIdSpace from = space_of(session);
    if (session.exactly_once) {
        session.exactly_once->inbound.begin_connection(to, inbound_store(session));
    }
    if (from == to) {
        return;
    }
    for (Delivery& delivery : session.inflight.take_released()) {
        exactly_once_of(session).parked.push_back({from, std::move(delivery)});
    }
    if (!session.exactly_once) {
        return;
    }
    auto& parked = session.exactly_once->parked;
    for (ParkedRelease& one : parked) {
        if (one.space == to && !is_outrun(session, one.delivery)) {
            session.inflight.add(std::move(one.delivery));
        } else if (one.space == to) {
            forget_release(session, one);
        }
    }
    std::erase_if(parked, [to](const ParkedRelease& one) { return one.space == to; });
}

/// Whether so many deliveries have followed that packet ids come round to this one.
bool Broker::is_outrun(const Session& session, const Delivery& delivery) {
    return session.last_sequence >= delivery.sequence + InflightWindow::span_max;
}

void Broker::forget_release(const Session& session, const ParkedRelease& one) {
    if (is_stored(session)) {
        settle(session, one.delivery);
        storage_.remove_released(session.store_id,
                                 stored_release(one.delivery.sequence, one.space));
    }
}

void Broker::restore_inbound(Session& session, const std::vector<std::uint64_t>& unreleased) {
    for (const std::uint64_t stored : unreleased) {
        exactly_once_of(session).inbound.restore(stored, space_of(session), inbound_store(session));
    }
}

/// Takes the delivery if it is one of those whose PUBREC had come.
bool Broker::restore_release(Session& session, Delivery& delivery,
                             const std::vector<std::uint64_t>& released) {
    for (std::uint8_t number = 0; number <= packet_id_space_max; ++number) {
        PacketIdSpace space{number};
        const std::uint64_t stored = stored_release(delivery.sequence, space);
        if (!std::binary_search(released.begin(), released.end(), stored)) {
            continue;
        }
        if (space == PacketIdSpace::none) {  // written before spaces were
            space = space_of(session);
            storage_.remove_released(session.store_id, stored);
            storage_.put_released(session.store_id, stored_release(delivery.sequence, space));
        }
        delivery.state = DeliveryState::released;
        if (space == space_of(session)) {
            session.inflight.add(std::move(delivery));
        } else {
            exactly_once_of(session).parked.push_back({space, std::move(delivery)});
        }
        return true;
    }
    return false;
}

std::uint64_t Broker::release_of(const Session& session, const Delivery& delivery) {
    return stored_release(delivery.sequence, space_of(session));
}

// -------------------------------------------------------------------------------- to the client

bool Broker::on_pubrec(Session& session, std::uint16_t packet_id, ReasonCode reason) {
    Delivery* const delivery = session.inflight.find(packet_id);
    if (delivery == nullptr || delivery->qos != Qos::exactly_once ||
        (delivery->is_resend && session.unsent_resends != 0)) {
        return false;
    }
    if (delivery->state == DeliveryState::published) {
        tell(HookPoint::message_acked,
             [&](Observer& one) { one.on_message_acked(*session.identity, *delivery->message); });
    }
    if (is_error(reason)) {
        metrics_.drop(DropReason::refused_by_client);
        settle(session, *delivery);
        session.inflight.complete(*delivery);
        pump(session);
        return true;
    }
    if (delivery->message_id != 0) {
        // Before PUBREL leaves: after it the client takes the message, sent again, for a new one.
        storage_.put_released(session.store_id, release_of(session, *delivery));
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
    if (is_stored(session)) {
        settle(session, *delivery);
        storage_.remove_released(session.store_id, release_of(session, *delivery));
    }
    session.inflight.complete(*delivery);
    pump(session);
    return true;
}

}  // namespace gw
