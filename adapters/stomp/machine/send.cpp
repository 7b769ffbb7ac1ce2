// SEND, and BEGIN, COMMIT and ABORT around it.
#include "adapters/stomp/machine/connection_machine.hpp"
#include "adapters/stomp/machine/translation.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace gw::stomp {

namespace {

/// Properties live here until the message is made. One a thread is enough: a machine uses it
/// within one call.
ByteBuffer& property_scratch() {
    static thread_local ByteBuffer scratch;
    scratch.clear();
    return scratch;
}

}  // namespace

bool ConnectionMachine::resolve_destination(const Frame& frame, std::string& mounted,
                                            std::string_view& topic) {
    const auto destination = frame.find(header_name::destination);
    if (!destination) {
        fail(ReasonCode::protocol_error, "SEND needs a destination");
        return false;
    }
    topic = without_alias(*destination, options_->destination_alias);
    const auto checked = check_topic_name(topic, options_->topic_limits);
    if (!checked) {
        fail(ReasonCode::topic_name_invalid, topic_error_text(checked.error()));
        return false;
    }
    if (!options_->mountpoint.empty()) {
        mounted = options_->mountpoint;
        mounted += topic;
        topic = mounted;
    }
    if (topic.size() > 65535) {
        fail(ReasonCode::topic_name_invalid, "destination too long");
        return false;
    }
    return true;
}

AccessDecision ConnectionMachine::authorize_publish(std::string_view topic, Qos qos, bool retain) {
    return broker_.authorize(*session_, {.client = *session_->identity,
                                         .action = AccessAction::publish,
                                         .topic = topic,
                                         .qos = qos,
                                         .retain = retain});
}

ConnectionMachine::Step ConnectionMachine::on_send(const Frame& frame) {
    if (is_memory_scarce()) {
        return Step::wait;
    }
    std::string mounted;
    std::string_view topic;
    if (!resolve_destination(frame, mounted, topic)) {
        return Step::done;
    }
    ByteBuffer& properties = property_scratch();
    const auto fields = read_send(frame, broker_.now(), *options_, properties);
    if (!fields) {
        fail(ReasonCode::malformed_packet, send_error_text(fields.error()));
        return Step::done;
    }
    if (fields->retain && !options_->retain_available) {
        fail(ReasonCode::retain_not_supported, {});
        return Step::done;
    }
    bool is_in_transaction = false;
    Transaction* const transaction = transaction_of(frame, is_in_transaction);
    if (is_in_transaction && transaction == nullptr) {
        return Step::done;
    }
    // Who asks for a receipt, or for all or nothing, wants the message to arrive.
    const bool is_promised = is_in_transaction || frame.find(header_name::receipt).has_value();
    const Qos qos = fields->qos.value_or(is_promised ? Qos::at_least_once : Qos::at_most_once);
    if (!is_in_transaction) {
        const AccessDecision access = authorize_publish(topic, qos, fields->retain);
        if (access == AccessDecision::pending) {
            pause(pause_for_access);
            return Step::wait;
        }
        if (access == AccessDecision::deny) {
            broker_.metrics().drop(DropReason::not_authorized_publish);
            fail(ReasonCode::not_authorized, "no right to send to this destination");
            return Step::done;
        }
    }
    MessagePtr message =
        Message::create({.topic = topic,
                         .payload = frame.body,
                         .properties = properties.view(),
                         .qos = qos,
                         .retain = fields->retain,
                         .arrival = now(),
                         .expires_at = fields->expires_in ? now() + *fields->expires_in : never,
                         .publisher = session_->identity});
    if (transaction != nullptr) {
        if (add_to(*transaction, {.message = std::move(message)})) {
            // At once: the receipt says that the frame was understood, COMMIT's that it counts. A
            // client that waits for each receipt would else wait for ever.
            acknowledge_frame(frame, 0);
        }
        return Step::done;
    }
    acknowledge_frame(frame, broker_.publish(*session_, std::move(message)).ticket);
    return Step::done;
}

/// While memory is nearly used up, what clients send stays with them: asked again a little later.
bool ConnectionMachine::is_memory_scarce() {
    constexpr Milliseconds retry_after{50};
    if (broker_.shared().memory_grade.load(std::memory_order_relaxed) < MemoryGrade::pause_reading)
        [[likely]] {
        return false;
    }
    return pause_until(now() + retry_after, broker_.metrics().reading_paused_memory);
}

// -------------------------------------------------------------------------------- transactions

Transaction* ConnectionMachine::transaction_of(const Frame& frame, bool& is_named) {
    const auto name = frame.find(header_name::transaction);
    is_named = name.has_value();
    if (!name) {
        return nullptr;
    }
    Transaction* const found = rare_ ? rare_->transactions.find(*name) : nullptr;
    if (found == nullptr) {
        fail(ReasonCode::protocol_error, "no such transaction is open");
    }
    return found;
}

bool ConnectionMachine::add_to(Transaction& transaction, TransactionStep step) {
    if (rare_->transactions.add(transaction, std::move(step)) != Transactions::Outcome::done) {
        fail(ReasonCode::quota_exceeded, "too much waits in transactions");
        return false;
    }
    return true;
}

void ConnectionMachine::on_begin(const Frame& frame) {
    const auto name = frame.find(header_name::transaction);
    if (!name || name->empty()) {
        fail(ReasonCode::protocol_error, "BEGIN needs a transaction");
        return;
    }
    switch (rare().transactions.begin(*name, now())) {
        case Transactions::Outcome::done:
            break;
        case Transactions::Outcome::exists:
            fail(ReasonCode::protocol_error, "this transaction is open already");
            return;
        case Transactions::Outcome::too_many:
        case Transactions::Outcome::too_large:
            fail(ReasonCode::quota_exceeded, "too many open transactions");
            return;
    }
    arm_deadline();
    acknowledge_frame(frame, 0);
}

/// Asks for all messages before the first is published: all or nothing.
ConnectionMachine::Step ConnectionMachine::authorize_all(const Transaction& transaction) {
    bool is_pending = false;
    for (const TransactionStep& step : transaction.steps) {
        if (!step.message) {
            continue;
        }
        const Message& message = *step.message;
        const AccessDecision access =
            authorize_publish(message.topic(), message.qos(), message.retain());
        if (access == AccessDecision::deny) {
            broker_.metrics().drop(DropReason::not_authorized_publish);
            fail(ReasonCode::not_authorized, "no right to a destination of the transaction");
            return Step::done;
        }
        is_pending = is_pending || access == AccessDecision::pending;
    }
    if (is_pending) {
        pause(pause_for_access);
        return Step::wait;
    }
    return Step::done;
}

ConnectionMachine::Step ConnectionMachine::on_commit(const Frame& frame) {
    bool is_named = false;
    Transaction* const transaction = transaction_of(frame, is_named);
    if (transaction == nullptr) {
        if (!is_named) {
            fail(ReasonCode::protocol_error, "COMMIT needs a transaction");
        }
        return Step::done;
    }
    if (authorize_all(*transaction) == Step::wait) {
        return Step::wait;
    }
    if (state_ != State::connected) {
        return Step::done;
    }
    // All in one turn, so the store gets it in one piece: after a crash it is there, or it is not.
    const std::vector<TransactionStep> steps = rare_->transactions.take(*transaction);
    StoreTicket ticket = 0;
    for (const TransactionStep& step : steps) {
        if (step.message) {
            ticket = std::max(ticket, broker_.publish(*session_, step.message).ticket);
        } else {
            acknowledge(step.number, step.is_refusal);
        }
    }
    acknowledge_frame(frame, std::max(ticket, broker_.firm_ticket(*session_)));
    return Step::done;
}

void ConnectionMachine::on_abort(const Frame& frame) {
    bool is_named = false;
    Transaction* const transaction = transaction_of(frame, is_named);
    if (transaction == nullptr) {
        if (!is_named) {
            fail(ReasonCode::protocol_error, "ABORT needs a transaction");
        }
        return;
    }
    rare_->transactions.end(*transaction);
    acknowledge_frame(frame, 0);
}

}  // namespace gw::stomp
