// Observations and the subscriptions behind them (RFC 7641).
#include "adapters/coap/machine/machine.hpp"

#include <algorithm>
#include <utility>

namespace gw::coap {

namespace {

TopicFilter parsed(const std::string& filter) {
    auto parsed = parse_topic_filter(filter, {.bytes_max = 1 << 20, .levels_max = 65536});
    GW_ASSERT(parsed.has_value());  // it was a filter when it was subscribed to
    return std::move(*parsed);
}

}  // namespace

void Machine::observe(Incoming& in) {
    Client* const client = login(in);
    if (client == nullptr) {
        return;
    }
    // A block behind the first one is no registration, though some repeat its Observe.
    if (in.request.block2 && in.request.block2->number != 0 && serve_notified_block(in, *client)) {
        return;
    }
    const auto filter = parse_topic_filter(in.target.topic, options_->topic_limits);
    if (!filter) {
        refuse(in, Code::bad_request, "invalid topic filter");
        return;
    }
    if (!may_read(in, *client, filter->filter())) {
        return;
    }
    if (!in.is_proven) {
        challenge(in);  // what an observer gets is more than it has sent
        return;
    }
    Endpoint& endpoint = endpoint_of(in.source.peer);
    endpoint.is_proven = true;
    Observation* present = find_observation(&endpoint, in.request.message.token);
    if (present != nullptr && (present->subscription->client != client ||
                               present->subscription->filter != filter->text)) {
        remove_observation(*present, ReasonCode::success, Then::unsubscribe);
        present = nullptr;
    }
    if (present != nullptr) {
        answer_observation(in, *present);  // it asks again, and keeps its place (RFC 7641, 4.1)
        return;
    }
    const std::uint32_t most = options_->observation_count_max;
    if (in.is_repeat || client->observation_count >= most || endpoint.observation_count >= most) {
        // Ended since, or one too many: answered as if it had not asked to observe (4.1).
        if (filter->has_wildcard) {
            refuse(in, Code::service_unavailable, "too many observations");
        } else {
            read_topic(in, *client, true);
        }
        return;
    }
    Subscription* const subscription = subscribe(in, *client, *filter);
    if (subscription == nullptr) {
        return;
    }
    Observation& observation = add_observation(endpoint, *subscription, in);
    const StoreTicket ticket = broker_.firm_ticket(*client->session);
    if (ticket != 0 && options_->waits_for_store) {
        if (!defer(in, Deferred::Wait::observation, client)) {
            remove_observation(observation, ReasonCode::success, Then::unsubscribe);
            return;
        }
        in.deferred->ticket = ticket;
        in.deferred->code = Code::content;
    } else {
        observation.is_answered = true;
        answer_observation(in, observation);
        let_flow(*client);
    }
}

/// What is for the client comes behind the answer to its registration.
void Machine::let_flow(Client& client) {
    if (!std::exchange(client.has_started, true)) {
        broker_.start_delivery(*client.session);
    }
    unpark(client);
    broker_.send_retained(*client.session);
}

/// The client's subscription to the filter. Null: the request was refused.
Subscription* Machine::subscribe(Incoming& in, Client& client, const TopicFilter& filter) {
    const std::uint8_t by_type = in.request.message.type == Type::confirmable ? 1 : 0;
    const auto asked = static_cast<Qos>(in.target.query.qos.value_or(by_type));
    const Qos qos = std::min({asked, options_->qos_max, Qos::at_least_once});
    Subscription* subscription = observation_index_.find(client, filter.text);
    if (subscription != nullptr && subscription->qos >= qos) {
        return subscription;
    }
    std::size_t place = client.subscriptions.size();
    for (std::size_t i = 0; i < place && client.subscription_count != client.subscriptions.size();
         ++i) {
        place = client.subscriptions[i] == nullptr ? i : place;
    }
    const auto options = SubscriptionOptions::with_private_identifier(
        subscription != nullptr ? subscription->identifier : static_cast<std::uint32_t>(place + 1),
        qos);
    std::optional<SubscriptionOptions> before;
    if (client.was_persistent && client.connection() == nullptr) {
        before = broker_.find_subscription(*client.session, filter);
    }
    using Retained = SubscribeRequest::Retained;
    // What a single topic has is in the answer already.
    const bool is_to_send = filter.has_wildcard && subscription == nullptr;
    const SubscribeAnswer answer = broker_.subscribe(
        *client.session, {.filter = filter,
                          .options = options,
                          .retained = is_to_send ? Retained::send : Retained::do_not_send});
    if (const ReasonCode reason = answer.reason; is_error(reason)) {
        metrics().subscribes_refused.add();
        refuse(in,
               reason == ReasonCode::quota_exceeded ? Code::service_unavailable : Code::bad_request,
               reason_text(reason));
        return nullptr;
    }
    if (subscription == nullptr) {
        auto made = std::make_unique<Subscription>();
        made->client = &client;
        made->filter = filter.text;
        made->filter_offset = filter.filter_offset;
        made->identifier = static_cast<std::uint32_t>(place + 1);
        made->before = before;
        made->root = in.target.root;
        made->has_wildcard = filter.has_wildcard;
        subscription = made.release();
        if (place == client.subscriptions.size()) {
            client.subscriptions.push_back(subscription);
        } else {
            client.subscriptions[place] = subscription;
        }
        ++client.subscription_count;
        observation_index_.add(*subscription);
    }
    subscription->qos = qos;
    return subscription;
}

Observation& Machine::add_observation(Endpoint& endpoint, Subscription& subscription,
                                      const Incoming& in) {
    auto made = std::make_unique<Observation>();
    Observation& observation = *made.release();
    observation.endpoint = &endpoint;
    observation.subscription = &subscription;
    EndpointObservations::push_front(endpoint.first, observation);
    SubscriptionObservations::push_front(subscription.first, observation);
    observation.confirmed_at = now();
    // From the clock, at most 2^23 in 256 s: an observer that asks again after its entry was lost,
    // also by a restart, sees greater numbers than before (RFC 7641, 4.4).
    observation.sequence =
        static_cast<std::uint32_t>(now().time_since_epoch() / Milliseconds{8}) & 0xffffff;
    observation.token = in.request.message.token;
    observation.size_exponent = options_->size_exponent;
    if (in.request.block2) {
        observation.size_exponent =
            std::min(observation.size_exponent, in.request.block2->size_exponent);
    }
    observation_index_.add(observation);
    ++endpoint.observation_count;
    ++subscription.client->observation_count;
    metrics().coap_observations.add();
    return observation;
}

Observation* Machine::find_observation(const Endpoint* endpoint, const Token& token) const {
    return endpoint != nullptr ? observation_index_.find(*endpoint, token) : nullptr;
}

/// The answer to a registration: the topic's present state, and that it is observed.
void Machine::answer_observation(Incoming& in, Observation& observation) {
    const Subscription& subscription = *observation.subscription;
    observation.sequence = (observation.sequence + 1) & 0xffffff;
    MessagePtr message;
    if (!subscription.has_wildcard) {
        message =
            broker_.find_retained(*subscription.client->session, subscription.filter_proper());
        if (message && !broker_.may_deliver(*subscription.client->session, *message)) {
            metrics().drop(DropReason::not_authorized_delivery);
            message.reset();
        }
    }
    const Code code = answer_message(in, message.get(), observation.sequence);
    if (!is_success(code)) {
        remove_observation(observation, ReasonCode::success, Then::unsubscribe);
        return;
    }
    if (in.answer_id) {  // it may be rejected as any notification
        observation_index_.note_notified(observation, *in.answer_id);
    }
    const bool is_large = message && message->payload().size() > (16U << observation.size_exponent);
    if (is_large) {  // else the blocks of what it was told of before are still to be fetched
        keep_large(observation, message);
        await_fetch(observation);
    }
}

/// GET with Observe 1 (RFC 7641, 3.6). By its token; a client that names itself may have lost
/// that: then all its observations of the filter end.
void Machine::stop_observing(Incoming& in) {
    Client* const client = login(in);
    if (client == nullptr) {
        return;
    }
    bool has_ended = false;
    Observation* const by_token =
        find_observation(find_endpoint(in.source.peer), in.request.message.token);
    const auto filter = parse_topic_filter(in.target.topic, options_->topic_limits);
    if (by_token != nullptr) {
        remove_observation(*by_token, ReasonCode::success, Then::unsubscribe);
        has_ended = true;
    } else if (filter && !client->is_by_endpoint) {
        while (Subscription* const one = observation_index_.find(*client, filter->text)) {
            remove_observation(*one->first, ReasonCode::success, Then::unsubscribe);
            has_ended = true;
        }
    }
    if (filter && filter->has_wildcard) {
        respond(in, {.code = Code::content});
        return;
    }
    read_topic(in, *client, has_ended || in.is_repeat);
}

// -------------------------------------------------------------------------------------- ending

void Machine::remove_observation(Observation& observation, ReasonCode reason, Then then) {
    Subscription& subscription = *observation.subscription;
    Endpoint& endpoint = *observation.endpoint;
    Client& client = *subscription.client;
    observation_index_.remove(observation);
    EndpointObservations::remove(endpoint.first, observation);
    SubscriptionObservations::remove(subscription.first, observation);
    --endpoint.observation_count;
    std::vector<Notice> notices;
    take_notices(observation, notices);
    --client.observation_count;
    metrics().coap_observations.subtract();
    check_needed(endpoint);
    delete &observation;
    if (subscription.first == nullptr) {
        end_subscription(subscription, then);
    }
    give_back(client, notices, reason);
    if (then == Then::unsubscribe && client.session != nullptr) {
        unpark(client);  // what has waited for this subscription waits for nothing now
    }
    if (client.observation_count == 0 && client.session != nullptr) {
        touch(client);
        arm(client);
    }
}

void Machine::end_subscription(Subscription& subscription, Then then) {
    Client& client = *subscription.client;
    if (client.session != nullptr && then == Then::unsubscribe) {
        const TopicFilter filter = parsed(subscription.filter);
        if (subscription.before) {
            broker_.subscribe(*client.session,
                              {.filter = filter,
                               .options = *subscription.before,
                               .retained = SubscribeRequest::Retained::do_not_send});
        } else {
            broker_.unsubscribe(*client.session, filter);
        }
    }
    client.subscriptions[subscription.identifier - 1] = nullptr;
    --client.subscription_count;
    observation_index_.remove(subscription);
    delete &subscription;
}

/// The broker has taken a subscription away: who observes by it is told, and may ask again.
void Machine::lose_subscription(Client& client, std::string_view filter) {
    while (const Subscription* const one = observation_index_.find(client, filter)) {
        Observation& observation = *one->first;
        tell_end(observation, Code::forbidden);
        remove_observation(observation, ReasonCode::not_authorized, Then::keep);
    }
}

void Machine::remove_all(Client& client, Then then) {
    std::vector<Notice> notices;
    take_notices(client, nullptr, notices);
    for (std::size_t i = 0; i < client.subscriptions.size(); ++i) {
        while (client.subscriptions[i] != nullptr) {
            remove_observation(*client.subscriptions[i]->first, ReasonCode::unspecified_error,
                               then);
        }
    }
    give_back(client, notices, ReasonCode::unspecified_error);
}

}  // namespace gw::coap
