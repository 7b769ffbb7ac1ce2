#include "tests/support/sim_client.hpp"

#include <algorithm>

namespace gw::test {

using mqtt::PacketType;
using mqtt::Version;

void SimClient::connect(std::uint32_t worker) {
    connections_.push_back(std::make_unique<Connection>(*this));
    current_ = connections_.back().get();
    is_online_ = false;
    ++connect_count;
    Connection& connection = *current_;
    connection.link = world_.connect(connection, worker);
    mqtt::ConnectPacket packet;
    packet.version = options_.version;
    packet.client_id = options_.client_id;
    packet.clean_start = options_.clean_start;
    packet.keep_alive = options_.keep_alive;
    if (options_.version == Version::v5) {
        packet.session_expiry_interval = options_.session_expiry;
        packet.receive_maximum = options_.receive_maximum;
        packet.topic_alias_maximum = 5;
    }
    packet.will = options_.will;
    ByteBuffer out;
    mqtt::encode_connect(out, packet);
    transmit(connection, out);
}

void SimClient::cut() {
    if (current_ != nullptr) {
        world_.cut(current_->link);  // closed() follows from within
    }
}

void SimClient::disconnect(ReasonCode reason) {
    if (current_ == nullptr || !is_online_) {
        return;
    }
    mqtt::DisconnectPacket packet;
    packet.reason = reason;
    ByteBuffer out;
    mqtt::encode_disconnect(out, options_.version, packet);
    Connection& connection = *current_;
    transmit(connection, out);
    world_.close(connection.link);
    closed(connection);
}

void SimClient::closed(Connection& connection) {
    connection.is_over = true;
    if (current_ == &connection) {
        current_ = nullptr;
        is_online_ = false;
    }
}

void SimClient::publish(std::string topic, std::string payload, Qos qos, bool retain) {
    outgoing_.push_back({std::move(topic), std::move(payload), qos, retain, false, 0});
    pump();
}

void SimClient::subscribe(std::string filter, Qos qos) {
    Subscription& subscription = subscriptions_[filter];
    subscription = {.qos = qos, .is_done = false, .packet_id = 0};
    if (is_online_) {
        send_subscribe(filter, subscription);
    }
}

bool SimClient::is_subscribed(const std::string& filter) const {
    const auto found = subscriptions_.find(filter);
    return found != subscriptions_.end() && found->second.is_done;
}

// -------------------------------------------------------------------------------------- input

void SimClient::receive(Connection& connection, Bytes bytes) {
    if (connection.is_over) {
        return;
    }
    connection.input.append(bytes);
    while (!connection.is_over) {
        const auto outcome = mqtt::read_frame(connection.input.view(),
                                              mqtt::protocol_packet_bytes_max, options_.version);
        if (outcome.status == mqtt::FrameStatus::error) {
            violation("no packet: " + std::string{decode_error_text(outcome.error)});
            connection.is_over = true;
            return;
        }
        if (outcome.status == mqtt::FrameStatus::need_more) {
            return;
        }
        // An old connection has nobody behind it any more: its packets are lost with it.
        if (current_ == &connection) {
            on_frame(connection, outcome.frame);
        }
        connection.input.consume(outcome.frame.packet_bytes);
    }
}

void SimClient::on_frame(Connection& connection, const mqtt::Frame& frame) {
    if (!connection.is_accepted) {
        if (frame.type() != PacketType::connack) {
            violation("the first packet is not CONNACK");
            return;
        }
        on_connack(connection, frame);
        return;
    }
    switch (frame.type()) {
        case PacketType::publish:
            on_publish(connection, frame);
            return;
        case PacketType::puback:
        case PacketType::pubrec:
        case PacketType::pubrel:
        case PacketType::pubcomp:
            on_ack(connection, frame);
            return;
        case PacketType::suback:
            on_suback(frame);
            return;
        case PacketType::pingresp:
            return;
        case PacketType::disconnect: {
            const auto packet =
                mqtt::decode_disconnect(frame.body, options_.version, mqtt::Sender::server);
            if (!packet) {
                violation("DISCONNECT cannot be read");
            } else if (packet->reason != ReasonCode::session_taken_over &&
                       packet->reason != ReasonCode::keep_alive_timeout) {
                violation("DISCONNECT: " + std::string{reason_text(packet->reason)});
            }
            return;
        }
        default:
            violation(std::string{"unexpected "} + mqtt::packet_type_name(frame.type()));
    }
}

void SimClient::on_connack(Connection& connection, const mqtt::Frame& frame) {
    const auto packet = mqtt::decode_connack(frame.body, options_.version);
    if (!packet || packet->reason != ReasonCode::success) {
        violation("CONNECT was refused");
        return;
    }
    connection.is_accepted = true;
    is_online_ = true;
    // MQTT 3.1 does not tell; its clients have to believe in their session.
    const bool has_session =
        options_.version == Version::v3_1 ? !options_.clean_start : packet->session_present;
    if (options_.clean_start && packet->session_present) {
        violation("session present after a clean start");
    }
    if (!has_session) {
        ++session_lost_count;
        inbound_qos2_.clear();
        // What was not acknowledged is published anew, under a new packet id.
        while (!in_flight_.empty()) {
            InFlight message = std::move(in_flight_.back());
            in_flight_.pop_back();
            if (!message.is_released) {
                resent.insert(message.payload);
                outgoing_.push_front(std::move(message));
            }
        }
        for (auto& [filter, subscription] : subscriptions_) {
            subscription.is_done = false;
        }
    }
    resume();
}

void SimClient::resume() {
    for (InFlight& message : in_flight_) {
        if (message.is_released) {
            send_ack(PacketType::pubrel, message.packet_id);
        } else {
            resent.insert(message.payload);
            send_publish(message, true);
        }
    }
    for (auto& [filter, subscription] : subscriptions_) {
        if (!subscription.is_done) {
            send_subscribe(filter, subscription);
        }
    }
    pump();
}

void SimClient::on_publish(Connection& connection, const mqtt::Frame& frame) {
    ByteBuffer scratch;
    mqtt::PublishPacket packet;
    const auto decoded =
        mqtt::decode_publish(frame, {options_.version, mqtt::Sender::server}, scratch, packet);
    if (!decoded) {
        violation("PUBLISH cannot be read: " + std::string{decode_error_text(decoded.error())});
        return;
    }
    std::string topic{packet.topic};
    if (packet.topic_alias != 0) {
        std::string& known = connection.aliases[packet.topic_alias];
        if (topic.empty()) {
            topic = known;
        } else {
            known = topic;
        }
        if (topic.empty() || packet.topic_alias > 5) {
            violation("topic alias that means nothing");
        }
    }
    const SimArrival arrival{std::move(topic), std::string{as_text(packet.payload)}, packet.qos,
                             packet.dup, packet.retain};
    if (packet.qos == Qos::at_most_once) {
        arrivals.push_back(arrival);
        return;
    }
    if (!connection.unacknowledged.insert(packet.packet_id).second) {
        violation("packet id is in use on this connection");
    }
    if (options_.version == Version::v5 &&
        connection.unacknowledged.size() > options_.receive_maximum) {
        violation("more than the receive maximum");
    }
    if (packet.qos == Qos::at_least_once) {
        arrivals.push_back(arrival);
        connection.unacknowledged.erase(packet.packet_id);
        send_ack(PacketType::puback, packet.packet_id);
        return;
    }
    if (inbound_qos2_.insert(packet.packet_id).second) {
        arrivals.push_back(arrival);
    } else if (!packet.dup) {
        violation("a packet id of QoS 2 that is not released, for a new message");
    }
    send_ack(PacketType::pubrec, packet.packet_id);
}

SimClient::InFlight* SimClient::find(std::uint16_t packet_id) {
    const auto found =
        std::find_if(in_flight_.begin(), in_flight_.end(),
                     [packet_id](const InFlight& m) { return m.packet_id == packet_id; });
    return found == in_flight_.end() ? nullptr : &*found;
}

void SimClient::on_ack(Connection& connection, const mqtt::Frame& frame) {
    const auto packet = mqtt::decode_ack(frame.type(), frame.body, options_.version);
    if (!packet) {
        violation("acknowledgement cannot be read");
        return;
    }
    const std::uint16_t id = packet->packet_id;
    if (frame.type() == PacketType::pubrel) {
        inbound_qos2_.erase(id);
        connection.unacknowledged.erase(id);
        send_ack(PacketType::pubcomp, id);
        return;
    }
    InFlight* const message = find(id);
    if (message == nullptr) {
        violation("acknowledges what was not sent");
        return;
    }
    // PUBREL sent again may find nothing: no error after a reconnection (MQTT 5.0, 3.7.2.1).
    const bool is_recovery = frame.type() == PacketType::pubcomp &&
                             packet->reason == ReasonCode::packet_identifier_not_found;
    if (is_error(packet->reason) && !is_recovery) {
        violation("acknowledged with an error: " + std::string{reason_text(packet->reason)});
    }
    if (frame.type() != PacketType::pubcomp) {
        auto& expected = frame.type() == PacketType::puback ? connection.expected_pubacks
                                                            : connection.expected_pubrecs;
        if (expected.empty() || expected.front() != id) {
            violation("acknowledged out of order");
        }
        std::erase(expected, id);
        if (on_acknowledged) {
            on_acknowledged(message->payload);
        }
    }
    if (frame.type() == PacketType::pubrec) {
        message->is_released = true;
        send_ack(PacketType::pubrel, id);
        return;
    }
    std::erase_if(in_flight_, [id](const InFlight& m) { return m.packet_id == id; });
    pump();
}

void SimClient::on_suback(const mqtt::Frame& frame) {
    const auto packet = mqtt::decode_suback(frame.body, options_.version);
    if (!packet || packet->reasons.size() != 1 || is_error(packet->reason(0))) {
        violation("SUBSCRIBE was refused");
        return;
    }
    for (auto& [filter, subscription] : subscriptions_) {
        subscription.is_done = subscription.is_done || subscription.packet_id == packet->packet_id;
    }
}

// ------------------------------------------------------------------------------------- output

std::uint16_t SimClient::next_id() {
    do {
        last_id_ = last_id_ == 65535 ? std::uint16_t{1} : static_cast<std::uint16_t>(last_id_ + 1);
    } while (find(last_id_) != nullptr);
    return last_id_;
}

void SimClient::pump() {
    while (is_online_ && !outgoing_.empty() &&
           (outgoing_.front().qos == Qos::at_most_once ||
            in_flight_.size() < options_.unacknowledged_max)) {
        InFlight message = std::move(outgoing_.front());
        outgoing_.pop_front();
        if (message.qos == Qos::at_most_once) {
            send_publish(message, false);
            continue;
        }
        message.packet_id = next_id();
        in_flight_.push_back(std::move(message));
        send_publish(in_flight_.back(), false);
    }
}

void SimClient::send_publish(InFlight& message, bool dup) {
    mqtt::PublishOut packet;
    packet.topic = message.topic;
    packet.payload = as_bytes(message.payload);
    packet.packet_id = message.packet_id;
    packet.qos = message.qos;
    packet.retain = message.retain;
    packet.dup = dup;
    if (message.qos == Qos::at_least_once) {
        current_->expected_pubacks.push_back(message.packet_id);
    } else if (message.qos == Qos::exactly_once) {
        current_->expected_pubrecs.push_back(message.packet_id);
    }
    ByteBuffer out;
    mqtt::encode_publish(out, options_.version, packet);
    transmit(*current_, out);
}

void SimClient::send_subscribe(const std::string& filter, Subscription& subscription) {
    subscription.packet_id = next_id();
    const mqtt::SubscriptionEntry entry{.filter = filter, .qos = subscription.qos};
    ByteBuffer out;
    mqtt::encode_subscribe(out, options_.version,
                           {.packet_id = subscription.packet_id,
                            .subscription_identifier = 0,
                            .subscriptions = {&entry, 1},
                            .user_properties = {}});
    transmit(*current_, out);
}

void SimClient::send_ack(PacketType type, std::uint16_t packet_id) {
    ByteBuffer out;
    mqtt::encode_ack(out, options_.version, type, packet_id);
    transmit(*current_, out);
}

}  // namespace gw::test
