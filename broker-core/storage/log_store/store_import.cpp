#include "broker-core/storage/log_store/json_line.hpp"
#include "broker-core/storage/log_store/record.hpp"
#include "broker-core/storage/log_store/schema.hpp"
#include "broker-core/storage/log_store/segment.hpp"
#include "broker-core/storage/log_store/store_lock.hpp"
#include "broker-core/storage/log_store/store_tools.hpp"
#include "broker-core/storage/log_store/table_writer.hpp"

#include <istream>
#include <string>
#include <utility>
#include <vector>

namespace gw {

namespace {

constexpr std::size_t segment_bytes_max = 1024 * 1024;
constexpr std::size_t operation_count_max = 1'000;

std::uint64_t message_id(JsonLine& line, const std::string& name) {
    const std::string text = line.text(name);
    std::uint64_t id = 0;
    for (const char c : text) {
        const auto digit = static_cast<std::uint64_t>(c - '0');
        if (c < '0' || c > '9' || id > (~std::uint64_t{0} - digit) / 10) {
            line.note_problem("\"" + name + "\" is no message id");
            return 0;
        }
        id = id * 10 + digit;
    }
    return id;
}

Qos qos_of(JsonLine& line) {
    const std::uint64_t qos = line.number("qos");
    if (qos > 2) {
        line.note_problem("\"qos\" is out of range");
        return Qos::at_most_once;
    }
    return static_cast<Qos>(qos);
}

/// Message and the texts that it borrows.
struct ImportedMessage {
    std::string topic, client_id, username, properties, payload;
    MessageRecord record;
};

void read_message(JsonLine& line, ImportedMessage& out) {
    out.topic = line.text("topic");
    out.client_id = line.text("client_id");
    out.username = line.text("username");
    out.properties = line.base64("properties");
    out.payload = line.base64("payload");
    MessageRecord& record = out.record;
    record.id = message_id(line, "id");
    record.topic = out.topic;
    record.client_id = out.client_id;
    record.username = out.username;
    record.properties = as_bytes(out.properties);
    record.payload = as_bytes(out.payload);
    record.qos = qos_of(line);
    record.retain = line.flag("retain");
    record.is_anonymous = line.flag("anonymous");
    record.is_bridge = line.flag("bridge");
    record.arrival = WallTime{Milliseconds{line.signed_number("arrival")}};
    if (line.has("expires_at")) {
        record.expires_at = WallTime{Milliseconds{line.signed_number("expires_at")}};
    }
    const std::uint64_t protocol = line.number("protocol");
    if (protocol > UINT8_MAX) {
        line.note_problem("\"protocol\" is out of range");
    } else {
        record.protocol = static_cast<std::uint8_t>(protocol);
    }
}

/// Takes line after line inside the transaction that the caller has open.
class Importer {
public:
    static Result<Importer> create(Database& database) {
        auto tables = TableWriter::create(database, 1);
        if (!tables) {
            return tables.error();
        }
        auto insert = database.prepare("INSERT INTO segment(id, body) VALUES(?,?)");
        if (!insert) {
            return insert.error();
        }
        Importer importer;
        importer.tables_ = std::move(*tables);
        importer.insert_ = std::move(*insert);
        begin_segment(importer.segment_);
        return importer;
    }

    Result<void> take(JsonLine& line) {
        const std::string type = line.text("type");
        if (type == "store") {
            if (line.number("format") != 1) {
                line.note_problem("an export of another format");
            }
        } else if (type == "end") {
            is_whole_ = true;
        } else if (type == "message") {
            take_message(line);
        } else if (type == "delivery") {
            take_delivery(line);
        } else if (!take_operation(type, line)) {
            line.note_problem("unknown type \"" + type + "\"");
        }
        if (!line.problem().empty()) {
            return Error{Errc::invalid_argument, line.problem()};
        }
        if (operations_.size() >= operation_count_max || segment_.size() >= segment_bytes_max) {
            return flush();
        }
        return {};
    }

    /// Whether the line was there that an export closes with.
    bool is_whole() const { return is_whole_; }

    Result<void> flush() {
        std::vector<const TableOperation*> operations;
        for (const TableOperation& one : operations_) {
            operations.push_back(&one);
        }
        auto done = tables_.apply(operations);
        tables_.on_committed();  // all of it is one transaction, so this holds for the next batch
        operations_.clear();
        if (done && segment_.size() > segment_header_bytes) {
            seal_segment(segment_, next_segment_);
            done = insert_.bind(1, static_cast<std::int64_t>(next_segment_))
                       .bind(2, segment_.view())
                       .run();
            ++next_segment_;
            begin_segment(segment_);
        }
        return done;
    }

private:
    static std::uint64_t sid_of(JsonLine& line) {
        const std::uint64_t sid = line.number("sid");
        if (sid == 0 || sid > 0x7fffffffffffffff) {
            line.note_problem("\"sid\" is out of range");
        }
        return sid;
    }

    void take_message(JsonLine& line) {
        ImportedMessage message;
        read_message(line, message);
        if (message.record.id == 0) {
            line.note_problem("\"id\" is out of range");
        }
        if (line.problem().empty()) {
            append_message(segment_, message.record);
        }
    }

    void take_delivery(JsonLine& line) {
        DeliveryRecord delivery;
        delivery.session = sid_of(line);
        delivery.sequence = line.number("sequence");
        delivery.message = message_id(line, "message");
        delivery.qos = qos_of(line);
        delivery.retain = line.flag("retain");
        std::vector<std::uint32_t> identifiers;
        if (line.has("identifiers")) {
            identifiers = line.numbers("identifiers");
        }
        std::string group;
        if (line.has("group") || line.has("group_base64")) {
            group = line.text("group");
        }
        delivery.identifiers = identifiers;
        delivery.group = group;
        if (delivery.message == 0) {
            line.note_problem("\"message\" is out of range");
        }
        if (line.problem().empty()) {
            append_delivery(segment_, delivery);
        }
    }

    bool take_operation(const std::string& type, JsonLine& line) {
        if (type == "session") {
            operations_.push_back(
                PutSession{sid_of(line), line.text("client_id"), line.base64("state")});
        } else if (type == "subscription") {
            operations_.push_back(
                PutSubscription{sid_of(line), line.text("filter"), line.signed_number("options")});
        } else if (type == "inbound") {
            const std::uint64_t unreleased = line.number("packet_id");
            if ((unreleased & 0xffff) == 0 || unreleased >> 51 != 0) {
                line.note_problem("\"packet_id\" is out of range");
            }
            operations_.push_back(PutInbound{sid_of(line), unreleased});
        } else if (type == "released") {
            operations_.push_back(PutReleased{sid_of(line), line.number("sequence")});
        } else if (type == "retained") {
            ImportedMessage message;
            read_message(line, message);
            message.record.topic = {};  // the row's key says it
            ByteBuffer body;
            append_message_body(body, message.record);
            operations_.push_back(PutRetained{message.topic, std::string{as_text(body.view())}});
        } else {
            return false;
        }
        return true;
    }

    TableWriter tables_;
    Statement insert_;
    std::vector<TableOperation> operations_;
    ByteBuffer segment_;
    std::uint64_t next_segment_ = 1;
    bool is_whole_ = false;
};

Result<void> require_empty(Database& database, const std::string& path) {
    for (const char* table : {"segment", "sessions", "retained"}) {
        const auto count = database.integer(std::string{"SELECT count(*) FROM "} + table);
        if (!count) {
            return count.error();
        }
        if (*count != 0) {
            return Error{Errc::already_exists, path + " holds a store already"};
        }
    }
    return {};
}

Result<std::uint64_t> import_lines(Database& database, std::istream& in) {
    auto importer = Importer::create(database);
    if (!importer) {
        return importer.error();
    }
    std::string text;
    std::uint64_t line_count = 0;
    while (std::getline(in, text)) {
        ++line_count;
        const std::string place = "line " + std::to_string(line_count);
        auto line = JsonLine::parse(text);
        if (!line) {
            return std::move(line).error().within(place);
        }
        auto done = importer->take(*line);
        if (!done) {
            return std::move(done).error().within(place);
        }
    }
    if (in.bad()) {
        return Error{Errc::io, "the import cannot be read"};
    }
    if (!importer->is_whole()) {
        return Error{Errc::invalid_argument,
                     "the export was cut: its last line, {\"type\":\"end\"}, is missing"};
    }
    auto done = importer->flush();
    if (!done) {
        return done.error();
    }
    return line_count;
}

}  // namespace

Result<std::uint64_t> import_store(const std::string& path, std::istream& in) {
    const auto lock = StoreLock::acquire(path);
    if (!lock) {
        return lock.error();
    }
    auto database = Database::open(path, {.may_create = true, .vfs = {}});
    if (!database) {
        return database.error();
    }
    auto done = prepare_schema(*database, 4096);
    if (done) {
        done = require_empty(*database, path);
    }
    if (done) {
        done = database->execute("BEGIN IMMEDIATE");
    }
    if (!done) {
        return done.error();
    }
    auto count = import_lines(*database, in);
    done = database->execute(count ? "COMMIT" : "ROLLBACK");
    if (count && !done) {
        return done.error();
    }
    return count;
}

}  // namespace gw
