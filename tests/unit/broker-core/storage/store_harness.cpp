#include "tests/unit/broker-core/storage/store_harness.hpp"

#include <algorithm>
#include <thread>

namespace gw::test {

std::string difference(const StoreContents& found, const StoreContents& expected) {
    std::string text;
    const auto add = [&text](const std::string& what) {
        text += what + "; ";
    };
    for (const auto& [sid, session] : expected.sessions) {
        const std::string name = "session " + std::to_string(sid);
        const auto other = found.sessions.find(sid);
        if (other == found.sessions.end()) {
            add(name + " is missing");
            continue;
        }
        for (const auto& [sequence, message] : session.deliveries) {
            const auto one = other->second.deliveries.find(sequence);
            if (one == other->second.deliveries.end() || one->second != message) {
                add(name + " lacks delivery " + std::to_string(sequence) + " of message " +
                    std::to_string(message));
            }
        }
        for (const auto& [sequence, message] : other->second.deliveries) {
            if (!session.deliveries.contains(sequence)) {
                add(name + " has delivery " + std::to_string(sequence) + " of message " +
                    std::to_string(message) + " too many");
            }
        }
        StoreContents::Session rest = other->second;
        rest.deliveries = session.deliveries;
        if (!(rest == session)) {
            add(name + " has other state, subscriptions, inbound ids or released sequences");
        }
    }
    for (const auto& [sid, session] : found.sessions) {
        if (!expected.sessions.contains(sid)) {
            add("session " + std::to_string(sid) + " too many");
        }
    }
    if (found.retained != expected.retained) {
        add("other retained messages");
    }
    return text;
}

void CollectingVisitor::on_session(RestoredSession& session) {
    StoreContents::Session one;
    one.client_id = session.client_id;
    one.state = session.state;
    for (const RestoredSubscription& subscription : session.subscriptions) {
        one.subscriptions[subscription.filter] = subscription.options;
    }
    for (const RestoredDelivery& delivery : session.deliveries) {
        one.deliveries[delivery.sequence] = delivery.message;
    }
    one.inbound = {session.inbound.begin(), session.inbound.end()};
    one.released = {session.released.begin(), session.released.end()};
    contents.sessions[session.sid] = one;
    const std::uint64_t sid = session.sid;
    sessions[sid] = std::move(session);
}

void CollectingVisitor::on_retained(std::string_view topic, const MessageRecord& message) {
    contents.retained[std::string{topic}] = as_text(message.payload);
}

Step& Step::message(std::uint64_t id, const std::string& payload) {
    changes_.push_back({'m', 0, 0, id, payload});
    return *this;
}

Step& Step::delivery(std::uint64_t session, std::uint64_t sequence, std::uint64_t message) {
    changes_.push_back({'d', session, sequence, message, {}});
    return *this;
}

Step& Step::completed(std::uint64_t session, std::uint64_t sequence, std::uint64_t message) {
    changes_.push_back({'c', session, sequence, message, {}});
    return *this;
}

Step& Step::operation(TableOperation one) {
    operations_.push_back(std::move(one));
    return *this;
}

PutRetained Step::retained(const std::string& topic, const std::string& payload) {
    MessageRecord record;
    record.payload = as_bytes(payload);
    ByteBuffer out;
    append_message_body(out, record);
    return {topic, std::string{as_text(out.view())}};
}

Submission Step::submission(std::uint64_t ticket) const {
    Submission submission;
    submission.ticket = ticket;
    for (const Change& change : changes_) {
        if (change.kind == 'm') {
            MessageRecord record;
            record.id = change.message;
            record.topic = "some/topic";
            record.payload = as_bytes(change.payload);
            append_message(submission.records, record);
        } else if (change.kind == 'd') {
            append_delivery(submission.records, {.session = change.session,
                                                 .sequence = change.sequence,
                                                 .message = change.message,
                                                 .qos = Qos::at_least_once});
        } else {
            append_completed(submission.records, {change.session, change.sequence, change.message});
        }
    }
    submission.operations = operations_;
    return submission;
}

void StoreModel::apply(const Step& step) {
    for (const Step::Change& change : step.changes()) {
        if (change.kind == 'm') {
            payloads_[change.message] = change.payload;
        } else if (change.kind == 'd') {
            deliveries_[change.session][change.sequence] = change.message;
        } else {
            deliveries_[change.session].erase(change.sequence);
        }
    }
    struct Apply {
        StoreContents& to;
        StoreContents::Session& session(std::uint64_t sid) { return to.sessions[sid]; }
        void operator()(const PutSession& one) {
            session(one.sid).client_id = one.client_id;
            session(one.sid).state = one.state;
        }
        void operator()(const RemoveSession& one) { to.sessions.erase(one.sid); }
        void operator()(const PutSubscription& one) {
            session(one.sid).subscriptions[one.filter] = one.options;
        }
        void operator()(const RemoveSubscription& one) {
            session(one.sid).subscriptions.erase(one.filter);
        }
        void operator()(const PutRetained& one) {
            const auto message = decode_message_body(as_bytes(one.message));
            to.retained[one.topic] = as_text(message->payload);
        }
        void operator()(const RemoveRetained& one) { to.retained.erase(one.topic); }
        void operator()(const PutInbound& one) { session(one.sid).inbound.insert(one.unreleased); }
        void operator()(const RemoveInbound& one) {
            session(one.sid).inbound.erase(one.unreleased);
        }
        void operator()(const PutReleased& one) { session(one.sid).released.insert(one.released); }
        void operator()(const RemoveReleased& one) {
            session(one.sid).released.erase(one.released);
        }
    };
    for (const TableOperation& operation : step.operations()) {
        if (const auto* removed = std::get_if<RemoveSession>(&operation)) {
            deliveries_.erase(removed->sid);
        }
        std::visit(Apply{all_}, operation);
    }
}

void StoreModel::restart() {
    for (auto& [sid, deliveries] : deliveries_) {
        std::erase_if(deliveries,
                      [this](const auto& one) { return !payloads_.contains(one.second); });
    }
}

StoreContents StoreModel::contents() const {
    StoreContents contents = all_;
    for (auto& [sid, session] : contents.sessions) {
        const auto found = deliveries_.find(sid);
        if (found == deliveries_.end()) {
            continue;
        }
        for (const auto& [sequence, message] : found->second) {
            if (payloads_.contains(message)) {
                session.deliveries[sequence] = message;
            }
        }
    }
    return contents;
}

std::set<std::uint64_t> StoreModel::needed_messages() const {
    std::set<std::uint64_t> needed;
    for (const auto& [sid, session] : contents().sessions) {
        for (const auto& [sequence, message] : session.deliveries) {
            needed.insert(message);
        }
    }
    return needed;
}

StoreHarness::StoreHarness(std::string path, LogStoreOptions options) {
    LogStoreHandlers handlers;
    handlers.on_committed = [this](CommitReport& report) {
        const std::scoped_lock lock{mutex_};
        for (const ReportedSubmission& one : report.submissions) {
            committed_.push_back(one.ticket);
            ++reported_count_;
        }
        orphans_.insert(orphans_.end(), report.orphans.begin(), report.orphans.end());
        reported_.notify_all();
    };
    handlers.on_failed = [this](CommitReport& report, const Error& error) {
        const bool says_so = !store_->is_healthy() && !store_->last_error().empty();
        const std::scoped_lock lock{mutex_};
        tells_failures_ = tells_failures_ && says_so;
        for (const ReportedSubmission& one : report.submissions) {
            failed_[one.ticket] = error.text();
            ++reported_count_;
        }
        reported_.notify_all();
    };
    auto opened = LogStore::open(path, std::move(options), std::move(handlers), visitor_);
    if (opened) {
        store_ = std::move(*opened);
    } else {
        open_error_ = std::make_unique<Error>(opened.error());
    }
}

std::uint64_t StoreHarness::submit(const Step& step) {
    const std::uint64_t ticket = next_ticket_++;
    store_->submit(step.submission(ticket));
    return ticket;
}

void StoreHarness::wait_for(std::uint64_t ticket) {
    std::unique_lock lock{mutex_};
    reported_.wait(lock, [&] { return reported_count_ >= ticket; });  // reports come in order
}

bool StoreHarness::commit(const Step& step) {
    const std::uint64_t ticket = submit(step);
    wait_for(ticket);
    const std::scoped_lock lock{mutex_};
    return !failed_.contains(ticket);
}

std::vector<LoadedMessage> StoreHarness::read(std::vector<std::uint64_t> ids) {
    std::mutex mutex;
    std::condition_variable done;
    bool is_done = false;
    std::vector<LoadedMessage> loaded;
    store_->read(std::move(ids), [&](std::vector<LoadedMessage> messages) {
        const std::scoped_lock lock{mutex};
        loaded = std::move(messages);
        is_done = true;
        done.notify_one();
    });
    std::unique_lock lock{mutex};
    done.wait(lock, [&] { return is_done; });
    return loaded;
}

std::vector<std::uint64_t> StoreHarness::committed() const {
    const std::scoped_lock lock{mutex_};
    return committed_;
}

std::map<std::uint64_t, std::string> StoreHarness::failed() const {
    const std::scoped_lock lock{mutex_};
    return failed_;
}

bool StoreHarness::tells_failures() const {
    const std::scoped_lock lock{mutex_};
    return tells_failures_;
}

std::vector<OrphanDelivery> StoreHarness::orphans() const {
    const std::scoped_lock lock{mutex_};
    return orphans_;
}

LogStoreOptions small_options() {
    LogStoreOptions options;
    options.segment_bytes_max = 4 * 1024;
    options.transaction_bytes_max = 4 * 1024;
    options.checkpoint_bytes = 64 * 1024;
    options.unreferenced_grace = Milliseconds{0};
    options.compact_slack_bytes = 8 * 1024;
    options.compact_slice_bytes = 2 * 1024;
    options.idle_after = Milliseconds{2};
    options.tidy_after = Milliseconds{20};
    options.checkpoint_retry_after = Milliseconds{2};
    return options;
}

}  // namespace gw::test
