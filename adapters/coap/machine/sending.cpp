// Messages that are to be acknowledged: RFC 7252, 4.2 and 4.7; RFC 7641, 4.5.
#include "adapters/coap/codec/writer.hpp"
#include "adapters/coap/machine/content.hpp"
#include "adapters/coap/machine/machine.hpp"

#include <algorithm>
#include <utility>

namespace gw::coap {

namespace {

/// Notifications at QoS 0 that may wait behind one that is not acknowledged yet.
constexpr std::size_t waiting_count_max = 256;

/// A request that is older is not sent again (RFC 7252, 4.8.2).
constexpr Seconds exchange_lifetime{247};

/// Of path and payload in a notification, so that it fits into a packet (RFC 7252, 4.6).
constexpr std::size_t content_bytes_max = 1280;

Client& client_of(const Observation& observation) {
    return *observation.subscription->client;
}

}  // namespace

void Sending::push_notice(Notice notice) {
    ++notice.observation->notice_count;
    notices.push_back(std::move(notice));
}

Notice Sending::pop_notice() {
    Notice notice = notices.pop_front();
    --notice.observation->notice_count;
    return notice;
}

Sending& Machine::sending_of(Endpoint& endpoint) {
    if (!endpoint.sending) {
        endpoint.sending = std::make_unique<Sending>(endpoint);
    }
    return *endpoint.sending;
}

void Machine::enqueue(Endpoint& endpoint, Notice notice) {
    Sending* const sending = endpoint.sending.get();
    if (sending == nullptr || sending->is_idle()) {
        send_notice(endpoint, std::move(notice));
        return;
    }
    if (notice.packet_id == 0 && sending->notices.size() >= waiting_count_max) {
        metrics().drop(DropReason::queue_full);
        return;
    }
    sending->push_notice(std::move(notice));
}

Response Machine::notification_of(const Observation& observation, const Message& message) const {
    Response response{.code = Code::content};
    response.observe = observation.sequence;
    response.content_format = format_of(message);
    response.max_age = max_age_of(message, now());
    response.payload = message.payload();
    const Subscription& subscription = *observation.subscription;
    if (subscription.has_wildcard) {
        response.location_root = subscription.root;
        response.location = subscription.client->session->identity->own_topic(message.topic());
        if (!fits_location(response.location)) {
            response.location_root.reset();  // then it is not named: CoAP has no word for it
        }
    }
    response.etag = etag_of(message);
    Block first{0, false, observation.size_exponent};
    const std::size_t location_bytes = response.location_root ? response.location.size() : 0;
    while (first.size_exponent != 0 && location_bytes + first.bytes() > content_bytes_max) {
        --first.size_exponent;
    }
    if (response.payload.size() > first.bytes()) {
        const auto part = slice(response.payload, first);
        response.size2 = static_cast<std::uint32_t>(response.payload.size());
        response.block2 = part->block;
        response.payload = part->bytes;
    }
    return response;
}

/// Sends a notification at once: confirmable at QoS 1, and when the observer has not been heard of
/// for long (RFC 7641, 4.5).
void Machine::send_notice(Endpoint& endpoint, Notice notice) {
    Observation& observation = *notice.observation;
    if (client_of(observation).session == nullptr) {
        return;  // its session was taken away, and it was told so
    }
    if (notice.message->is_expired(now())) {
        metrics().drop(DropReason::expired);
        finish(client_of(observation), notice.packet_id, ReasonCode::success);
        return;
    }
    observation.sequence = (observation.sequence + 1) & 0xffffff;
    const std::uint16_t message_id = next_message_id(&endpoint);
    observation_index_.note_notified(observation, message_id);
    const Response response = notification_of(observation, *notice.message);
    keep_large(observation, response.block2 ? notice.message : MessagePtr{});
    const bool is_confirmable =
        notice.packet_id != 0 || observation.confirmed_at + options_->confirm_interval <= now();
    if (!is_confirmable) {
        write_response(port_.begin(endpoint.peer), Type::non_confirmable, message_id,
                       observation.token, response);
        port_.finish();
        metrics().packets_sent.add();
        return;
    }
    Sending& sending = sending_of(endpoint);
    sending.present = std::move(notice);
    write_response(sending.bytes, Type::confirmable, message_id, observation.token, response);
    send_confirmable(sending, Sending::State::notification, message_id);
}

/// What the observer was told of goes in blocks; null: it does not.
void Machine::keep_large(Observation& observation, const MessagePtr& message) {
    auto& large = observation.large;
    if (message) {
        if (!large) {
            large = std::make_unique<Large>();
        }
        large->present = message;
    } else if (large && large->fetched_at + exchange_lifetime > now()) {
        large->present.reset();  // what was fetched of it may be asked for again
    } else {
        large.reset();
    }
}

/// Sends what stands in `bytes`, until it is acknowledged.
void Machine::send_confirmable(Sending& sending, Sending::State state, std::uint16_t message_id) {
    sending.state = state;
    sending.message_id = message_id;
    sending.sent_count = 1;
    // ACK_TIMEOUT times 1 to ACK_RANDOM_FACTOR, which is 1.5 (RFC 7252, 4.2).
    const auto base = static_cast<std::uint64_t>(options_->ack_timeout.count());
    sending.timeout = Milliseconds{base + broker_.random().below(base / 2 + 1)};
    port_.begin(sending.endpoint.peer).append(sending.bytes.view());
    port_.finish();
    metrics().packets_sent.add();
    timers_.schedule(sending, now() + sending.timeout);
}

/// A response of its own to a request that was acknowledged before (RFC 7252, 5.2.2).
void Machine::send_separate(const DatagramPeer& to, const Token& token, const Response& response) {
    Endpoint& endpoint = endpoint_of(to);
    Sending& sending = sending_of(endpoint);
    Reply reply;
    reply.message_id = next_message_id(&endpoint);
    write_response(reply.bytes, Type::confirmable, reply.message_id, token, response);
    sending.replies.push_back(std::move(reply));
    go_on(sending);
}

void Machine::send_ping(Endpoint& endpoint) {
    Sending& sending = sending_of(endpoint);
    const std::uint16_t message_id = next_message_id(&endpoint);
    sending.bytes.clear();
    write_empty(sending.bytes, Type::confirmable, message_id);
    send_confirmable(sending, Sending::State::ping, message_id);
}

/// Sends what comes next, as long as nothing is outstanding. Answers go before notifications.
void Machine::go_on(Sending& sending) {
    while (sending.state == Sending::State::idle) {
        sending.bytes.clear();
        if (!sending.replies.empty()) {
            Reply reply = sending.replies.pop_front();
            sending.bytes = std::move(reply.bytes);
            send_confirmable(sending, Sending::State::reply, reply.message_id);
        } else if (!sending.notices.empty()) {
            send_notice(sending.endpoint, sending.pop_notice());
        } else {
            timers_.cancel(sending);
            check_needed(sending.endpoint);
            return;
        }
    }
}

// ------------------------------------------------------------------------------------- answers

void Machine::on_acknowledged(Endpoint& endpoint, std::uint16_t message_id) {
    Sending* const sending = endpoint.sending.get();
    if (sending == nullptr || !sending->waits_for_ack() || sending->message_id != message_id) {
        return;  // late, or of nothing
    }
    if (sending->state != Sending::State::notification) {
        Observation* const answered = observation_of_reply(*sending);
        sending->state = Sending::State::idle;
        if (answered != nullptr && answered->large && answered->large->present) {
            await_fetch(*answered);
        } else {
            go_on(*sending);
        }
        return;
    }
    Observation& observation = *sending->present.observation;
    observation.confirmed_at = now();
    touch(client_of(observation));
    if (observation.large && observation.large->present && sending->present.packet_id != 0) {
        // It has but the first block. The next notification waits, or the rest would be gone.
        sending->state = Sending::State::fetching;
        sending->sent_count = 0;  // of blocks that it has fetched
        wait_for_fetch(*sending);
        return;
    }
    complete(*sending, ReasonCode::success);
}

/// An observer has been given the first block of what it observes: what is for it, or for others at
/// its endpoint, waits until it has the rest, or the rest would be that of something newer. Nothing
/// is done when something else is under way.
void Machine::await_fetch(Observation& observation) {
    Sending& sending = sending_of(*observation.endpoint);
    if (sending.state == Sending::State::idle) {
        sending.present = {&observation, observation.large->present, 0};
        sending.state = Sending::State::fetching;
        sending.sent_count = 0;
        wait_for_fetch(sending);
    }
}

/// The one whose registration a separate response that is under way answers; null: it is another
/// request's.
Observation* Machine::observation_of_reply(const Sending& sending) const {
    if (sending.state != Sending::State::reply) {
        return nullptr;
    }
    const auto reply = decode_message(sending.bytes.view());
    GW_ASSERT(reply.has_value());  // we have written it
    return find_observation(&sending.endpoint, reply->token);
}

/// How long an observer may take to ask for the next block. One that has asked before will go on
/// trying as long as RFC 7252 lets it (MAX_TRANSMIT_SPAN, 4.8.2); another may want no more.
void Machine::wait_for_fetch(Sending& sending) {
    const Milliseconds span = options_->ack_timeout * 45 / 2;
    timers_.schedule(sending, now() + (sending.sent_count == 0 ? options_->ack_timeout * 6 : span));
}

/// The peer does not know what it was sent: the observation ends (RFC 7641, 3.6 and 4.5).
void Machine::on_reset(Endpoint& endpoint, std::uint16_t message_id) {
    Sending* const sending = endpoint.sending.get();
    Observation* observation = nullptr;
    if (sending != nullptr && sending->waits_for_ack() && sending->message_id == message_id) {
        if (sending->state == Sending::State::notification) {
            observation = sending->present.observation;
        } else {
            reject_reply(*sending);
            return;
        }
    }
    if (observation == nullptr) {
        observation = observation_index_.find_notified(endpoint, message_id);
    }
    if (observation != nullptr) {
        metrics().coap_observations_reset.add();
        remove_observation(*observation, ReasonCode::unspecified_error, Then::unsubscribe);
    }
}

/// An answer to a ping, or nobody wants the reply, which may be the first of an observation.
void Machine::reject_reply(Sending& sending) {
    Observation* const observation = observation_of_reply(sending);
    sending.state = Sending::State::idle;
    if (observation != nullptr) {
        metrics().coap_observations_reset.add();
        remove_observation(*observation, ReasonCode::unspecified_error, Then::unsubscribe);
    }
    go_on(sending);
}

/// The notification that is outstanding is done with.
void Machine::complete(Sending& sending, ReasonCode reason) {
    const Notice notice = std::exchange(sending.present, {});
    sending.state = Sending::State::idle;
    finish(client_of(*notice.observation), notice.packet_id, reason);
    go_on(sending);
}

void Machine::on_sending_deadline(Sending& sending) {
    if (sending.state == Sending::State::idle) {
        return;
    }
    if (sending.state == Sending::State::fetching) {
        complete(sending, ReasonCode::success);  // acknowledged; it does not want the rest
        return;
    }
    if (sending.sent_count > options_->retransmit_count_max) {
        give_up(sending.endpoint);
        return;
    }
    ++sending.sent_count;
    sending.timeout *= 2;
    metrics().retransmissions.add();
    port_.begin(sending.endpoint.peer).append(sending.bytes.view());
    port_.finish();
    metrics().packets_sent.add();
    timers_.schedule(sending, now() + sending.timeout);
}

/// The peer does not answer: it is no observer any more (RFC 7641, 4.5). What is for a client with
/// a connection waits until it comes back.
void Machine::give_up(Endpoint& endpoint) {
    Sending& sending = *endpoint.sending;
    std::vector<Notice> notices;
    if (sending.state == Sending::State::notification) {
        notices.push_back(std::exchange(sending.present, {}));
    }
    while (!sending.notices.empty()) {
        notices.push_back(sending.pop_notice());
    }
    sending.replies.clear();
    sending.state = Sending::State::idle;
    const auto is_elsewhere = [&endpoint](Client& client) {
        return client.connection() != nullptr && client.home == &endpoint;
    };
    std::vector<std::pair<Client*, Notice>> ended;
    for (const Notice& notice : notices) {
        Client& client = client_of(*notice.observation);
        if (notice.packet_id == 0) {
            continue;
        }
        if (!is_elsewhere(client)) {
            ended.emplace_back(&client, notice);
            continue;
        }
        // Once for the delivery, however many observations it is for.
        Client::Extra& extra = client.extra();
        extra.notices_left.erase(notice.packet_id);
        if (extra.parked.empty() || extra.parked.back().packet_id != notice.packet_id) {
            park(client, notice.message, notice.packet_id);
        }
    }
    for (Observation* one = endpoint.first; one != nullptr;) {
        Observation* const next = one->next_at_endpoint;
        if (Client& client = client_of(*one); is_elsewhere(client)) {
            suspend(client);
        } else {
            metrics().coap_observations_lost.add();
            remove_observation(*one, ReasonCode::unspecified_error, Then::unsubscribe);
        }
        one = next;
    }
    for (const auto& [client, notice] : ended) {
        give_back(*client, {notice}, ReasonCode::unspecified_error);
    }
    go_on(sending);
}

/// Takes what is outstanding and queued at an endpoint for these observations out, in order.
void Machine::take_notices(Endpoint& at, const std::function<bool(const Observation&)>& is_meant,
                           std::vector<Notice>& out) {
    Sending* const sending = at.sending.get();
    if (sending == nullptr) {
        return;
    }
    const bool is_present = (sending->state == Sending::State::notification ||
                             sending->state == Sending::State::fetching) &&
                            is_meant(*sending->present.observation);
    if (is_present) {
        out.push_back(std::exchange(sending->present, {}));
        sending->state = Sending::State::idle;
    }
    Ring<Notice> others;
    while (!sending->notices.empty()) {
        Notice notice = sending->notices.pop_front();
        if (is_meant(*notice.observation)) {
            --notice.observation->notice_count;
            out.push_back(std::move(notice));
        } else {
            others.push_back(std::move(notice));
        }
    }
    sending->notices = std::move(others);
    if (is_present) {
        go_on(*sending);
    }
}

void Machine::take_notices(Observation& observation, std::vector<Notice>& out) {
    Endpoint& at = *observation.endpoint;
    const bool has_any = observation.notice_count != 0 ||
                         (at.sending != nullptr && at.sending->present.observation == &observation);
    if (has_any) {
        take_notices(
            at, [&](const Observation& one) { return &one == &observation; }, out);
    }
}

/// All of a client's, with one pass at each endpoint that it observes from, but for `except`.
void Machine::take_notices(const Client& client, const Endpoint* except, std::vector<Notice>& out) {
    std::vector<Endpoint*> places;
    for (std::size_t i = 0; i < client.subscriptions.size(); ++i) {
        const Subscription* const subscription = client.subscriptions[i];
        for (Observation* one = subscription != nullptr ? subscription->first : nullptr;
             one != nullptr; one = one->next_of_subscription) {
            if (one->endpoint != except) {
                places.push_back(one->endpoint);
            }
        }
    }
    std::sort(places.begin(), places.end());
    places.erase(std::unique(places.begin(), places.end()), places.end());
    for (Endpoint* const place : places) {
        take_notices(
            *place, [&](const Observation& one) { return &client_of(one) == &client; }, out);
    }
}

/// What was on its way to an observation that has ended, the last of its delivery, is not lost when
/// something else that the client is subscribed to is for it: it waits for who observes that.
void Machine::give_back(Client& client, const std::vector<Notice>& notices, ReasonCode reason) {
    bool has_parked = false;
    for (const Notice& notice : notices) {
        const Client::Extra* const extra = client.find_extra();
        const bool is_last = extra == nullptr || [&] {
            const auto left = extra->notices_left.find(notice.packet_id);
            return left == extra->notices_left.end() || left->second == 1;
        }();
        if (notice.packet_id == 0 || !is_last || client.session == nullptr ||
            !broker_.is_subscribed(*client.session, notice.message->topic())) {
            finish(client, notice.packet_id, reason);
            continue;
        }
        client.extra().notices_left.erase(notice.packet_id);
        park(client, notice.message, notice.packet_id);
        has_parked = true;
    }
    if (has_parked && client.observation_count != 0) {
        unpark(client);
    }
}

}  // namespace gw::coap
