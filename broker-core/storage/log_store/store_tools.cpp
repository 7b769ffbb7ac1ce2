#include "broker-core/storage/log_store/store_tools.hpp"

#include "broker-core/storage/log_store/json_line.hpp"
#include "broker-core/storage/log_store/schema.hpp"
#include "broker-core/storage/log_store/segment.hpp"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <ostream>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace gw {

namespace {

/// Opens it for looking, in one view of the file.
Result<Database> open_to_read(const std::string& path) {
    auto database = Database::open(path, {.is_read_only = true, .vfs = {}});
    if (!database) {
        return database;
    }
    auto done = check_schema(*database);
    if (done) {
        done = database->execute("BEGIN");
    }
    if (!done) {
        return std::move(done).error().within(path);
    }
    return database;
}

class NullVisitor final : public RestoreVisitor {
public:
    void on_session(RestoredSession&) override {}
    void on_retained(std::string_view, const MessageRecord&) override {}
};

void check_pages(Database& database, StoreCheck& check) {
    const auto done = database.for_each_row("PRAGMA integrity_check", [&](const Statement& row) {
        if (row.text(0) != "ok") {
            check.problems.emplace_back(row.text(0));
        }
        return Result<void>{};
    });
    if (!done) {
        check.problems.push_back(done.error().text());
    }
}

bool is_readable(Bytes records) {
    RecordScanner in{records};
    for (;;) {
        switch (in.next()) {
            case RecordScanner::Kind::end:
                return true;
            case RecordScanner::Kind::damaged:
                return false;
            case RecordScanner::Kind::message:
            case RecordScanner::Kind::delivery:
            case RecordScanner::Kind::completed:
                break;
        }
    }
}

void check_segments(Database& database, StoreCheck& check) {
    std::int64_t expected = 0;
    const auto look = [&](const Statement& row) {
        const std::int64_t id = row.integer(0);
        const std::string name = "segment " + std::to_string(id);
        if (expected != 0 && id != expected) {
            check.problems.push_back("segments " + std::to_string(expected) + " to " +
                                     std::to_string(id - 1) + " are missing");
        }
        expected = id + 1;
        const auto records = open_segment(row.bytes(1), static_cast<std::uint64_t>(id));
        if (!records) {
            check.problems.push_back(name + " is damaged: its check value is wrong");
        } else if (!is_readable(*records)) {
            check.problems.push_back(name + " holds a record that cannot be read");
        }
        return Result<void>{};
    };
    const auto done = database.for_each_row("SELECT id, body FROM segment ORDER BY id", look);
    if (!done) {
        check.problems.push_back("after segment " + std::to_string(expected - 1) + ": " +
                                 done.error().text());
    }
}

Result<void> check_references(Database& database, StoreCheck& check) {
    for (const char* table : {"subscriptions", "inbound_qos2", "released"}) {
        const auto count = database.integer(std::string{"SELECT count(*) FROM "} + table +
                                            " WHERE sid NOT IN (SELECT sid FROM sessions)");
        if (!count) {
            return count.error();
        }
        if (*count != 0) {
            check.remarks.push_back(std::to_string(*count) + " rows of " + table +
                                    " belong to no session");
        }
    }
    if (check.counts.deliveries_without_message != 0) {
        check.remarks.push_back(std::to_string(check.counts.deliveries_without_message) +
                                " deliveries of messages that were never stored");
    }
    return {};
}

void write_message(JsonLineWriter& line, const MessageRecord& message) {
    line.number("qos", static_cast<std::uint64_t>(message.qos))
        .flag("retain", message.retain)
        .signed_number("arrival", message.arrival.time_since_epoch().count());
    if (message.expires_at != never_expires) {
        line.signed_number("expires_at", message.expires_at.time_since_epoch().count());
    }
    line.text("client_id", message.client_id)
        .text("username", message.username)
        .number("protocol", message.protocol)
        .flag("anonymous", message.is_anonymous)
        .flag("bridge", message.is_bridge)
        .base64("properties", as_text(message.properties))
        .base64("payload", as_text(message.payload));
}

/// Writes sessions and retained messages as they are restored.
class Exporter final : public RestoreVisitor {
public:
    explicit Exporter(std::ostream& out) : out_(out) {}

    void on_session(RestoredSession& session) override;
    void on_retained(std::string_view topic, const MessageRecord& message) override;
    /// Messages that live, from the log.
    Result<void> write_messages(Database& database, const LiveIndex& index);
    void write_head(std::int64_t version);
    /// Without this line an import knows that the export was cut.
    void write_end();

    std::uint64_t line_count() const { return line_count_; }

private:
    JsonLineWriter start(std::string_view type);
    void flush();

    std::ostream& out_;
    std::string line_;
    std::uint64_t line_count_ = 0;
};

JsonLineWriter Exporter::start(std::string_view type) {
    line_.clear();
    JsonLineWriter line{line_};
    line.text("type", type);
    return line;
}

void Exporter::flush() {
    out_.write(line_.data(), static_cast<std::streamsize>(line_.size()));
    ++line_count_;
}

void Exporter::write_head(std::int64_t version) {
    start("store").number("format", 1).signed_number("version", version).end();
    flush();
}

void Exporter::write_end() {
    start("end").end();
    flush();
}

void Exporter::on_session(RestoredSession& session) {
    start("session")
        .number("sid", session.sid)
        .text("client_id", session.client_id)
        .base64("state", session.state)
        .end();
    flush();
    for (const RestoredSubscription& one : session.subscriptions) {
        start("subscription")
            .number("sid", session.sid)
            .text("filter", one.filter)
            .signed_number("options", one.options)
            .end();
        flush();
    }
    for (const std::uint64_t unreleased : session.inbound) {
        start("inbound").number("sid", session.sid).number("packet_id", unreleased).end();
        flush();
    }
    for (const std::uint64_t released : session.released) {
        start("released").number("sid", session.sid).number("sequence", released).end();
        flush();
    }
    auto extra = session.extras.begin();
    for (const RestoredDelivery& delivery : session.deliveries) {
        JsonLineWriter line = start("delivery");
        line.number("sid", session.sid)
            .number("sequence", delivery.sequence)
            .text("message", std::to_string(delivery.message))
            .number("qos", static_cast<std::uint64_t>(delivery.qos))
            .flag("retain", delivery.retain);
        if (delivery.has_extra) {
            line.numbers("identifiers", extra->identifiers).text("group", extra->group);
            ++extra;
        } else if (delivery.identifier != 0) {
            line.numbers("identifiers", {delivery.identifier});
        }
        line.end();
        flush();
    }
}

void Exporter::on_retained(std::string_view topic, const MessageRecord& message) {
    JsonLineWriter line = start("retained");
    line.text("topic", topic).text("id", std::to_string(message.id));
    write_message(line, message);
    line.end();
    flush();
}

Result<void> Exporter::write_messages(Database& database, const LiveIndex& index) {
    const auto write_live = [&](const Statement& row) {
        const auto id = static_cast<std::uint64_t>(row.integer(0));
        RecordScanner in{row.bytes(1).subspan(segment_header_bytes)};  // checked by the restore
        for (auto kind = in.next();
             kind != RecordScanner::Kind::end && kind != RecordScanner::Kind::damaged;
             kind = in.next()) {
            if (kind == RecordScanner::Kind::message &&
                index.is_live_at(in.message().id, id, segment_header_bytes + in.body_offset())) {
                JsonLineWriter line = start("message");
                line.text("id", std::to_string(in.message().id)).text("topic", in.message().topic);
                write_message(line, in.message());
                line.end();
                flush();
            }
        }
        return Result<void>{};
    };
    return database.for_each_row("SELECT id, body FROM segment ORDER BY id", write_live);
}

Result<void> flush_file(const std::string& path, int flags) {
    const int file = ::open(path.c_str(), flags | O_CLOEXEC);
    if (file < 0) {
        return Error{Errc::io, path + ": " + std::generic_category().message(errno)};
    }
    const bool is_flushed = ::fsync(file) == 0;
    const int reason = errno;
    ::close(file);
    if (!is_flushed) {
        return Error{Errc::io, path + ": " + std::generic_category().message(reason)};
    }
    return {};
}

}  // namespace

Result<StoreCheck> check_store(const std::string& path) {
    auto database = open_to_read(path);
    if (!database) {
        return database.error();
    }
    StoreCheck check;
    const auto version = database->integer("PRAGMA user_version");
    check.version = version ? *version : 0;
    std::error_code ignored;
    check.file_bytes = std::filesystem::file_size(path, ignored);
    check_pages(*database, check);
    check_segments(*database, check);
    LiveIndex index;
    NullVisitor nobody;
    auto counts = Restorer{*database, index, {.skip_damaged_segments = true}}.run(nobody);
    if (counts) {
        check.counts = std::move(*counts);
        auto done = check_references(*database, check);
        if (!done) {
            return std::move(done).error().within(path);
        }
    } else {
        check.problems.push_back(counts.error().text());
    }
    return check;
}

Result<std::uint64_t> export_store(const std::string& path, std::ostream& out) {
    auto database = open_to_read(path);
    if (!database) {
        return database.error();
    }
    Exporter exporter{out};
    exporter.write_head(schema_version);
    LiveIndex index;
    const auto restored = Restorer{*database, index, {}}.run(exporter);
    auto done =
        restored ? exporter.write_messages(*database, index) : Result<void>{restored.error()};
    if (!done) {
        return std::move(done).error().within(path);
    }
    exporter.write_end();
    out.flush();
    if (!out) {
        return Error{Errc::io, "the export cannot be written"};
    }
    return exporter.line_count();
}

Result<void> backup_store(const std::string& path, const std::string& target) {
    std::error_code ignored;
    if (std::filesystem::exists(target, ignored)) {
        return Error{Errc::already_exists, target + " exists"};
    }
    auto database = Database::open(path, {.is_read_only = true, .vfs = {}});
    if (!database) {
        return database.error();
    }
    auto done = check_schema(*database);
    const bool is_created = done && create_private_file(target);  // else SQLite says why not
    if (done) {
        auto copy = database->prepare("VACUUM INTO ?");
        done = copy ? copy->bind(1, std::string_view{target}).run() : Result<void>{copy.error()};
    }
    if (done) {
        done = flush_file(target, O_RDWR);  // SQLite leaves that to us
    }
    if (done) {
        const auto folder = std::filesystem::path{target}.parent_path();
        done = flush_file(folder.empty() ? "." : folder.string(), O_RDONLY | O_DIRECTORY);
    }
    if (!done) {
        if (is_created) {
            std::filesystem::remove(target, ignored);  // half a backup is none
        }
        return std::move(done).error().within("back up to " + target);
    }
    return {};
}

}  // namespace gw
