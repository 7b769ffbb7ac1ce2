#include "tests/support/sn_sim_client.hpp"

#include <algorithm>
#include <utility>
#include <variant>

namespace gw::test {

namespace {

constexpr Milliseconds retry_interval{3000};
constexpr unsigned retry_count_max = 4;
constexpr std::uint16_t keep_alive = 60;

using namespace gw::mqttsn;

}  // namespace

SnSimClient::SnSimClient(SimWorld& world, SnNet& net, std::string client_id, std::uint16_t port)
    : world_(world), net_(net), client_id_(std::move(client_id)), port_(port) {
    net_.attach(port_, *this);
}

SnSimClient::~SnSimClient() {
    *exists_ = false;
    net_.detach(port_);
}

template <class Message>
void SnSimClient::send(const Message& packet) {
    ByteBuffer bytes;
    encode(bytes, packet);
    net_.send(port_, bytes.view());
}

std::uint16_t SnSimClient::next_id() {
    last_id_ = static_cast<std::uint16_t>(last_id_ % 65535 + 1);
    return last_id_;
}

// ----------------------------------------------------------------------------------------- time

/// One timer: for the answer that is awaited, or until the next sign of life.
void SnSimClient::wait() {
    const std::uint64_t number = ++timer_;
    const bool is_resting =
        (state_ == State::connected && requests_.empty()) || state_ == State::asleep;
    const Milliseconds time = !is_resting               ? retry_interval
                              : state_ == State::asleep ? sleep_
                                                        : Milliseconds{keep_alive * 500};
    world_.after(time, [this, number, exists = exists_] {
        if (*exists) {
            on_timer(number);
        }
    });
}

void SnSimClient::on_timer(std::uint64_t number) {
    if (number != timer_ || state_ == State::off) {
        return;
    }
    if (state_ == State::connected && requests_.empty()) {
        send(Pingreq{});
        wait();
        return;
    }
    if (state_ == State::asleep) {
        wake();
        return;
    }
    if (++tries_ > retry_count_max) {
        connect();
        return;
    }
    switch (state_) {
        case State::connecting:
            send(Connect{
                .flags = {}, .protocol_id = 1, .duration = keep_alive, .client_id = client_id_});
            break;
        case State::connected:
            send_request();
            break;
        case State::falling_asleep:
            send(Disconnect{static_cast<std::uint16_t>(sleep_.count() * 2)});
            break;
        case State::awake:
            send(Pingreq{client_id_});
            break;
        case State::off:
        case State::asleep:
            break;
    }
    wait();
}

// ------------------------------------------------------------------------------------ what it does

void SnSimClient::start() {
    connect();
}

void SnSimClient::connect() {
    state_ = State::connecting;
    tries_ = 0;
    ++connect_count;
    send(Connect{.flags = {}, .protocol_id = 1, .duration = keep_alive, .client_id = client_id_});
    wait();
}

void SnSimClient::subscribe(std::string topic, Qos qos) {
    requests_.push_back({Request::Kind::subscribe, std::move(topic), {}, qos});
    go_on();
}

void SnSimClient::publish(std::string topic, std::string payload, Qos qos) {
    requests_.push_back({Request::Kind::publish, std::move(topic), std::move(payload), qos});
    go_on();
}

void SnSimClient::sleep(Seconds interval) {
    sleep_ = interval;
    go_on();
}

/// Begins with the next request, when none is under way.
void SnSimClient::go_on() {
    if (state_ != State::connected) {
        return;
    }
    if (requests_.empty()) {
        if (sleep_ != Seconds{0}) {
            fall_asleep();
        } else {
            wait();
        }
        return;
    }
    Request& first = requests_.front();
    if (first.message_id != 0) {
        return;
    }
    if (first.kind == Request::Kind::publish && !ids_.contains(first.topic)) {
        requests_.push_front({Request::Kind::enrol, first.topic, {}, Qos::at_most_once});
    }
    requests_.front().message_id = next_id();
    tries_ = 0;
    send_request();
    wait();
}

void SnSimClient::send_request() {
    Request& request = requests_.front();
    Flags flags;
    flags.set_qos(static_cast<WireQos>(request.qos)).set_dup(request.was_sent);
    switch (request.kind) {
        case Request::Kind::enrol:
            send(Register{0, request.message_id, request.topic});
            break;
        case Request::Kind::subscribe:
            send(Subscribe{flags, request.message_id, {request.topic, 0}});
            break;
        case Request::Kind::publish:
            if (request.is_released) {
                send(Pubrel{request.message_id});
            } else {
                send(Publish{flags, ids_[request.topic], request.message_id,
                             as_bytes(request.payload)});
            }
            break;
    }
    request.was_sent = true;
}

void SnSimClient::finish_request() {
    requests_.pop_front();
    go_on();
}

void SnSimClient::fall_asleep() {
    state_ = State::falling_asleep;
    tries_ = 0;
    send(Disconnect{static_cast<std::uint16_t>(sleep_.count() * 2)});
    wait();
}

void SnSimClient::wake() {
    state_ = State::awake;
    tries_ = 0;
    send(Pingreq{client_id_});
    wait();
}

// ------------------------------------------------------------------------------------ what it
// hears

void SnSimClient::on_datagram(Bytes datagram) {
    const auto packet = decode(datagram);
    if (!packet) {
        violations.push_back("malformed datagram");
        return;
    }
    switch (type_of(*packet)) {
        case MessageType::connack:
            return on(std::get<Connack>(*packet));
        case MessageType::regack:
            return on(std::get<Regack>(*packet));
        case MessageType::suback:
            return on(std::get<Suback>(*packet));
        case MessageType::puback:
            return on(std::get<Puback>(*packet));
        case MessageType::publish:
            tries_ = state_ == State::awake ? 0 : tries_;
            return on_publish(std::get<Publish>(*packet));
        case MessageType::register_topic: {
            const auto& told = std::get<Register>(*packet);
            tries_ = state_ == State::awake ? 0 : tries_;
            topics_[told.topic_id] = std::string{told.topic};
            ids_[std::string{told.topic}] = told.topic_id;
            send(Regack{told.topic_id, told.message_id, {}});
            return;
        }
        case MessageType::pubrec: {
            const std::uint16_t id = std::get<Pubrec>(*packet).message_id;
            if (!requests_.empty() && requests_.front().message_id == id) {
                requests_.front().is_released = true;
                tries_ = 0;
            }
            send(Pubrel{id});
            return;
        }
        case MessageType::pubrel: {
            const std::uint16_t id = std::get<Pubrel>(*packet).message_id;
            if (unreleased_.erase(id) != 0) {
                completed_.push_back(id);
                if (completed_.size() > 16) {
                    completed_.pop_front();
                }
            }
            send(Pubcomp{id});
            return;
        }
        case MessageType::pubcomp:
            if (!requests_.empty() && requests_.front().is_released &&
                requests_.front().message_id == std::get<Pubcomp>(*packet).message_id) {
                finish_request();
            }
            return;
        case MessageType::pingresp:
            if (state_ == State::awake) {
                state_ = State::asleep;
                wait();
            }
            return;
        case MessageType::disconnect:
            if (state_ == State::falling_asleep) {
                state_ = State::asleep;
                wait();
            } else if (state_ != State::connecting && state_ != State::asleep) {
                connect();  // the gateway does not know us
            }
            return;
        default:
            violations.push_back("a gateway does not send this");
    }
}

void SnSimClient::on(const Connack& packet) {
    if (packet.code != ReturnCode::accepted) {
        violations.push_back("refused");
    }
    if (state_ != State::connecting) {
        return;
    }
    state_ = State::connected;
    if (requests_.empty() || requests_.front().message_id == 0) {
        go_on();
        return;
    }
    tries_ = 0;
    send_request();  // what was under way, as it was
    wait();
}

void SnSimClient::on(const Regack& packet) {
    if (requests_.empty() || requests_.front().kind != Request::Kind::enrol ||
        requests_.front().message_id != packet.message_id) {
        return;
    }
    if (packet.code != ReturnCode::accepted) {
        violations.push_back("REGISTER refused");
    }
    ids_[requests_.front().topic] = packet.topic_id;
    topics_[packet.topic_id] = requests_.front().topic;
    finish_request();
}

void SnSimClient::on(const Suback& packet) {
    if (requests_.empty() || requests_.front().kind != Request::Kind::subscribe ||
        requests_.front().message_id != packet.message_id) {
        return;
    }
    if (packet.code != ReturnCode::accepted) {
        violations.push_back("SUBSCRIBE refused");
    }
    if (packet.topic_id != 0) {
        topics_[packet.topic_id] = requests_.front().topic;
    }
    finish_request();
}

void SnSimClient::on(const Puback& packet) {
    if (requests_.empty() || requests_.front().kind != Request::Kind::publish ||
        requests_.front().message_id != packet.message_id) {
        return;
    }
    if (packet.code != ReturnCode::accepted) {
        violations.push_back("PUBLISH refused");
    }
    if (requests_.front().qos == Qos::at_least_once) {
        finish_request();
    }
}

void SnSimClient::on_publish(const Publish& packet) {
    const auto qos = static_cast<Qos>(packet.flags.qos());
    const auto topic = topics_.find(packet.topic_id);
    if (topic == topics_.end()) {
        violations.push_back("topic id that was never told");
        return;
    }
    const std::uint16_t id = packet.message_id;
    const bool is_known = qos == Qos::exactly_once &&
                          (unreleased_.contains(id) ||
                           std::find(completed_.begin(), completed_.end(), id) != completed_.end());
    if (!is_known) {
        arrivals.push_back({topic->second, std::string{as_text(packet.data)}, qos});
    }
    if (qos == Qos::at_least_once) {
        send(Puback{packet.topic_id, id, {}});
    } else if (qos == Qos::exactly_once) {
        if (!is_known) {
            unreleased_.insert(id);
        }
        send(Pubrec{id});
    }
}

}  // namespace gw::test
