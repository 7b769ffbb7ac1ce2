// MESSAGE, ACK and NACK.
#include "adapters/stomp/machine/connection_machine.hpp"
#include "adapters/stomp/machine/translation.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace gw::stomp {

namespace {

std::vector<Subscription*>& target_scratch() {
    static thread_local std::vector<Subscription*> scratch;
    return scratch;
}

/// The text of a message id: the connection's prefix, so that an id of an older connection is not
/// taken for one of this, and the number of the MESSAGE on it.
class MessageId {
public:
    MessageId(std::uint32_t prefix, std::uint64_t number) {
        char* at = std::to_chars(text_.data(), text_.data() + text_.size(), prefix, 16).ptr;
        *at++ = '-';
        at = std::to_chars(at, text_.data() + text_.size(), number).ptr;
        size_ = static_cast<std::size_t>(at - text_.data());
    }
    std::string_view text() const { return {text_.data(), size_}; }

private:
    std::array<char, 32> text_;
    std::size_t size_;
};

}  // namespace

// ------------------------------------------------------------------------------------ delivery

bool ConnectionMachine::on_delivery(const DeliveryView& delivery) {
    // What waits goes first when its subscription has just been named.
    const bool must_wait = has_new_subscription_ && rare_ && !rare_->parked.empty();
    if (must_wait || !deliver(delivery)) {
        park(delivery);
    }
    note_output();
    return true;
}

/// To all subscriptions that it is for but those that have got it. False: the message is for a
/// subscription that may be named yet.
bool ConnectionMachine::deliver(const DeliveryView& delivery,
                                std::span<const std::uint32_t> given) {
    const Message& message = delivery.message;
    const std::string_view topic = session_->identity->own_topic(message.topic());
    std::vector<Subscription*>& targets = target_scratch();
    targets.clear();
    if (subscriptions_) {
        subscriptions_->find_targets(delivery.identifiers, topic, delivery.retain, targets,
                                     [this](const TopicFilter& filter, std::string_view name) {
                                         return broker_.is_for(*session_, filter, name);
                                     });
    }
    if (!given.empty()) {
        std::erase_if(targets, [given](const Subscription* one) {
            return std::binary_search(given.begin(), given.end(), one->number);
        });
    }
    if (targets.empty() && may_be_named_later(topic)) {
        return false;
    }
    const bool is_tracked = delivery.qos != Qos::at_most_once;
    std::uint32_t sharers = 0;
    for (const Subscription* target : targets) {
        sharers += is_tracked && target->ack_mode != AckMode::automatic ? 1 : 0;
    }
    for (const Subscription* target : targets) {
        const std::uint64_t number = write_message(message, *target, delivery.retain,
                                                   delivery.is_resend, targets.size() > 1);
        if (is_tracked && target->ack_mode != AckMode::automatic) {
            if (!unacked_) {
                unacked_ = std::make_unique<UnackedTable>();
            }
            unacked_->add({.number = number,
                           .message = MessagePtr{&message},
                           .subscription = target->number,
                           .packet_id = delivery.packet_id,
                           .qos = delivery.qos,
                           .is_retained = delivery.retain},
                          sharers);
        }
    }
    if (is_tracked && sharers == 0 && is_to_hold(delivery, topic)) {
        std::vector<std::uint32_t> served{given.begin(), given.end()};
        for (const Subscription* target : targets) {
            served.push_back(target->number);
        }
        std::sort(served.begin(), served.end());
        park(delivery, std::move(served));
    } else if (is_tracked && sharers == 0) {
        // Nobody will acknowledge it: it counts as received when it is written.
        to_settle_.emplace_back(delivery.packet_id, delivery.qos);
        output();
        connection_.wants_drained = true;
    }
    return true;
}

/// Whether what nobody here will acknowledge is kept for a subscription that may be named yet, and
/// acknowledged there. Within bounds: the client may have forgotten that one.
bool ConnectionMachine::is_to_hold(const DeliveryView& delivery, std::string_view topic) {
    return !delivery.retain && may_be_named_later(topic) &&
           rare_->parked.size() < options_->unacked_max / 2U;
}

bool ConnectionMachine::may_be_named_later(std::string_view topic) {
    if (!rare_ || rare_->unnamed.empty()) {
        return false;
    }
    constexpr std::size_t look_at_max = 100;
    if (rare_->unnamed.size() > look_at_max) {
        return true;
    }
    for (const std::string& text : rare_->unnamed) {
        const auto filter = parse_topic_filter(text, {.bytes_max = 1 << 20, .levels_max = 65535});
        if (filter && broker_.is_for(*session_, *filter, topic)) {
            return true;
        }
    }
    return false;
}

void ConnectionMachine::park(const DeliveryView& delivery, std::vector<std::uint32_t> given) {
    auto& parked = rare().parked;
    // What is tracked has its bound in the session's window.
    if (delivery.qos == Qos::at_most_once && parked.size() >= 2U * options_->unacked_max) {
        broker_.metrics().drop(DropReason::queue_full);
        return;
    }
    parked.push_back({MessagePtr{&delivery.message},
                      {delivery.identifiers.begin(), delivery.identifiers.end()},
                      delivery.packet_id,
                      delivery.qos,
                      delivery.retain,
                      delivery.is_resend,
                      std::move(given)});
}

std::uint64_t ConnectionMachine::write_message(const Message& message,
                                               const Subscription& subscription, bool is_retained,
                                               bool is_redelivered, bool is_one_of_many) {
    // Below, copying is cheaper; but a client with many subscriptions must not multiply the body.
    const std::size_t gather_bytes_min = is_one_of_many ? 512 : 16 * 1024;
    const std::uint64_t number = ++message_count_;
    const MessageId id{id_prefix_, number};
    const std::string_view topic = session_->identity->own_topic(message.topic());
    ByteBuffer& out = output();
    FrameWriter frame{out, version_, Command::message};
    if (subscription.has_id) {
        frame.header(header_name::subscription, subscription.id);
    }
    frame.plain(header_name::message_id, id.text());
    if (version_ == Version::v1_2 && subscription.ack_mode != AckMode::automatic) {
        frame.plain(header_name::ack, id.text());
    }
    frame.header(header_name::destination, topic);
    if (is_retained) {
        frame.plain(header_name::retain, "true");
    }
    if (is_redelivered) {
        frame.plain(header_name::redelivered, "true");
    }
    write_message_headers(frame, message, now());
    frame.end_head();
    if (message.payload().size() >= gather_bytes_min) {
        connection_.gather(MessagePtr{&message}, message.payload());
        connection_.output().u8(0);
    } else {
        out.append(message.payload());
        frame.end_frame();
    }
    count_sent(Command::message);
    return number;
}

/// Not STOMP's: PUBREL waits for the protocol that it belongs to, unless an older version has
/// stored it, which did not say whose it is. The client has the message.
void ConnectionMachine::on_release(std::uint16_t packet_id) {
    to_settle_.emplace_back(packet_id, Qos::exactly_once);
    output();
    connection_.wants_drained = true;
}

void ConnectionMachine::note_output() {
    if (connection_.unsent_bytes() >= options_->unsent_bytes_max) {
        is_output_blocked = true;
        connection_.wants_drained = true;
    }
    // The core counts deliveries, and one may have gone to many subscriptions.
    if (unacked_ && unacked_->count() > options_->unacked_max) {
        is_output_blocked = true;
        is_window_full_ = true;
    }
}

/// After acknowledgements: there is room for messages again.
void ConnectionMachine::note_acknowledged() {
    if (is_window_full_ && unacked_->count() <= options_->unacked_max) {
        is_window_full_ = false;
        if (!connection_.wants_drained) {
            is_output_blocked = false;
            broker_.on_writable(*session_);
        }
    }
}

void ConnectionMachine::on_output_drained() {
    if (state_ != State::connected) {
        return;
    }
    is_output_blocked = is_window_full_;
    settle_written();
    send_refused();
    settle_subscriptions();
    broker_.on_writable(*session_);
    unpause(pause_for_output);
}

void ConnectionMachine::settle_written() {
    const auto written = std::exchange(to_settle_, {});
    for (const auto& [packet_id, qos] : written) {
        settle(packet_id, qos);
    }
}

/// Tells the core that a delivery is over.
void ConnectionMachine::settle(std::uint16_t packet_id, Qos qos) {
    if (qos == Qos::exactly_once) {
        broker_.on_pubrec(*session_, packet_id, ReasonCode::success);
        broker_.on_pubcomp(*session_, packet_id);
    } else {
        broker_.on_puback(*session_, packet_id, ReasonCode::success);
    }
}

// ---------------------------------------------------------------------------- acknowledgements

void ConnectionMachine::on_ack(const Frame& frame) {
    if (frame.command == Command::nack && version_ == Version::v1_0) {
        fail(ReasonCode::protocol_error, "1.0 has no NACK");
        return;
    }
    const auto number = read_ack_number(frame);
    if (!number) {
        return;
    }
    bool is_in_transaction = false;
    Transaction* const transaction = transaction_of(frame, is_in_transaction);
    const bool is_refusal = frame.command == Command::nack;
    if (is_in_transaction) {
        if (transaction != nullptr &&
            add_to(*transaction, {.number = *number, .is_refusal = is_refusal})) {
            acknowledge_frame(frame, 0);
        }
        return;
    }
    acknowledge(*number, is_refusal);
    acknowledge_frame(frame, broker_.firm_ticket(*session_));
}

/// The number of the MESSAGE that ACK or NACK names: by id in 1.2, by message-id before, with the
/// subscription in 1.1. Nothing: the client was told why not.
std::optional<std::uint64_t> ConnectionMachine::read_ack_number(const Frame& frame) {
    const bool is_v12 = version_ == Version::v1_2;
    const auto text = frame.find(is_v12 ? "id" : "message-id");
    if (!text) {
        fail(ReasonCode::protocol_error,
             is_v12 ? "ACK and NACK need an id" : "ACK and NACK need a message-id");
        return std::nullopt;
    }
    const std::size_t dash = text->find('-');
    const auto number =
        dash == std::string_view::npos ? std::nullopt : parse_number(text->substr(dash + 1));
    if (!number || *number == 0 || *number > message_count_ ||
        *text != MessageId{id_prefix_, *number}.text()) {
        fail(ReasonCode::packet_identifier_not_found, "no such message was sent");
        return std::nullopt;
    }
    if (version_ == Version::v1_1) {
        const auto id = frame.find("subscription");
        if (!id) {
            fail(ReasonCode::protocol_error, "ACK and NACK need a subscription");
            return std::nullopt;
        }
        const UnackedMessage* const message = unacked_ ? unacked_->find(*number) : nullptr;
        const Subscription* const subscription =
            message != nullptr ? subscriptions_->find_number(message->subscription) : nullptr;
        if (subscription != nullptr && subscription->id != *id) {
            fail(ReasonCode::packet_identifier_not_found,
                 "the message was not sent to this subscription");
            return std::nullopt;
        }
    }
    return number;
}

/// A message that is acknowledged already, also by a later one of its subscription, is left alone:
/// clients cannot always know.
void ConnectionMachine::acknowledge(std::uint64_t number, bool is_refusal) {
    const UnackedMessage* const message = unacked_ ? unacked_->find(number) : nullptr;
    if (message == nullptr) {
        return;
    }
    std::vector<std::uint64_t> numbers;
    const Subscription* const subscription = subscriptions_->find_number(message->subscription);
    GW_ASSERT(subscription != nullptr);  // release_unacked() takes what has none any more
    if (subscription->ack_mode == AckMode::client) {
        unacked_->collect(subscription->number, number, numbers);
    } else {
        numbers.push_back(number);
    }
    for (const std::uint64_t one : numbers) {
        if (is_refusal) {
            refuse_one(one, subscription->entry->filter.kind);
        } else {
            acknowledge_one(one);
        }
    }
    send_refused();
    note_acknowledged();
}

void ConnectionMachine::acknowledge_one(std::uint64_t number) {
    UnackedMessage* const message = unacked_->find(number);
    if (message == nullptr) {
        return;
    }
    const std::uint16_t packet_id = message->packet_id;
    const Qos qos = message->qos;
    if (unacked_->complete(*message)) {
        settle(packet_id, qos);
    }
}

/// Another member of a shared group gets what this one does not want; else it comes again.
void ConnectionMachine::refuse_one(std::uint64_t number, FilterKind kind) {
    UnackedMessage* message = unacked_->find(number);
    if (message == nullptr) {
        return;
    }
    if (kind == FilterKind::shared && broker_.give_back(*session_, message->packet_id)) {
        message = unacked_->find(number);  // messages may have come meanwhile
        unacked_->complete(*message);
        return;
    }
    unacked_->refuse(*message);
}

/// After UNSUBSCRIBE nothing of the subscription comes again, and the window must not stay full.
void ConnectionMachine::release_unacked(const Subscription& subscription, FilterKind kind) {
    if (!unacked_) {
        return;
    }
    std::vector<std::uint64_t> numbers;
    unacked_->collect(subscription.number, message_count_, numbers);
    for (const std::uint64_t number : numbers) {
        UnackedMessage* message = unacked_->find(number);
        if (kind == FilterKind::shared && broker_.give_back(*session_, message->packet_id)) {
            unacked_->complete(*unacked_->find(number));
        } else if (kind == FilterKind::shared || message->is_retained ||
                   !may_be_named_later(session_->identity->own_topic(message->message->topic()))) {
            acknowledge_one(number);
        } else {
            park_again(number);
        }
    }
    note_acknowledged();
}

/// What the client has not acknowledged before it ended a subscription, and another one of its
/// session is for, which it has not named yet: waits for that, in the order of sending.
void ConnectionMachine::park_again(std::uint64_t number) {
    UnackedMessage* const message = unacked_->find(number);
    const ParkedDelivery again{.message = message->message,
                               .identifiers = {},
                               .packet_id = message->packet_id,
                               .qos = message->qos,
                               .retain = false,
                               .is_resend = true,
                               .given = {}};
    if (!unacked_->complete(*message)) {
        return;  // others of this connection have it, too
    }
    auto& parked = rare().parked;
    const auto place = std::find_if(parked.begin(), parked.end(), [&](const auto& one) {
        return one.packet_id != 0 && static_cast<std::int16_t>(again.packet_id - one.packet_id) < 0;
    });
    parked.insert(place, again);
}

void ConnectionMachine::send_refused() {
    while (unacked_ && connection_.unsent_bytes() < options_->unsent_bytes_max) {
        UnackedMessage* const message = unacked_->find_refused();
        if (message == nullptr) {
            return;
        }
        const MessagePtr content = message->message;
        const Subscription* const subscription = subscriptions_->find_number(message->subscription);
        GW_ASSERT(subscription != nullptr);  // as in acknowledge()
        if (content->is_expired(now())) {
            broker_.metrics().drop(DropReason::expired);
            acknowledge_one(message->number);
            continue;
        }
        unacked_->renumber(*message, write_message(*content, *subscription, false, true, false));
        note_output();
    }
}

}  // namespace gw::stomp
