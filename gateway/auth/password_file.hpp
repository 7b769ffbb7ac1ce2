#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gw::auth {

/// What a password file of mosquitto holds.
struct PasswordFile {
    struct Entry {
        std::string username;
        std::string password_hash;  // one that check_password_hash() takes
    };
    std::vector<Entry> entries;
    std::vector<std::string> problems;  // "line 3: no hash"; without the hash itself
};

/// Reads `user:hash` lines as mosquitto_passwd writes them; any hash that check_password_hash()
/// takes will do. Empty lines and lines that begin with `#` are passed over. Pure.
PasswordFile parse_password_file(std::string_view text);

}  // namespace gw::auth
