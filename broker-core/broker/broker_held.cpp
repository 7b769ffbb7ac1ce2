// What must survive on its way between workers: held by a delivery to nobody until it has arrived.
#include "broker-core/broker/broker.hpp"

#include <utility>

namespace gw {

std::string Broker::hold_client_id(std::uint32_t worker) {
    return std::string{"\0publishes/", 11} + std::to_string(worker);
}

/// A message, and what its publisher was promised with it, is stored with this worker's turn;
/// deliveries on another worker with that one's. Should the process die between, nobody would send
/// the message again: a publisher's repetition at QoS 2 is taken for a duplicate, and a member of a
/// group has given it away. So it is held, by a delivery to nobody that the other worker completes
/// in one transaction with its own deliveries. What is held at start goes on its way again.
Hold Broker::hold(const Message& message, std::string_view whom) {
    return hold(store_body(message), message.qos(), whom);
}

Hold Broker::hold(std::uint64_t message_id, Qos qos, std::string_view whom) {
    if (hold_session_id_ == 0) {
        hold_session_id_ = storage_.new_session_id();
        storage_.put_session(hold_session_id_, hold_client_id(worker_), {});
    }
    storage_.put_delivery({.session_id = hold_session_id_,
                           .sequence = ++hold_sequence_,
                           .message_id = message_id,
                           .qos = qos,
                           .retain = false,
                           .identifiers = {},
                           .group = whom});
    held_.push_back({epoch_, hold_sequence_, message_id});
    return {hold_session_id_, hold_sequence_};
}

void Broker::let_go(const Hold& hold, std::uint64_t message_id) {
    if (hold.session_id != 0) {
        storage_.complete(hold.session_id, hold.sequence, message_id);
    }
}

/// A turn was not stored: its holds, should they be stored later, must not outlive their
/// completion, which may have been stored before.
void Broker::take_back_holds(StoreTicket ticket) {
    for (const Held& held : held_) {
        if (held.ticket > ticket) {
            return;
        }
        storage_.complete(hold_session_id_, held.sequence, held.message_id);
    }
}

/// Whom a message is held for: sessions that the worker had. The next process spreads them
/// otherwise, so it is said how this one does.
std::string Broker::worker_text(std::uint32_t worker) const {
    return "\2" + std::to_string(worker) + "/" + std::to_string(shared_.worker_count) + "/" +
           std::to_string(shared_.hash_key);
}

bool Broker::owes_message(SessionRef ref, std::uint64_t message_id) {
    Session* const session = sessions_.find(ref);
    bool owes = false;
    if (session != nullptr) {
        session->queue.for_each(
            [&](const Delivery& delivery) { owes = owes || delivery.message_id == message_id; });
    }
    return owes;
}

/// Who owes it already has it from an earlier start that was cut short before the hold was let go.
void Broker::resume_publish(const MessagePtr& message, const MatchResult& match,
                            const std::function<bool(std::string_view)>& was_held_for) {
    const std::span<const RouteTarget> all = match.targets(worker_);
    for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
        while (end < all.size() && all[end].session == all[begin].session) {
            ++end;
        }
        Session* const session = sessions_.find(all[begin].session);
        if (session != nullptr && is_stored(*session) && was_held_for(session->client_id()) &&
            !owes_message(session->ref(), message->store_id())) {
            deliver(*session, message, all.subspan(begin, end - begin), nullptr,
                    {false, checks_delivery(*message)});
        }
    }
}

// ---------------------------------------------------------------------------- shared messages

SharedGroupPtr Broker::find_group(std::string_view text) {
    const auto filter = parse_topic_filter(text, {.bytes_max = 2 * 65535, .levels_max = 65535});
    return filter ? shared_.router.find_group(*filter) : SharedGroupPtr{};
}

/// Gives what a member has not acknowledged to other members of its groups (MQTT 5.0, 4.8.2): when
/// its session ends, and when only its connection does and somebody else is online.
void Broker::redispatch_shared(Session& session) {
    if (!session.load) {
        return;  // never was in a shared group
    }
    const bool is_ending = !session.is_persistent() || session.subscriptions.size() == 0;
    HandOns hand_ons;
    std::vector<std::uint16_t> sent;
    session.inflight.for_each([&](const Delivery& delivery) {
        // QoS 2 that was sent must never reach another member (MQTT 5.0, 4.8.2).
        if (delivery.state == DeliveryState::published && delivery.qos == Qos::at_least_once &&
            claim(session, delivery, is_ending, hand_ons)) {
            sent.push_back(delivery.packet_id());
        }
    });
    for (const std::uint16_t packet_id : sent) {
        session.inflight.complete(*session.inflight.find(packet_id));
    }
    session.queue.remove_if([&](const Delivery& delivery) {
        const bool may_have_been_sent = delivery.is_resend && delivery.qos == Qos::exactly_once;
        return !may_have_been_sent && claim(session, delivery, is_ending, hand_ons);
    });
    count_load(session);
    hand_on(hand_ons);
}

void Broker::hand_on(HandOns& hand_ons) {
    for (const HandedOn& one : hand_ons.claimed) {
        hand_on(one);
    }
    if (!hand_ons.to_load.empty()) {
        storage_.load(SessionRef{}, std::move(hand_ons.to_load));
    }
}

/// Takes a delivery from its session if another member may have it. What stands only in the store
/// is held and loaded first.
bool Broker::claim(Session& session, const Delivery& delivery, bool is_ending, HandOns& hand_ons) {
    if (!delivery.extra || !delivery.extra->group) {
        return false;
    }
    const SharedGroupPtr& group = delivery.extra->group;
    if (!is_ending && !group->has_online_member(session.ref())) {
        return false;
    }
    if (delivery.is_unloaded()) {
        if (group->size() == 0) {
            return false;
        }
        loading_hand_ons_.insert_or_assign(
            delivery.message_id,
            LoadingHandOn{group, session.ref(),
                          hold(delivery.message_id, delivery.qos, group->text())});
        hand_ons.to_load.push_back(delivery.message_id);
    } else {
        const auto target = group->pick(*delivery.message, random_, session.ref());
        if (!target) {
            return false;
        }
        // Stored anew: the store lets a body go with its last delivery, which is settled here.
        hand_ons.claimed.push_back(
            {delivery.message_id != 0 ? delivery.message->copy() : delivery.message, group,
             *target});
    }
    settle(session, delivery);
    return true;
}

/// Whether a message must be held while it goes to a member on another worker.
bool Broker::needs_hold(const Message& message, const RouteTarget& member) const {
    return storage_.is_durable() && member.session.is_persistent() &&
           message.qos() != Qos::at_most_once;
}

void Broker::hand_on(const HandedOn& one) {
    metrics_.messages_redispatched.add();
    Passage passage;
    if (one.target.session.worker() != worker_ && needs_hold(*one.message, one.target)) {
        passage.hold = hold(*one.message, one.group->text());
    }
    dispatch_shared(one.message, one.group, one.target, passage);
}

bool Broker::give_back(Session& session, std::uint16_t packet_id) {
    Delivery* const delivery = session.inflight.find(packet_id);
    if (delivery == nullptr || delivery->qos != Qos::at_least_once || !delivery->message) {
        return false;
    }
    HandOns hand_ons;
    if (!claim(session, *delivery, false, hand_ons)) {
        return false;
    }
    GW_ASSERT(hand_ons.to_load.empty());  // its body is here
    session.inflight.complete(*delivery);
    hand_on(hand_ons);
    pump(session);
    return true;
}

/// A body came for what redispatch_shared() has claimed. False: for nobody.
bool Broker::hand_on_loaded(const LoadedBody& body) {
    const auto found = loading_hand_ons_.find(body.message_id);
    if (found == loading_hand_ons_.end()) {
        return false;
    }
    const LoadingHandOn waiting = std::move(found->second);
    loading_hand_ons_.erase(found);
    if (!body.message) {
        metrics_.drop(DropReason::session_gone);
        let_go(waiting.hold, body.message_id);
        return true;
    }
    const auto target = waiting.group->pick(*body.message, random_, waiting.from);
    if (!target) {
        metrics_.drop(DropReason::no_group_member);
        let_go(waiting.hold, body.message_id);
        return true;
    }
    // It has its number in the store, where the hold keeps it until its new member has it too.
    body.message->claim_store_id(body.message_id);
    metrics_.messages_redispatched.add();
    dispatch_shared(body.message, waiting.group, *target, {false, waiting.hold});
    return true;
}

}  // namespace gw
