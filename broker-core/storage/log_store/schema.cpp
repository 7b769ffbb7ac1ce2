#include "broker-core/storage/log_store/schema.hpp"

#include <array>
#include <string>

namespace gw {

namespace {

/// Brings a file from version `to` - 1 to `to`, in one transaction.
struct Migration {
    std::int64_t to;
    const char* sql;
};

// Never change an entry that was released: append one. docs/storage-format.md explains the tables.
constexpr std::array<Migration, 2> migrations{{
    {1, R"sql(
CREATE TABLE segment(id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE sessions(
    sid INTEGER PRIMARY KEY, client_id TEXT NOT NULL UNIQUE, state BLOB NOT NULL);
CREATE TABLE subscriptions(
    sid INTEGER NOT NULL, filter TEXT NOT NULL, options INTEGER NOT NULL,
    PRIMARY KEY(sid, filter)) WITHOUT ROWID;
CREATE TABLE retained(topic TEXT NOT NULL PRIMARY KEY, message BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE inbound_qos2(
    sid INTEGER NOT NULL, packet_id INTEGER NOT NULL,
    PRIMARY KEY(sid, packet_id)) WITHOUT ROWID;
CREATE TABLE released(
    sid INTEGER NOT NULL, sequence INTEGER NOT NULL,
    PRIMARY KEY(sid, sequence)) WITHOUT ROWID;
CREATE TABLE meta(key TEXT NOT NULL PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
)sql"},
    // `packet_id` and `sequence` say more than before; what they said means the same still.
    {2, ""},
}};
static_assert(migrations.back().to == schema_version);

/// The file's version; 0 for a file without any table.
Result<std::int64_t> version_of(Database& database) {
    const auto tables = database.integer("SELECT count(*) FROM sqlite_schema");
    if (!tables) {
        return tables.error();
    }
    const auto version = database.integer("PRAGMA user_version");
    if (!version) {
        return version.error();
    }
    const auto application = database.integer("PRAGMA application_id");
    if (!application) {
        return application.error();
    }
    if (*tables == 0 && *version == 0) {
        return std::int64_t{0};
    }
    if (*application != schema_application_id) {
        return Error{Errc::corrupt, "an SQLite database, but not a store of Mangrove"};
    }
    if (*version > schema_version) {
        return Error{Errc::newer_format, "store of version " + std::to_string(*version) +
                                             ", this program reads up to version " +
                                             std::to_string(schema_version)};
    }
    return *version;
}

Result<void> migrate(Database& database, const Migration& migration) {
    const std::string to = std::to_string(migration.to);
    auto done = database.execute("BEGIN IMMEDIATE;" + std::string{migration.sql} +
                                 "PRAGMA application_id=" + std::to_string(schema_application_id) +
                                 ";PRAGMA user_version=" + to + ";COMMIT");
    if (!done) {
        if (database.is_in_transaction()) {
            // The first failure is the one to report.
            (void)database.execute("ROLLBACK");
        }
        return std::move(done).error().within("bring the store to version " + to);
    }
    return {};
}

}  // namespace

Result<void> prepare_schema(Database& database, std::uint32_t page_bytes) {
    const auto version = version_of(database);
    if (!version) {
        return version.error();
    }
    if (database.is_read_only()) {
        return Error{Errc::io, "the file is read-only"};
    }
    if (*version == 0) {
        // The size of pages and the kind of vacuum can be chosen only before the first table.
        auto done = database.execute("PRAGMA page_size=" + std::to_string(page_bytes) +
                                     ";PRAGMA auto_vacuum=INCREMENTAL");
        if (!done) {
            return done;
        }
    }
    const auto mode = database.text("PRAGMA journal_mode=WAL");
    if (!mode) {
        return mode.error();
    }
    if (*mode != "wal") {
        return Error{Errc::io, "no write-ahead log on this file system, only \"" + *mode + "\""};
    }
    // FULL: every commit is flushed before it returns. What an acknowledgement promises rests on
    // it.
    auto done = database.execute("PRAGMA synchronous=FULL;PRAGMA temp_store=MEMORY");
    if (!done) {
        return done;
    }
    for (const Migration& migration : migrations) {
        if (migration.to > *version) {
            done = migrate(database, migration);
            if (!done) {
                return done;
            }
        }
    }
    return {};
}

Result<void> check_schema(Database& database) {
    const auto version = version_of(database);
    if (!version) {
        return version.error();
    }
    if (*version == 0) {
        return Error{Errc::corrupt, "the file is empty, not a store of Mangrove"};
    }
    return {};
}

}  // namespace gw
