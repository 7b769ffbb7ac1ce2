// SUBSCRIBE and UNSUBSCRIBE, and what waits for subscriptions that are named again.
#include "adapters/stomp/machine/connection_machine.hpp"
#include "adapters/stomp/machine/translation.hpp"

#include <algorithm>
#include <utility>

namespace gw::stomp {

namespace {

std::optional<AckMode> parse_ack_mode(std::optional<std::string_view> text) {
    if (!text || *text == "auto") {
        return AckMode::automatic;
    }
    if (*text == "client") {
        return AckMode::client;
    }
    if (*text == "client-individual") {
        return AckMode::client_individual;
    }
    return std::nullopt;
}

/// 1.0 may leave the id out. No id of such a client can hold a line end, so none is like this.
std::string id_for_destination(std::string_view destination) {
    return "\n" + std::string{destination};
}

}  // namespace

/// What SUBSCRIBE's headers say, but for the destination. False: the client was told why not.
bool ConnectionMachine::read_subscription(const Frame& frame, Subscription& fields) {
    const auto destination = frame.find("destination");
    if (!destination) {
        fail(ReasonCode::protocol_error, "SUBSCRIBE needs a destination");
        return false;
    }
    const auto id = frame.find("id");
    if (!id && version_ != Version::v1_0) {
        fail(ReasonCode::protocol_error, "SUBSCRIBE needs an id");
        return false;
    }
    fields.id = id ? std::string{*id} : id_for_destination(*destination);
    fields.has_id = id.has_value();
    const auto ack_mode = parse_ack_mode(frame.find("ack"));
    if (!ack_mode) {
        fail(ReasonCode::protocol_error, "ack must be auto, client or client-individual");
        return false;
    }
    fields.ack_mode = *ack_mode;
    const auto durable = parse_flag(frame.find("durable").value_or("false"));
    if (!durable) {
        fail(ReasonCode::protocol_error, "durable must be true or false");
        return false;
    }
    fields.is_durable = *durable;
    if (fields.is_durable && !is_named_client_) {
        fail(ReasonCode::protocol_error,
             "a durable subscription needs a client-id header in CONNECT");
        return false;
    }
    if (subscriptions_ && subscriptions_->find(fields.id) != nullptr) {
        fail(ReasonCode::protocol_error, "this subscription id is in use");
        return false;
    }
    if (options_->subscriptions_max != 0 && subscriptions_ &&
        subscriptions_->size() >= options_->subscriptions_max) {
        broker_.metrics().subscribes_refused.add();
        fail(ReasonCode::quota_exceeded, "too many subscriptions");
        return false;
    }
    return true;
}

ConnectionMachine::Step ConnectionMachine::on_subscribe(const Frame& frame) {
    Subscription fields;
    if (!read_subscription(frame, fields)) {
        return Step::done;
    }
    const auto filter =
        parse_topic_filter(without_alias(*frame.find("destination"), options_->destination_alias),
                           options_->topic_limits);
    if (!filter) {
        fail(ReasonCode::topic_filter_invalid, "the destination is no valid topic filter");
        return Step::done;
    }
    const SubscribeAnswer checked =
        broker_.check_subscribe(*session_, filter->filter(), Qos::at_least_once);
    if (checked.is_pending) {
        pause(pause_for_access);
        return Step::wait;
    }
    if (is_error(checked.reason)) {
        broker_.metrics().subscribes_refused.add();
        fail(ReasonCode::not_authorized, "no right to subscribe to this destination");
        return Step::done;
    }
    if (!subscriptions_) {
        subscriptions_ = std::make_unique<SubscriptionTable>(
            static_cast<std::uint32_t>(broker_.random().next()) & 0x0fffffffU);
    }
    const bool was_there = rare_ && rare_->unnamed.erase(filter->text) != 0;
    Subscription& added = subscriptions_->add(*filter, std::move(fields));
    added.entry->was_there = added.entry->was_there || was_there;
    // A durable subscription that is only named again has got what was retained before.
    const ReasonCode reason = subscribe_core(
        *added.entry, added.number,
        was_there ? SubscribeRequest::Retained::do_not_send : SubscribeRequest::Retained::send);
    if (is_error(reason)) {
        broker_.metrics().subscribes_refused.add();
        subscriptions_->remove(added);
        fail(reason, {});
        return Step::done;
    }
    has_new_subscription_ = true;
    acknowledge_frame(frame, broker_.firm_ticket(*session_));
    return Step::done;
}

ReasonCode ConnectionMachine::subscribe_core(const FilterEntry& entry, std::uint32_t number,
                                             SubscribeRequest::Retained retained) {
    const auto options = SubscriptionOptions::with_private_identifier(number, entry.qos());
    return broker_
        .subscribe(*session_, {.filter = entry.filter,
                               .options = options,
                               .retained = retained,
                               .is_passing = is_named_client_ && !entry.is_durable()})
        .reason;
}

void ConnectionMachine::on_unsubscribe(const Frame& frame) {
    const auto id = frame.find("id");
    const auto destination = frame.find("destination");
    Subscription* found = nullptr;
    if (subscriptions_ && id) {
        found = subscriptions_->find(*id);
    } else if (subscriptions_ && destination && version_ == Version::v1_0) {
        found = subscriptions_->find(id_for_destination(*destination));
    }
    if (found == nullptr) {
        fail(ReasonCode::protocol_error,
             id || version_ == Version::v1_0 ? "no such subscription" : "UNSUBSCRIBE needs an id");
        return;
    }
    FilterEntry& entry = *found->entry;
    const TopicFilter filter = entry.filter;
    const Subscription removed = *found;
    if (subscriptions_->remove(*found)) {
        // Others of this connection are still subscribed to the filter; perhaps at less.
        subscribe_core(entry, entry.subscriptions.back()->number,
                       SubscribeRequest::Retained::do_not_send);
    } else {
        broker_.unsubscribe(*session_, filter);
    }
    release_unacked(removed, filter.kind);
    acknowledge_frame(frame, broker_.firm_ticket(*session_));
}

/// After the frames that came together: lets messages flow for what they have subscribed to. Not
/// before, so that a client that names several durable subscriptions at once gets a message for
/// each that it matches.
void ConnectionMachine::settle_subscriptions() {
    if (!std::exchange(has_new_subscription_, false)) {
        return;
    }
    if (!std::exchange(has_started_, true)) {
        broker_.start_delivery(*session_);
        return;
    }
    send_parked();
    broker_.send_retained(*session_);
}

void ConnectionMachine::send_parked() {
    if (!rare_) {
        return;
    }
    auto& all = rare_->parked;
    for (std::size_t left = all.size(); left != 0; --left) {
        if (connection_.unsent_bytes() >= options_->unsent_bytes_max) {
            // The rest when this is written; what is parked again stays before it.
            std::rotate(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(left), all.end());
            has_new_subscription_ = true;
            connection_.wants_drained = true;
            return;
        }
        ParkedDelivery parked = std::move(all.front());
        all.pop_front();
        const DeliveryView view{.message = *parked.message,
                                .identifiers = parked.identifiers,
                                .packet_id = parked.packet_id,
                                .qos = parked.qos,
                                .retain = parked.retain,
                                .is_resend = parked.is_resend};
        if (!deliver(view, parked.given)) {
            park(view, std::move(parked.given));
        }
    }
}

}  // namespace gw::stomp
