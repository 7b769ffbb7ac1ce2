#pragma once

#include "broker-core/base/result.hpp"
#include "broker-core/storage/log_store/database.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gw::auth {

/// What SCRAM-SHA-256 needs of a password (RFC 5802, 3). `stored_key` proves a client and cannot
/// be used to log in; `server_key` proves the server.
struct ScramKeys {
    std::string salt;
    std::string stored_key;
    std::string server_key;
    std::uint32_t iterations = 0;
};

/// One built-in user.
struct User {
    std::string username;
    std::string password_hash;  // as password_hash.hpp writes it
    bool is_superuser = false;
    std::vector<std::string> groups;
    std::optional<ScramKeys> scram;  // none: the password came as a hash
};

/// What has happened to a user since somebody looked.
struct UserChange {
    std::int64_t sequence = 0;
    std::string username;
    bool is_removed = false;  // else the password, the groups or the superuser flag are others
};

/// Name of a user: 1 to 1,024 bytes of UTF-8 without control characters, and not reserved.
bool is_user_name(std::string_view text);
/// Name of a group: letters, digits, and `-_.@`, at most 64.
bool is_group_name(std::string_view text);

/// The built-in users: a small SQLite file that the running program reads and `mangrove passwd`
/// writes at the same time. The file keeps a list of changes itself, by triggers, so that whoever
/// changes it by whatever means, the program hears of it. One connection; one thread at a time.
/// Blocks: never on a worker's thread. Errors are those of Database, and newer_format.
class UserStore {
public:
    enum class Mode : std::uint8_t {
        existing,  // not_found when there is no file
        create,    // makes the file, for its owner alone, where there is none
    };
    static Result<UserStore> open(const std::string& path, Mode mode);

    Result<std::optional<User>> find(std::string_view username);
    /// Adds the user, or replaces the one of that name.
    Result<void> put(const User& user);
    /// False: there is no such user.
    Result<bool> remove(std::string_view username);
    Result<void> for_each(const std::function<void(const User&)>& visit);
    Result<std::int64_t> count();

    /// Makes all that `work` does one change, or none when it gives an error.
    Result<void> in_transaction(const std::function<Result<void>()>& work);

    /// Differs from the last time when somebody else has written.
    Result<std::int64_t> data_version();
    /// Changes that nobody has acted upon so far, oldest first.
    Result<std::vector<UserChange>> changes();
    /// Everything up to `sequence` was acted upon: forgets it.
    Result<void> forget_changes(std::int64_t sequence);

    /// 32 random bytes, made with the file and never changed.
    const std::string& secret() const { return secret_; }

private:
    UserStore(Database database, std::string secret)
        : database_(std::move(database)), secret_(std::move(secret)) {}

    Database database_;
    Statement find_;  // after database_: destroyed before it
    std::string secret_;
};

}  // namespace gw::auth
