// Who may do what, and what becomes of rights that are gone.
#include "broker-core/broker/broker.hpp"

#include <algorithm>
#include <utility>

namespace gw {

namespace {

bool is_sys_topic(std::string_view topic) {
    return topic.starts_with("$SYS") && (topic.size() == 4 || topic[4] == '/');
}

}  // namespace

AccessDecision Broker::authorize(const ClientIdentity& client, const AccessRequest& request) {
    const bool is_sys = is_sys_topic(request.topic);
    if (is_sys && request.action == AccessAction::publish) {
        return AccessDecision::deny;  // only the broker speaks there
    }
    if (client.is_superuser) {
        return AccessDecision::allow;
    }
    if (is_sys && !client.is_administrator && !shared_.access->opens_sys(request)) {
        return AccessDecision::deny;
    }
    return shared_.access->check(request);
}

bool Broker::checks_delivery(const Message& message) const {
    return message.topic().starts_with('$') ||
           shared_.access->checks_delivery(worker_, message.topic());
}

bool Broker::may_receive(const Session& session, const Message& message, bool is_checked) {
    if (!is_checked && !session.identity->grants) [[likely]] {
        return true;
    }
    if (session.is_identity_restored) {
        return true;  // nobody gets it before the client is back, and then it is asked
    }
    return may_deliver(session, message);
}

bool Broker::may_deliver(const Session& session, const Message& message) {
    return authorize(session, {.client = *session.identity,
                               .action = AccessAction::deliver,
                               .topic = message.topic(),
                               .qos = message.qos(),
                               .retain = message.retain()}) == AccessDecision::allow;
}

void Broker::on_access_decided(SessionRef ref) {
    Session* session = sessions_.find(ref);
    if (session != nullptr && session->is_revision_pending) {
        revise_session(*session);
        session = sessions_.find(ref);
    }
    if (session != nullptr && session->link != nullptr) {
        session->link->on_access_decided();
    }
}

// ---------------------------------------------------------------------------------- revocation

void Broker::revise_access() {
    sessions_.for_each([this](Session& session) {
        if (!session.is_identity_restored) {
            revise_session(session);
        }
    });
}

void Broker::revise_session(Session& session) {
    const bool has_lost = revoke_subscriptions(session);
    drop_unauthorized(session);
    if (has_lost && options_.disconnect_revoked && session.link != nullptr) {
        disconnect(session, ReasonCode::not_authorized);
    }
}

/// Ends the subscriptions that the client has no right to any more, and drops what waits in memory
/// for them alone, or gives it to others of its group. True: there were some.
bool Broker::revoke_subscriptions(Session& session) {
    constexpr std::size_t page_count = 1000;
    const TopicLimits any{.bytes_max = 200000, .levels_max = 65536};
    session.is_revision_pending = false;
    std::vector<TopicFilter> lost, kept;
    std::vector<SubscriptionInfo> page;
    for (std::size_t first = 0; first < session.subscriptions.size(); first += page_count) {
        page.clear();
        shared_.router.list_subscriptions(session.subscriptions, session.ref(), first, page_count,
                                          page);
        for (const SubscriptionInfo& one : page) {
            auto filter = parse_topic_filter(one.filter, any);
            GW_ASSERT(filter.has_value());  // it was, when it was subscribed
            const AccessRequest request{.client = *session.identity,
                                        .action = AccessAction::subscribe,
                                        .topic = filter->filter()};
            const AccessDecision decision = authorize(session, request);
            // No answer is no refusal: asked again when it is there.
            const bool is_pending = decision == AccessDecision::pending;
            session.is_revision_pending = session.is_revision_pending || is_pending;
            const bool is_kept = decision == AccessDecision::allow || is_pending;
            (is_kept ? kept : lost).push_back(std::move(*filter));
        }
    }
    if (lost.empty()) {
        return false;
    }
    for (const TopicFilter& filter : lost) {
        end_subscription(session, filter);
        metrics_.subscriptions_revoked.add();
        shared_.log->info("subscription.revoked",
                          {{"client_id", session.client_id()}, {"filter", filter.text}});
    }
    HandOns hand_ons;
    session.queue.remove_if([&](const Delivery& delivery) {
        const bool is_of_group = delivery.extra && delivery.extra->group;
        // Of a group it came by the filter of the group; else any filter may have brought it.
        const auto matches = [&](const TopicFilter& filter) {
            return (filter.kind == FilterKind::shared) == is_of_group &&
                   filter_matches(filter.filter(), delivery.message->topic());
        };
        const bool is_orphan = delivery.message
                                   ? std::any_of(lost.begin(), lost.end(), matches) &&
                                         std::none_of(kept.begin(), kept.end(), matches)
                                   : kept.empty();  // not read from the store yet
        if (is_orphan) {
            take_away(session, delivery, delivery.is_resend, hand_ons);
        }
        return is_orphan;
    });
    count_load(session);
    hand_on(hand_ons);
    return true;
}

/// Takes away what the client must not get any more: what waits, and what would be sent again.
void Broker::drop_unauthorized(Session& session) {
    if (session.is_identity_restored) {
        return;  // asked when the client is back
    }
    HandOns hand_ons;
    const auto is_refused = [&](const Delivery& delivery) {
        return delivery.message && !delivery.is_over() &&
               authorize(session, {.client = *session.identity,
                                   .action = AccessAction::deliver,
                                   .topic = delivery.message->topic(),
                                   .qos = delivery.qos,
                                   .retain = delivery.retain}) != AccessDecision::allow;
    };
    session.queue.remove_if([&](const Delivery& delivery) {
        if (!is_refused(delivery)) {
            return false;
        }
        take_away(session, delivery, delivery.is_resend, hand_ons);
        return true;
    });
    if (session.link == nullptr) {
        std::vector<std::uint16_t> refused;
        session.inflight.for_each([&](const Delivery& delivery) {
            if (delivery.state == DeliveryState::published && is_refused(delivery)) {
                take_away(session, delivery, true, hand_ons);
                refused.push_back(delivery.packet_id());
            }
        });
        for (const std::uint16_t packet_id : refused) {
            session.inflight.complete(*session.inflight.find(packet_id));
        }
    }
    count_load(session);
    hand_on(hand_ons);
}

/// Gives a delivery to another member of its group, or drops it. QoS 2 that may have been sent must
/// never reach another member (MQTT 5.0, 4.8.2).
void Broker::take_away(Session& session, const Delivery& delivery, bool may_have_been_sent,
                       HandOns& hand_ons) {
    const bool is_bound = may_have_been_sent && delivery.qos == Qos::exactly_once;
    if (is_bound || !claim(session, delivery, true, hand_ons)) {
        metrics_.drop(DropReason::not_authorized_delivery);
        settle(session, delivery);
    }
}

}  // namespace gw
