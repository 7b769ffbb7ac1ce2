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

bool ConnectionMachine::resolve_destination(const Frame& frame, std::string_view& topic) {
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
    return true;
}

/// False: the outcome has closed the connection, or is to be waited for.
bool ConnectionMachine::has_published(const PublishOutcome& outcome, std::string_view no_right) {
    if (outcome.is_pending) {
        pause(pause_for_access);
        return false;
    }
    if (outcome.reason == ReasonCode::not_authorized) {
        fail(outcome.reason, no_right);
        return false;
    }
    if (is_error(outcome.reason)) {
        fail(outcome.reason, outcome.reason == ReasonCode::topic_name_invalid
                                 ? std::string_view{"destination too long"}
                                 : std::string_view{});
        return false;
    }
    return true;
}

ConnectionMachine::Step ConnectionMachine::on_send(const Frame& frame) {
    if (is_memory_scarce()) {
        return Step::wait;
    }
    std::string_view topic;
    if (!resolve_destination(frame, topic)) {
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
    const PublishRequest request{
        .topic = topic,
        .payload = frame.body,
        .properties = properties.view(),
        .qos = qos,
        .retain = fields->retain,
        .expires_at = fields->expires_in ? now() + *fields->expires_in : never};
    if (transaction != nullptr) {
        if (add_to(*transaction, {.send = std::make_unique<KeptSend>(request)})) {
            // At once: the receipt says that the frame was understood, COMMIT's that it counts. A
            // client that waits for each receipt would else wait for ever.
            acknowledge_frame(frame, 0);
        }
        return Step::done;
    }
    const PublishOutcome outcome = broker_.publish(*session_, request);
    if (has_published(outcome, "no right to send to this destination")) {
        acknowledge_frame(frame, outcome.ticket);
    }
    return outcome.is_pending ? Step::wait : Step::done;
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

ConnectionMachine::Step ConnectionMachine::on_commit(const Frame& frame) {
    bool is_named = false;
    Transaction* const transaction = transaction_of(frame, is_named);
    if (transaction == nullptr) {
        if (!is_named) {
            fail(ReasonCode::protocol_error, "COMMIT needs a transaction");
        }
        return Step::done;
    }
    std::vector<PublishRequest> requests;
    for (const TransactionStep& step : transaction->steps) {
        if (step.send) {
            requests.push_back(step.send->request());
        }
    }
    const PublishOutcome outcome = broker_.publish_all(*session_, requests);
    if (!has_published(outcome, "no right to a destination of the transaction")) {
        return outcome.is_pending ? Step::wait : Step::done;
    }
    for (const TransactionStep& step : rare_->transactions.take(*transaction)) {
        if (!step.send) {
            acknowledge(step.number, step.is_refusal);
        }
    }
    acknowledge_frame(frame, std::max(outcome.ticket, broker_.firm_ticket(*session_)));
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
