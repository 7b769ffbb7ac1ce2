#include "broker-core/storage/log_store/database.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

namespace gw {

namespace {

/// `system_error`: of the last operation on the file, where SQLite says only that it went wrong.
Errc kind_of(int code, int extended, int system_error) {
    switch (code & 0xff) {
        case SQLITE_FULL:
            return Errc::resource_limit;
        case SQLITE_IOERR:
            // The shared memory beside the log could not grow: SQLite keeps no error number of
            // that.
            return system_error == ENOSPC || system_error == EDQUOT ||
                           extended == SQLITE_IOERR_SHMSIZE
                       ? Errc::resource_limit
                       : Errc::io;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return Errc::corrupt;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_INTERRUPT:
            return Errc::unavailable;
        case SQLITE_TOOBIG:
            return Errc::out_of_bounds;
        default:
            return Errc::io;
    }
}

Error error_of(sqlite3* handle, int code) {
    const int extended = handle != nullptr ? sqlite3_extended_errcode(handle) : code;
    std::string text = sqlite3_errstr(code);
    const std::string particular = handle != nullptr ? sqlite3_errmsg(handle) : "";
    if (!particular.empty() && particular != text && (extended & 0xff) == (code & 0xff)) {
        text += ": " + particular;
    }
    text +=
        " (SQLite " + std::to_string((extended & 0xff) == (code & 0xff) ? extended : code) + ")";
    return Error{kind_of(code, extended, handle != nullptr ? sqlite3_system_errno(handle) : 0),
                 std::move(text)};
}

int on_commit(void* pages, sqlite3*, const char*, int log_pages) {
    *static_cast<int*>(pages) = log_pages;
    return SQLITE_OK;
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* handle) const {
    sqlite3_finalize(handle);
}

// Binding fails only for a wrong parameter number, which a test would notice, or for a value that
// is too large, which step() would report as a NULL that the schema refuses.
Statement& Statement::bind(int parameter, std::int64_t value) {
    sqlite3_bind_int64(handle_.get(), parameter, value);
    return *this;
}

Statement& Statement::bind(int parameter, std::string_view text) {
    sqlite3_bind_text64(handle_.get(), parameter, text.empty() ? "" : text.data(), text.size(),
                        nullptr, SQLITE_UTF8);
    return *this;
}

Statement& Statement::bind(int parameter, Bytes bytes) {
    // A null pointer would make it NULL.
    const void* data = bytes.empty() ? static_cast<const void*>("") : bytes.data();
    sqlite3_bind_blob64(handle_.get(), parameter, data, bytes.size(), nullptr);
    return *this;
}

Result<bool> Statement::step() {
    const int code = sqlite3_step(handle_.get());
    if (code == SQLITE_ROW) {
        return true;
    }
    if (code == SQLITE_DONE) {
        return false;
    }
    Error error = error_of(sqlite3_db_handle(handle_.get()), code);
    sqlite3_reset(handle_.get());
    return error;
}

Result<void> Statement::run() {
    const auto row = step();
    if (!row) {
        return row.error();
    }
    reset();
    return {};
}

void Statement::reset() {
    sqlite3_reset(handle_.get());
}

std::int64_t Statement::integer(int column) const {
    return sqlite3_column_int64(handle_.get(), column);
}

std::string_view Statement::text(int column) const {
    return as_text(bytes(column));
}

Bytes Statement::bytes(int column) const {
    const void* data = sqlite3_column_blob(handle_.get(), column);
    const int size = sqlite3_column_bytes(handle_.get(), column);
    if (data == nullptr) {
        return {};
    }
    return {static_cast<const std::uint8_t*>(data), static_cast<std::size_t>(size)};
}

void BlobReader::Close::operator()(sqlite3_blob* handle) const {
    sqlite3_blob_close(handle);
}

Result<void> BlobReader::move_to(std::int64_t row) {
    const int code = sqlite3_blob_reopen(handle_.get(), row);
    if (code == SQLITE_OK) {
        return {};
    }
    handle_.reset();  // SQLite allows nothing but closing it after a failure
    if (code == SQLITE_ERROR) {
        return Error{Errc::not_found, "no row " + std::to_string(row)};
    }
    return error_of(nullptr, code);
}

Result<void> BlobReader::read(std::uint32_t offset, std::uint32_t bytes, std::uint8_t* out) {
    const int code =
        sqlite3_blob_read(handle_.get(), out, static_cast<int>(bytes), static_cast<int>(offset));
    if (code != SQLITE_OK) {
        return error_of(nullptr, code);
    }
    return {};
}

void Database::Close::operator()(sqlite3* handle) const {
    sqlite3_close_v2(handle);
}

bool create_private_file(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
        return false;
    }
    ::close(file);
    return true;
}

Result<Database> Database::open(const std::string& path, const DatabaseOpen& how) {
    if (how.may_create && how.vfs.empty()) {
        create_private_file(path);  // if it cannot be, SQLite says why
    }
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    flags |= how.is_read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    flags |= how.may_create ? SQLITE_OPEN_CREATE : 0;
    sqlite3* handle = nullptr;
    const int code =
        sqlite3_open_v2(path.c_str(), &handle, flags, how.vfs.empty() ? nullptr : how.vfs.c_str());
    Database database;
    database.handle_.reset(handle);
    if (code != SQLITE_OK) {
        return error_of(handle, code).within(path);
    }
    database.wal_pages_ = std::make_unique<int>(0);
    sqlite3_busy_timeout(handle, 5'000);
    // Also turns automatic checkpoints off: they are one such hook.
    sqlite3_wal_hook(handle, on_commit, database.wal_pages_.get());
    return database;
}

Result<void> Database::execute(const std::string& sql) {
    const int code = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) {
        return error_of(handle_.get(), code);
    }
    return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
    sqlite3_stmt* handle = nullptr;
    const int code = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
    if (code != SQLITE_OK) {
        return error_of(handle_.get(), code).within(std::string{sql});
    }
    return Statement{handle};
}

Result<BlobReader> Database::open_blob(const char* table, const char* column, std::int64_t row) {
    sqlite3_blob* handle = nullptr;
    const int code = sqlite3_blob_open(handle_.get(), "main", table, column, row, 0, &handle);
    if (code == SQLITE_ERROR) {
        return Error{Errc::not_found, std::string{"no row "} + std::to_string(row)};
    }
    if (code != SQLITE_OK) {
        return error_of(handle_.get(), code);
    }
    return BlobReader{handle};
}

Result<std::int64_t> Database::integer(std::string_view sql) {
    auto statement = prepare(sql);
    if (!statement) {
        return statement.error();
    }
    const auto row = statement->step();
    if (!row) {
        return row.error();
    }
    if (!*row) {
        return Error{Errc::not_found, "no row for: " + std::string{sql}};
    }
    return statement->integer(0);
}

Result<std::string> Database::text(std::string_view sql) {
    auto statement = prepare(sql);
    if (!statement) {
        return statement.error();
    }
    const auto row = statement->step();
    if (!row) {
        return row.error();
    }
    if (!*row) {
        return Error{Errc::not_found, "no row for: " + std::string{sql}};
    }
    return std::string{statement->text(0)};
}

bool Database::is_in_transaction() const {
    return sqlite3_get_autocommit(handle_.get()) == 0;
}

bool Database::is_read_only() const {
    return sqlite3_db_readonly(handle_.get(), "main") == 1;
}

Result<CheckpointProgress> Database::checkpoint_in(int mode) {
    CheckpointProgress progress;
    const int code = sqlite3_wal_checkpoint_v2(handle_.get(), "main", mode, &progress.log_pages,
                                               &progress.copied_pages);
    if (code != SQLITE_OK) {
        return error_of(handle_.get(), code);
    }
    return progress;
}

Result<CheckpointProgress> Database::checkpoint() {
    return checkpoint_in(SQLITE_CHECKPOINT_PASSIVE);
}

Result<CheckpointProgress> Database::checkpoint_truncate() {
    return checkpoint_in(SQLITE_CHECKPOINT_TRUNCATE);
}

namespace {

/// The open file of the write-ahead log; null before the first read.
sqlite3_file* log_file(sqlite3* handle) {
    sqlite3_file* file = nullptr;
    const int code = sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
    return code == SQLITE_OK && file != nullptr && file->pMethods != nullptr ? file : nullptr;
}

}  // namespace

Result<std::uint64_t> Database::log_file_bytes() {
    sqlite3_file* file = log_file(handle_.get());
    sqlite3_int64 size = 0;
    if (file == nullptr) {
        return Error{Errc::unavailable, "the write-ahead log is not open"};
    }
    const int code = file->pMethods->xFileSize(file, &size);
    if (code != SQLITE_OK) {
        return error_of(nullptr, code);
    }
    return static_cast<std::uint64_t>(size);
}

Result<void> Database::extend_log_file(std::uint64_t bytes) {
    const auto size = log_file_bytes();
    if (!size) {
        return size.error();
    }
    sqlite3_file* file = log_file(handle_.get());
    const std::vector<char> zeros(std::size_t{64} * 1024);
    std::uint64_t at = *size;
    int code = SQLITE_OK;
    while (at < bytes && code == SQLITE_OK) {
        const std::uint64_t count = std::min<std::uint64_t>(zeros.size(), bytes - at);
        code = file->pMethods->xWrite(file, zeros.data(), static_cast<int>(count),
                                      static_cast<sqlite3_int64>(at));
        at += count;
    }
    if (code == SQLITE_OK && at != *size) {
        code = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
    }
    if (code != SQLITE_OK) {
        return error_of(nullptr, code);
    }
    return {};
}

void Database::interrupt() {
    sqlite3_interrupt(handle_.get());
}

void Database::close() {
    handle_.reset();
}

}  // namespace gw
