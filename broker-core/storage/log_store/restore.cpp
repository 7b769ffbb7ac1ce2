#include "broker-core/storage/log_store/restore.hpp"

#include "broker-core/storage/log_store/segment.hpp"
#include "broker-core/storage/log_store/table_writer.hpp"

#include <algorithm>
#include <utility>

namespace gw {

namespace {

/// The delivery's sequence in a row of `released`; above it stands what the core adds
/// (docs/storage-format.md).
constexpr std::uint64_t released_sequence_mask = (1ULL << 50) - 1;

constexpr std::uint64_t message_count_mask = (std::uint64_t{1} << 56) - 1;
/// Only start-up gives up messages here, so no time matters.
constexpr MonotonicTime at_start{};

/// Rows of a table that belong to sessions, walked in step with the sessions: both ascend by sid.
class SessionRows {
public:
    static Result<SessionRows> open(Database& database, std::string_view sql) {
        auto statement = database.prepare(sql);
        if (!statement) {
            return statement.error();
        }
        SessionRows rows;
        rows.statement_ = std::move(*statement);
        auto moved = rows.advance();
        if (!moved) {
            return moved.error();
        }
        return rows;
    }

    /// Calls `take(statement)` for each row of `sid`; passes over rows whose session is gone.
    template <class Take>
    Result<void> take(std::uint64_t sid, Take&& take_row) {
        while (has_row_ && current() <= sid) {
            if (current() == sid) {
                take_row(statement_);
            }
            auto moved = advance();
            if (!moved) {
                return moved;
            }
        }
        return {};
    }

private:
    std::uint64_t current() const { return static_cast<std::uint64_t>(statement_.integer(0)); }
    Result<void> advance() {
        const auto row = statement_.step();
        if (!row) {
            return row.error();
        }
        has_row_ = *row;
        return {};
    }

    Statement statement_;
    bool has_row_ = false;
};

}  // namespace

Result<void> Restorer::load_session_ids() {
    return database_.for_each_row("SELECT sid FROM sessions", [this](const Statement& row) {
        const auto sid = static_cast<std::uint64_t>(row.integer(0));
        logs_.try_emplace(sid);
        summary_.next_sid = std::max(summary_.next_sid, sid + 1);
        return Result<void>{};
    });
}

void Restorer::note_message(std::uint64_t id) {
    summary_.next_message_count =
        std::max(summary_.next_message_count, (id & message_count_mask) + 1);
}

void Restorer::on_delivery(std::uint64_t segment, const DeliveryRecord& record) {
    note_message(record.message);
    summary_.next_sid = std::max(summary_.next_sid, record.session + 1);
    const auto found = logs_.find(record.session);
    if (found == logs_.end()) {
        return;  // the session was removed
    }
    SessionLog& log = found->second;
    log.next_sequence = std::max(log.next_sequence, record.sequence + 1);
    if (!index_.add_delivery(segment, record, at_start, nullptr)) {
        return;  // written again by a compaction that the restart cut short
    }
    RestoredDelivery delivery{.sequence = record.sequence,
                              .message = record.message,
                              .qos = record.qos,
                              .retain = record.retain};
    if (record.identifiers.size() == 1) {
        delivery.identifier = record.identifiers.front();
    }
    if (record.identifiers.size() > 1 || !record.group.empty()) {
        delivery.has_extra = true;
        log.extras.push_back({record.sequence,
                              {record.identifiers.begin(), record.identifiers.end()},
                              std::string{record.group}});
    }
    log.deliveries.add(delivery);
}

void Restorer::on_completed(const CompletedRecord& record) {
    note_message(record.message);
    summary_.next_sid = std::max(summary_.next_sid, record.session + 1);
    const auto found = logs_.find(record.session);
    if (found == logs_.end()) {
        return;
    }
    SessionLog& log = found->second;
    log.next_sequence = std::max(log.next_sequence, record.sequence + 1);
    if (index_.complete(record, at_start)) {
        log.deliveries.complete(record.sequence);
    }
}

bool Restorer::apply_segment(std::uint64_t id, Bytes body, std::size_t segment_bytes) {
    index_.add_segment(id, segment_bytes);
    RecordScanner in{body};
    for (RecordScanner::Kind kind = in.next(); kind != RecordScanner::Kind::end; kind = in.next()) {
        switch (kind) {
            case RecordScanner::Kind::message:
                note_message(in.message().id);
                index_.add_message(
                    in.message().id,
                    {id, static_cast<std::uint32_t>(segment_header_bytes + in.body_offset()),
                     static_cast<std::uint32_t>(in.body_size())});
                break;
            case RecordScanner::Kind::delivery:
                on_delivery(id, in.delivery());
                break;
            case RecordScanner::Kind::completed:
                on_completed(in.completed());
                break;
            case RecordScanner::Kind::damaged:
            case RecordScanner::Kind::end:
                return false;
        }
    }
    return true;
}

Result<void> Restorer::refuse_segment(std::uint64_t id, const std::string& why) {
    if (options_.skip_damaged_segments) {
        summary_.skipped_segments.push_back(id);
        return {};
    }
    return Error{Errc::corrupt, "segment " + std::to_string(id) + " " + why};
}

Result<void> Restorer::read_segment(std::uint64_t id, Bytes segment) {
    while (index_.has_segments() && index_.next_segment() < id) {
        auto refused = refuse_segment(index_.next_segment(), "is missing");
        if (!refused) {
            return refused;
        }
        index_.add_segment(index_.next_segment(), 0);
    }
    const auto records = open_segment(segment, id);
    if (!records) {
        auto refused = refuse_segment(id, "is damaged: its check value is wrong");
        if (refused) {
            index_.add_segment(id, segment.size());
        }
        return refused;
    }
    return apply_segment(id, *records, segment.size())
               ? Result<void>{}
               : refuse_segment(id, "holds a record that cannot be read");
}

Result<void> Restorer::read_segments() {
    bool is_ours = false;  // the error of a segment, which names it
    auto done = database_.for_each_row(
        "SELECT id, body FROM segment ORDER BY id", [&](const Statement& row) {
            auto read = read_segment(static_cast<std::uint64_t>(row.integer(0)), row.bytes(1));
            is_ours = !read;
            return read;
        });
    if (!done && !is_ours && done.error().code() == Errc::corrupt) {
        return std::move(done).error().within("segment " + std::to_string(index_.next_segment()));
    }
    return done;
}

void Restorer::drop_deliveries_without_message() {
    for (auto& [sid, log] : logs_) {
        log.deliveries.drop_if([this, session = sid](const RestoredDelivery& delivery) {
            if (index_.find(delivery.message)) {
                return false;
            }
            // Its message was never stored, so nobody was promised anything.
            ++summary_.deliveries_without_message;
            index_.complete({session, delivery.sequence, delivery.message}, at_start);
            return true;
        });
    }
    index_.drop_unreferenced();
}

void Restorer::take_log(RestoredSession& session) {
    SessionLog log = std::move(logs_.at(session.sid));
    logs_.at(session.sid) = SessionLog{};  // gives the memory back before the next one
    session.deliveries = log.deliveries.take();
    session.next_sequence = log.next_sequence;
    std::stable_sort(log.extras.begin(), log.extras.end(),
                     [](const auto& a, const auto& b) { return a.sequence < b.sequence; });
    auto extra = log.extras.begin();
    for (const RestoredDelivery& delivery : session.deliveries) {
        if (!delivery.has_extra) {
            continue;
        }
        while (extra != log.extras.end() && extra->sequence < delivery.sequence) {
            ++extra;
        }
        // The last one counts, should a sequence have been used twice.
        while (extra + 1 < log.extras.end() && (extra + 1)->sequence == delivery.sequence) {
            ++extra;
        }
        session.extras.push_back(std::move(*extra));
    }
}

Result<void> Restorer::emit_sessions(RestoreVisitor& visitor) {
    auto subscriptions = SessionRows::open(
        database_, "SELECT sid, filter, options FROM subscriptions ORDER BY sid, filter");
    auto inbound = SessionRows::open(
        database_, "SELECT sid, packet_id FROM inbound_qos2 ORDER BY sid, packet_id");
    auto released =
        SessionRows::open(database_, "SELECT sid, sequence FROM released ORDER BY sid, sequence");
    for (const auto* rows : {&subscriptions, &inbound, &released}) {
        if (!*rows) {
            return rows->error();
        }
    }
    return database_.for_each_row(
        "SELECT sid, client_id, state FROM sessions ORDER BY sid", [&](const Statement& row) {
            RestoredSession session;
            session.sid = static_cast<std::uint64_t>(row.integer(0));
            session.client_id = row.text(1);
            session.state = row.text(2);
            take_log(session);
            auto done = subscriptions->take(session.sid, [&session](const Statement& at) {
                session.subscriptions.push_back({std::string{at.text(1)}, at.integer(2)});
            });
            if (done) {
                done = inbound->take(session.sid, [&session](const Statement& at) {
                    session.inbound.push_back(static_cast<std::uint64_t>(at.integer(1)));
                });
            }
            if (done) {
                done = released->take(session.sid, [&session](const Statement& at) {
                    session.released.push_back(static_cast<std::uint64_t>(at.integer(1)));
                });
            }
            if (done) {
                for (const std::uint64_t stored : session.released) {
                    session.next_sequence =
                        std::max(session.next_sequence, (stored & released_sequence_mask) + 1);
                }
                ++summary_.session_count;
                summary_.subscription_count += session.subscriptions.size();
                visitor.on_session(session);
            }
            return done;
        });
}

Result<void> Restorer::emit_retained(RestoreVisitor& visitor) {
    return database_.for_each_row(
        "SELECT topic, message FROM retained", [&](const Statement& row) -> Result<void> {
            auto message = decode_message_body(row.bytes(1));
            if (!message) {
                return Error{Errc::corrupt, "the retained message of topic \"" +
                                                std::string{row.text(0)} + "\" cannot be read"};
            }
            message->topic = row.text(0);
            note_message(message->id);
            ++summary_.retained_count;
            visitor.on_retained(row.text(0), *message);
            return {};
        });
}

Result<RestoreSummary> Restorer::run(RestoreVisitor& visitor) {
    const auto reserved = TableWriter::read_reserved_sid(database_);
    if (!reserved) {
        return reserved.error();
    }
    summary_.next_sid = *reserved;
    auto done = load_session_ids();
    if (done) {
        done = read_segments();
    }
    if (done) {
        drop_deliveries_without_message();
        summary_.message_count = index_.message_count();
        summary_.delivery_count = index_.delivery_count();
        summary_.segment_count =
            index_.has_segments() ? index_.next_segment() - index_.first_segment() : 0;
        done = emit_sessions(visitor);
    }
    if (done) {
        done = emit_retained(visitor);
    }
    if (!done) {
        return done.error();
    }
    return std::move(summary_);
}

}  // namespace gw
