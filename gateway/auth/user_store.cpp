#include "gateway/auth/user_store.hpp"

#include "broker-core/base/utf8.hpp"
#include "broker-core/message/identity.hpp"
#include "gateway/auth/crypto.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace gw::auth {

namespace {

constexpr std::int64_t schema_version = 1;
constexpr std::int64_t application_id = 0x4d475553;  // "MGUS"

// A released version is never changed; a newer one gets a migration.
constexpr const char* schema = R"sql(
CREATE TABLE users(
    username TEXT NOT NULL PRIMARY KEY, password_hash TEXT NOT NULL,
    is_superuser INTEGER NOT NULL DEFAULT 0, groups TEXT NOT NULL DEFAULT '',
    scram_iterations INTEGER NOT NULL DEFAULT 0, scram_salt BLOB, scram_stored_key BLOB,
    scram_server_key BLOB) WITHOUT ROWID;
CREATE TABLE changes(
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, username TEXT NOT NULL,
    is_removed INTEGER NOT NULL);
CREATE TABLE meta(key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TRIGGER user_changed AFTER UPDATE ON users BEGIN
    INSERT INTO changes(username, is_removed) VALUES(old.username, old.username <> new.username);
END;
CREATE TRIGGER user_removed AFTER DELETE ON users BEGIN
    INSERT INTO changes(username, is_removed) VALUES(old.username, 1);
END;
)sql";

constexpr std::string_view columns =
    "username, password_hash, is_superuser, groups, scram_iterations, scram_salt, "
    "scram_stored_key, scram_server_key";

std::string joined(const std::vector<std::string>& parts) {
    std::string text;
    for (const std::string& part : parts) {
        text += text.empty() ? "" : ",";
        text += part;
    }
    return text;
}

std::vector<std::string> parts_of(std::string_view text) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(','), text.size());
        parts.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

User user_of(const Statement& row) {
    User user;
    user.username = std::string{row.text(0)};
    user.password_hash = std::string{row.text(1)};
    user.is_superuser = row.integer(2) != 0;
    user.groups = parts_of(row.text(3));
    if (const std::int64_t iterations = row.integer(4); iterations > 0) {
        user.scram = ScramKeys{.salt = std::string{as_text(row.bytes(5))},
                               .stored_key = std::string{as_text(row.bytes(6))},
                               .server_key = std::string{as_text(row.bytes(7))},
                               .iterations = static_cast<std::uint32_t>(iterations)};
    }
    return user;
}

/// Makes an empty file that only its owner may read. Made by root for a program that runs as
/// somebody else, it belongs to whom the folder belongs to.
Result<void> create_file(const std::string& path) {
    const std::filesystem::path folder = std::filesystem::path{path}.parent_path();
    std::error_code failure;
    if (!folder.empty()) {
        std::filesystem::create_directories(folder, failure);
    }
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
        if (errno == EEXIST) {
            return {};
        }
        return Error{Errc::io, "cannot make " + path + ": " + std::strerror(errno)};
    }
    struct stat owner {};
    const std::string where = folder.empty() ? "." : folder.string();
    if (::geteuid() == 0 && ::stat(where.c_str(), &owner) == 0 &&
        ::fchown(file, owner.st_uid, owner.st_gid) != 0) {
        ::close(file);
        return Error{Errc::io, "cannot give " + path + " to the owner of its folder"};
    }
    ::close(file);
    return {};
}

Result<void> create_schema(Database& database) {
    // Another one may be making it at the same moment.
    auto begun = database.execute("BEGIN IMMEDIATE");
    if (!begun) {
        return begun;
    }
    const auto version = database.integer("PRAGMA user_version");
    if (version && *version != 0) {
        return database.execute("COMMIT");
    }
    auto made = database.execute(schema);
    if (made) {
        auto insert = database.prepare("INSERT INTO meta(key, value) VALUES('secret', ?)");
        made = insert ? insert->bind(1, as_bytes(random_bytes(32))).run() : insert.error();
    }
    if (made) {
        made = database.execute("PRAGMA application_id=" + std::to_string(application_id) +
                                ";PRAGMA user_version=" + std::to_string(schema_version));
    }
    auto ended = database.execute(made ? "COMMIT" : "ROLLBACK");
    return made ? std::move(ended) : std::move(made);
}

Result<void> check_schema(Database& database, const std::string& path) {
    const auto version = database.integer("PRAGMA user_version");
    if (!version) {
        return version.error();
    }
    const auto application = database.integer("PRAGMA application_id");
    if (!application) {
        return application.error();
    }
    if (*application != application_id) {
        return Error{Errc::corrupt, path + " is not a file of users"};
    }
    if (*version > schema_version) {
        return Error{Errc::newer_format, path + ": version " + std::to_string(*version) +
                                             ", this program reads up to version " +
                                             std::to_string(schema_version)};
    }
    return {};
}

}  // namespace

bool is_user_name(std::string_view text) {
    return !text.empty() && text.size() <= 1024 && is_valid_utf8(as_bytes(text)) &&
           !is_reserved_name(text) && std::none_of(text.begin(), text.end(), [](char c) {
               return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
           });
}

bool is_group_name(std::string_view text) {
    constexpr std::string_view allowed =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.@";
    return !text.empty() && text.size() <= 64 &&
           text.find_first_not_of(allowed) == std::string_view::npos;
}

Result<UserStore> UserStore::open(const std::string& path, Mode mode) {
    if (mode == Mode::create) {
        if (auto made = create_file(path); !made) {
            return std::move(made).error();
        }
    } else if (std::error_code failure; !std::filesystem::exists(path, failure)) {
        return Error{Errc::not_found, path + " does not exist"};
    }
    auto database = Database::open(path, {.is_read_only = false, .may_create = false, .vfs = {}});
    if (!database) {
        return std::move(database).error();
    }
    if (mode == Mode::create) {
        if (auto version = database->integer("PRAGMA user_version"); version && *version == 0) {
            auto mode_set = database->text("PRAGMA journal_mode=WAL");
            auto made = mode_set ? create_schema(*database) : Result<void>{mode_set.error()};
            if (!made) {
                return std::move(made).error().within(path);
            }
        }
    }
    if (auto checked = check_schema(*database, path); !checked) {
        return std::move(checked).error();
    }
    auto secret = database->text("SELECT hex(value) FROM meta WHERE key='secret'");
    if (!secret) {
        return std::move(secret).error().within(path);
    }
    UserStore store{std::move(*database), std::move(*secret)};
    auto find =
        store.database_.prepare("SELECT " + std::string{columns} + " FROM users WHERE username=?");
    if (!find) {
        return std::move(find).error().within(path);
    }
    store.find_ = std::move(*find);
    return store;
}

Result<std::optional<User>> UserStore::find(std::string_view username) {
    const auto row = find_.bind(1, username).step();
    if (!row) {
        find_.reset();
        return row.error();
    }
    std::optional<User> user;
    if (*row) {
        user = user_of(find_);
    }
    find_.reset();  // ends the read: the next one sees what others write meanwhile
    return user;
}

Result<void> UserStore::put(const User& user) {
    const std::string groups = joined(user.groups);
    auto statement = database_.prepare(
        "INSERT INTO users(" + std::string{columns} +
        ") VALUES(?,?,?,?,?,?,?,?) ON CONFLICT(username) DO UPDATE SET "
        "password_hash=excluded.password_hash, is_superuser=excluded.is_superuser, "
        "groups=excluded.groups, scram_iterations=excluded.scram_iterations, "
        "scram_salt=excluded.scram_salt, scram_stored_key=excluded.scram_stored_key, "
        "scram_server_key=excluded.scram_server_key");
    if (!statement) {
        return statement.error();
    }
    const ScramKeys keys = user.scram.value_or(ScramKeys{});
    return statement->bind(1, user.username)
        .bind(2, user.password_hash)
        .bind(3, std::int64_t{user.is_superuser})
        .bind(4, groups)
        .bind(5, std::int64_t{keys.iterations})
        .bind(6, as_bytes(keys.salt))
        .bind(7, as_bytes(keys.stored_key))
        .bind(8, as_bytes(keys.server_key))
        .run();
}

Result<bool> UserStore::remove(std::string_view username) {
    auto statement = database_.prepare("DELETE FROM users WHERE username=? RETURNING 1");
    if (!statement) {
        return statement.error();
    }
    const auto row = statement->bind(1, username).step();
    if (!row || !*row) {
        return row;
    }
    if (const auto end = statement->step(); !end) {
        return end.error();
    }
    return true;
}

Result<void> UserStore::for_each(const std::function<void(const User&)>& visit) {
    auto statement =
        database_.prepare("SELECT " + std::string{columns} + " FROM users ORDER BY username");
    if (!statement) {
        return statement.error();
    }
    for (;;) {
        const auto row = statement->step();
        if (!row) {
            return row.error();
        }
        if (!*row) {
            return {};
        }
        visit(user_of(*statement));
    }
}

Result<std::int64_t> UserStore::count() {
    return database_.integer("SELECT count(*) FROM users");
}

Result<void> UserStore::in_transaction(const std::function<Result<void>()>& work) {
    auto begun = database_.execute("BEGIN IMMEDIATE");
    if (!begun) {
        return begun;
    }
    auto done = work();
    auto ended = database_.execute(done ? "COMMIT" : "ROLLBACK");
    return done ? std::move(ended) : std::move(done);
}

Result<std::int64_t> UserStore::data_version() {
    return database_.integer("PRAGMA data_version");
}

Result<std::vector<UserChange>> UserStore::changes() {
    auto statement =
        database_.prepare("SELECT sequence, username, is_removed FROM changes ORDER BY sequence");
    if (!statement) {
        return statement.error();
    }
    std::vector<UserChange> changes;
    for (;;) {
        const auto row = statement->step();
        if (!row) {
            return row.error();
        }
        if (!*row) {
            return changes;
        }
        changes.push_back({.sequence = statement->integer(0),
                           .username = std::string{statement->text(1)},
                           .is_removed = statement->integer(2) != 0});
    }
}

Result<void> UserStore::forget_changes(std::int64_t sequence) {
    auto statement = database_.prepare("DELETE FROM changes WHERE sequence<=?");
    if (!statement) {
        return statement.error();
    }
    return statement->bind(1, sequence).run();
}

}  // namespace gw::auth
