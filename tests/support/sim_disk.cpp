#include "tests/support/sim_disk.hpp"

#include "broker-core/base/assert.hpp"
#include "broker-core/storage/log_store/record.hpp"

#include <utility>
#include <variant>

namespace gw::test {

namespace {

/// As LogStoreOptions::unreferenced_grace.
constexpr Milliseconds grace{3000};

std::uint64_t value_of(const std::map<std::uint32_t, std::uint64_t>& tickets,
                       std::uint32_t worker) {
    const auto found = tickets.find(worker);
    return found == tickets.end() ? 0 : found->second;
}

}  // namespace

struct SimDisk::Apply {
    SimDisk& disk;

    void operator()(const PutSession& one) const {
        std::erase_if(disk.sessions_, [&](const auto& entry) {
            return entry.first != one.sid && entry.second.client_id == one.client_id;
        });
        SessionRow& row = disk.sessions_[one.sid];
        row.client_id = one.client_id;
        row.state = one.state;
    }
    void operator()(const RemoveSession& one) const { disk.end_session(one.sid); }
    void operator()(const PutSubscription& one) const {
        disk.sessions_[one.sid].subscriptions[one.filter] = one.options;
    }
    void operator()(const RemoveSubscription& one) const {
        disk.sessions_[one.sid].subscriptions.erase(one.filter);
    }
    void operator()(const PutRetained& one) const {
        if (is_newest(one.topic, one.version)) {
            disk.retained_[one.topic] = one.message;
        }
    }
    void operator()(const RemoveRetained& one) const {
        if (is_newest(one.topic, one.version)) {
            disk.retained_.erase(one.topic);
        }
    }
    void operator()(const PutInbound& one) const {
        disk.sessions_[one.sid].inbound.insert(one.unreleased);
    }
    void operator()(const RemoveInbound& one) const {
        disk.sessions_[one.sid].inbound.erase(one.unreleased);
    }
    void operator()(const PutReleased& one) const {
        disk.sessions_[one.sid].released.insert(one.released);
    }
    void operator()(const RemoveReleased& one) const {
        disk.sessions_[one.sid].released.erase(one.released);
    }

    bool is_newest(const std::string& topic, std::uint64_t version) const {
        std::uint64_t& newest = disk.retained_versions_[topic];
        if (version < newest) {
            return false;
        }
        newest = version;
        return true;
    }
};

void SimDisk::submit(Submission&& submission) {
    submitted_[submission.worker] = std::max(submitted_[submission.worker], submission.ticket);
    pending_.push_back(std::move(submission));
    on_submit();
}

std::uint64_t SimDisk::submitted(std::uint32_t worker) const {
    return value_of(submitted_, worker);
}

std::uint64_t SimDisk::committed(std::uint32_t worker) const {
    return value_of(committed_, worker);
}

bool SimDisk::is_there(const Body& body) const {
    return !body.bytes.empty() && !body.is_given_up &&
           (body.references != 0 || body.unreferenced_since + grace > clock_());
}

std::vector<LoadedMessage> SimDisk::fetch(const std::vector<std::uint64_t>& ids) const {
    std::vector<LoadedMessage> all;
    for (const std::uint64_t id : ids) {
        LoadedMessage one;
        one.id = id;
        const auto found = bodies_.find(id);
        if (found != bodies_.end() && is_there(found->second)) {
            one.body.append(as_bytes(found->second.bytes));
            const auto record = decode_message_body(one.body.view());
            GW_ASSERT(record.has_value());
            one.record = *record;
            one.state = LoadedMessage::State::loaded;
        }
        all.push_back(std::move(one));
    }
    return all;
}

void SimDisk::read(std::vector<std::uint64_t> message_ids, StoreReader::Done done) {
    on_read(fetch(message_ids), std::move(done));
}

Submission SimDisk::commit(bool& has_orphans) {
    Submission one = std::move(pending_.front());
    pending_.pop_front();
    apply_records(one.records.view(), has_orphans);
    for (const TableOperation& operation : one.operations) {
        std::visit(Apply{*this}, operation);
    }
    committed_[one.worker] = std::max(committed_[one.worker], one.ticket);
    return one;
}

void SimDisk::apply_records(Bytes records, bool& has_orphans) {
    RecordScanner in{records};
    for (auto kind = in.next(); kind != RecordScanner::Kind::end; kind = in.next()) {
        if (kind == RecordScanner::Kind::message) {
            Body& body = bodies_[in.message().id];
            const Bytes bytes = records.subspan(in.body_offset(), in.body_size());
            body.bytes = std::string{as_text(bytes)};
            body.is_given_up = false;
            body.unreferenced_since = clock_();
        } else if (kind == RecordScanner::Kind::delivery) {
            const DeliveryRecord& record = in.delivery();
            SessionLog& log = logs_[record.session];
            log.next_sequence = std::max(log.next_sequence, record.sequence + 1);
            Body& body = bodies_[record.message];
            body.is_given_up = !body.bytes.empty() && !is_there(body);
            has_orphans = has_orphans || body.is_given_up;
            ++body.references;
            log.deliveries[record.sequence] = {
                record.message,
                record.qos,
                record.retain,
                {record.identifiers.begin(), record.identifiers.end()},
                std::string{record.group}};
        } else {
            GW_ASSERT(kind == RecordScanner::Kind::completed);
            const CompletedRecord& record = in.completed();
            SessionLog& log = logs_[record.session];
            log.next_sequence = std::max(log.next_sequence, record.sequence + 1);
            if (log.deliveries.erase(record.sequence) != 0) {
                drop_reference(record.message);
            }
        }
    }
}

void SimDisk::drop_reference(std::uint64_t message) {
    Body& body = bodies_.at(message);
    GW_ASSERT(body.references != 0);
    if (--body.references == 0) {
        body.unreferenced_since = clock_();
    }
}

void SimDisk::end_session(std::uint64_t sid) {
    sessions_.erase(sid);
    for (const auto& [sequence, delivery] : logs_[sid].deliveries) {
        drop_reference(delivery.message);
    }
    logs_.erase(sid);
}

RestoredSession SimDisk::restored(std::uint64_t sid, const SessionRow& row, const SessionLog& log) {
    RestoredSession session;
    session.sid = sid;
    session.client_id = row.client_id;
    session.state = row.state;
    for (const auto& [filter, options] : row.subscriptions) {
        session.subscriptions.push_back({filter, options});
    }
    session.inbound.assign(row.inbound.begin(), row.inbound.end());
    session.released.assign(row.released.begin(), row.released.end());
    session.next_sequence = log.next_sequence;
    for (const auto& [sequence, delivery] : log.deliveries) {
        RestoredDelivery one{.sequence = sequence,
                             .message = delivery.message,
                             .qos = delivery.qos,
                             .retain = delivery.retain};
        one.identifier = delivery.identifiers.size() == 1 ? delivery.identifiers.front() : 0;
        one.has_extra = delivery.identifiers.size() > 1 || !delivery.group.empty();
        if (one.has_extra) {
            session.extras.push_back({sequence, delivery.identifiers, delivery.group});
        }
        session.deliveries.push_back(one);
    }
    return session;
}

void SimDisk::restore(RestoreVisitor& visitor) {
    for (const auto& [sid, row] : sessions_) {
        SessionLog& log = logs_[sid];
        std::erase_if(log.deliveries, [this](const auto& entry) {
            return bodies_.at(entry.second.message).bytes.empty() ||
                   bodies_.at(entry.second.message).is_given_up;
        });
        RestoredSession session = restored(sid, row, log);
        visitor.on_session(session);
    }
    for (const auto& [topic, bytes] : retained_) {
        const auto record = decode_message_body(as_bytes(bytes));
        GW_ASSERT(record.has_value());
        visitor.on_retained(topic, *record);
    }
    retained_versions_.clear();  // they count anew in each process
}

}  // namespace gw::test
