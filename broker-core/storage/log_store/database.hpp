#pragma once

#include "broker-core/base/bytes.hpp"
#include "broker-core/base/result.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

struct sqlite3;
struct sqlite3_blob;
struct sqlite3_stmt;

namespace gw {

/// Makes an empty file that only its owner may read: a store holds everybody's messages. SQLite
/// gives its log the same rights. False: there is one, or it cannot be made.
bool create_private_file(const std::string& path);

/// How a database file is opened.
struct DatabaseOpen {
    bool is_read_only = false;
    bool may_create = false;  // for its owner only
    std::string vfs;          // SQLite's name of the file layer; empty: the usual one
};

/// A prepared statement. Parameters count from 1, columns from 0. Bound texts and bytes are
/// borrowed until reset(). One thread.
class Statement {
public:
    Statement() = default;
    explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}

    Statement& bind(int parameter, std::int64_t value);
    Statement& bind(int parameter, std::string_view text);
    Statement& bind(int parameter, Bytes bytes);

    /// True: there is a row to read. False: the statement is done.
    Result<bool> step();
    /// Runs to the end and resets; for statements that give no rows.
    Result<void> run();
    void reset();

    std::int64_t integer(int column) const;
    /// Borrowed until the next step() or reset().
    std::string_view text(int column) const;
    Bytes bytes(int column) const;

    explicit operator bool() const { return handle_ != nullptr; }

private:
    struct Finalize {
        void operator()(sqlite3_stmt* handle) const;
    };
    std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

/// Reads parts of one large value after another without loading it whole. One thread.
class BlobReader {
public:
    BlobReader() = default;
    explicit BlobReader(sqlite3_blob* handle) : handle_(handle) {}

    /// Goes to another row of the same table. not_found: there is none.
    Result<void> move_to(std::int64_t row);
    /// Fills `out` with `bytes` bytes from `offset` on.
    Result<void> read(std::uint32_t offset, std::uint32_t bytes, std::uint8_t* out);

    explicit operator bool() const { return handle_ != nullptr; }

private:
    struct Close {
        void operator()(sqlite3_blob* handle) const;
    };
    std::unique_ptr<sqlite3_blob, Close> handle_;
};

/// What a checkpoint reports, in pages of the write-ahead log.
struct CheckpointProgress {
    int log_pages = 0;
    int copied_pages = 0;
};

/// A connection to an SQLite file. Errors: resource_limit (disk or quota full), io (read-only,
/// cannot open), corrupt (damaged or no database), unavailable (locked by somebody else); the text
/// has SQLite's own words. One thread at a time, but for interrupt().
class Database {
public:
    static Result<Database> open(const std::string& path, const DatabaseOpen& how);

    Database() = default;
    Database(Database&& other) noexcept = default;
    Database& operator=(Database&& other) noexcept = default;

    /// Runs statements that give no rows that matter.
    Result<void> execute(const std::string& sql);
    Result<Statement> prepare(std::string_view sql);
    /// Calls `take(const Statement&)` for each row; it gives a Result<void>, whose error ends it.
    template <class Take>
    Result<void> for_each_row(std::string_view sql, Take&& take) {
        auto rows = prepare(sql);
        if (!rows) {
            return rows.error();
        }
        for (;;) {
            const auto row = rows->step();
            if (!row) {
                return row.error();
            }
            if (!*row) {
                return {};
            }
            auto done = take(static_cast<const Statement&>(*rows));
            if (!done) {
                return done;
            }
        }
    }
    /// Column `column` of `row` of `table`.
    Result<BlobReader> open_blob(const char* table, const char* column, std::int64_t row);
    /// The first column of the first row; not_found without one.
    Result<std::int64_t> integer(std::string_view sql);
    Result<std::string> text(std::string_view sql);

    bool is_in_transaction() const;
    bool is_read_only() const;
    /// Copies what nobody reads any more from the log into the file; blocks no writer.
    Result<CheckpointProgress> checkpoint();
    /// Copies all and cuts the log to nothing; unavailable while somebody reads or writes.
    Result<CheckpointProgress> checkpoint_truncate();
    /// Bytes of the log's file, whatever of them is in use.
    Result<std::uint64_t> log_file_bytes();
    /// Fills the log's file up with zeros to `bytes` and flushes it. Commits then overwrite what is
    /// there: a flush need not record a new length of the file, which takes several times as long.
    /// Nobody may write meanwhile.
    Result<void> extend_log_file(std::uint64_t bytes);
    /// Pages that the log held after the last commit of this connection.
    int wal_pages() const { return wal_pages_ ? *wal_pages_ : 0; }
    /// Stops what runs on this connection; any thread.
    void interrupt();

    explicit operator bool() const { return handle_ != nullptr; }
    void close();

private:
    struct Close {
        void operator()(sqlite3* handle) const;
    };

    Result<CheckpointProgress> checkpoint_in(int mode);

    std::unique_ptr<int> wal_pages_;  // SQLite keeps its address; destroyed after handle_
    std::unique_ptr<sqlite3, Close> handle_;
};

}  // namespace gw
