// Deliveries of the broker on their way to observers.
#include "adapters/coap/codec/writer.hpp"
#include "adapters/coap/machine/machine.hpp"

#include <algorithm>
#include <utility>

namespace gw::coap {

namespace {

/// So many messages that nobody observes may wait in flight; then the others wait in the queue.
constexpr std::size_t parked_count_max = 48;

}  // namespace

bool Machine::deliver(Client& client, const DeliveryView& delivery) {
    const MessagePtr message{&delivery.message};
    const std::uint32_t count = notify(client, message, delivery.packet_id, delivery.identifiers);
    if (count == 0 && delivery.packet_id != 0) {
        wait_for_observer(client, message, delivery.packet_id);
    }
    return true;
}

/// Of what nobody observes: it waits where the session is still subscribed to it. Else it was on
/// its way when the subscription ended: nobody will ask for it, and what follows would wait behind
/// it.
void Machine::wait_for_observer(Client& client, const MessagePtr& message,
                                std::uint16_t packet_id) {
    if (broker_.is_wanted(*client.session, message->topic())) {
        park(client, message, packet_id);
    } else {
        finish(client, packet_id, ReasonCode::success);
    }
}

/// Queues a notification for each observation that the message is for. @return how many
std::uint32_t Machine::notify(Client& client, const MessagePtr& message, std::uint16_t packet_id,
                              std::span<const std::uint32_t> identifiers) {
    const Client::Connection* const connection = client.connection();
    if (connection != nullptr && connection->is_suspended) {
        return 0;
    }
    const std::string_view topic = client.session->identity->own_topic(message->topic());
    std::uint32_t count = 0;
    const auto tell = [&](const Subscription* subscription) {
        // A session may bring identifiers that it was given by another protocol, or long ago.
        if (subscription == nullptr || !broker_.is_for(*client.session, subscription->filter,
                                                       subscription->filter_offset, topic)) {
            return;
        }
        for (Observation* one = subscription->first; one != nullptr;
             one = one->next_of_subscription) {
            // What has waited for this observer comes behind its answer, and this behind that.
            if (one->is_answered || packet_id == 0) {
                ++count;
                enqueue(*one->endpoint, {one, message, packet_id});
            }
        }
    };
    for (const std::uint32_t identifier : identifiers) {
        const std::uint32_t place = identifier & ~private_identifier_bit;
        if (place != identifier && place != 0 && place <= client.subscriptions.size()) {
            tell(client.subscriptions[place - 1]);
        }
    }
    if (count == 0) {
        // Of before the observations: which of them it would have been for nobody knows. At QoS 0 a
        // second copy would be one too many.
        for (std::size_t i = 0; i < client.subscriptions.size() && (packet_id != 0 || count == 0);
             ++i) {
            tell(client.subscriptions[i]);
        }
    }
    if (count > 1 && packet_id != 0) {
        client.extra().notices_left[packet_id] = count;
    }
    return count;
}

void Machine::park(Client& client, const MessagePtr& message, std::uint16_t packet_id) {
    auto& parked = client.extra().parked;
    // In the order of packet ids, which is that of sending (MQTT 5.0, 4.6), whatever comes back.
    auto place = parked.end();
    while (place != parked.begin() &&
           static_cast<std::int16_t>(packet_id - std::prev(place)->packet_id) < 0) {
        --place;
    }
    parked.insert(place, {message, packet_id});
    if (parked.size() >= parked_count_max) {
        client.is_output_blocked = true;
    }
}

/// Gives what is parked to observers that have come, and lets the queue flow again.
void Machine::unpark(Client& client) {
    Client::Extra* const extra = client.find_extra();
    if (extra == nullptr) {
        return;
    }
    std::vector<Client::Parked> waiting = std::exchange(extra->parked, {});
    for (Client::Parked& one : waiting) {
        if (notify(client, one.message, one.packet_id, {}) != 0) {
            continue;
        }
        if (broker_.is_wanted(*client.session, one.message->topic())) {
            extra->parked.push_back(std::move(one));
        } else {
            finish(client, one.packet_id, ReasonCode::success);
        }
    }
    const Client::Connection* const connection = client.connection();
    const bool is_suspended = connection != nullptr && connection->is_suspended;
    if (client.is_output_blocked && !is_suspended && extra->parked.size() < parked_count_max) {
        client.is_output_blocked = false;
        broker_.on_writable(*client.session);
    }
}

/// One notification of a delivery is done with; the last one completes the delivery.
void Machine::finish(Client& client, std::uint16_t packet_id, ReasonCode reason) {
    if (packet_id == 0) {
        return;
    }
    if (Client::Extra* const extra = client.find_extra()) {
        const auto left = extra->notices_left.find(packet_id);
        if (left != extra->notices_left.end()) {
            if (--left->second != 0) {
                return;
            }
            extra->notices_left.erase(left);
        }
    }
    finished_.push_back({&client, packet_id, reason});
}

/// The client of a connection is not where it was: what is for it waits until it shows its token.
void Machine::suspend(Client& client) {
    client.connection()->is_suspended = true;
    client.is_output_blocked = true;
}

void Machine::resume(Client& client, Endpoint& at) {
    Client::Connection& connection = *client.connection();
    if (client.home != &at) {
        Endpoint& old = *client.home;
        --old.home_count;
        ++at.home_count;
        client.home = &at;
        at.is_proven = true;
        move_observations(client, at);
        check_needed(old);
        metrics().coap_connections_moved.add();
    }
    if (std::exchange(connection.is_suspended, false)) {
        client.extra();
        client.is_output_blocked = true;
        unpark(client);
    }
}

/// Observations of a client that is elsewhere now, with all that is under way for them.
void Machine::move_observations(Client& client, Endpoint& to) {
    std::vector<Notice> under_way;
    take_notices(client, &to, under_way);
    for (std::size_t i = 0; i < client.subscriptions.size(); ++i) {
        Subscription* const subscription = client.subscriptions[i];
        for (Observation* one = subscription != nullptr ? subscription->first : nullptr;
             one != nullptr; one = one->next_of_subscription) {
            Endpoint& from = *one->endpoint;
            if (&from == &to) {
                continue;
            }
            observation_index_.remove(*one);
            EndpointObservations::remove(from.first, *one);
            --from.observation_count;
            one->endpoint = &to;
            EndpointObservations::push_front(to.first, *one);
            ++to.observation_count;
            observation_index_.add(*one);
            check_needed(from);
        }
    }
    // Packet ids grow in the order of sending; what has none may be lost.
    std::stable_sort(under_way.begin(), under_way.end(), [](const Notice& a, const Notice& b) {
        return a.packet_id != 0 && b.packet_id != 0 &&
               static_cast<std::int16_t>(a.packet_id - b.packet_id) < 0;
    });
    for (Notice& notice : under_way) {
        enqueue(to, std::move(notice));
    }
}

/// The last word to an observer: an error ends its observation (RFC 7641, 4.2).
void Machine::tell_end(Observation& observation, Code code) {
    Endpoint& endpoint = *observation.endpoint;
    write_response(port_.begin(endpoint.peer), Type::non_confirmable, next_message_id(&endpoint),
                   observation.token, {.code = code});
    port_.finish();
    metrics().packets_sent.add();
}

}  // namespace gw::coap
