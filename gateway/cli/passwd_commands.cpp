#include "gateway/auth/auth_settings.hpp"
#include "gateway/auth/crypto.hpp"
#include "gateway/auth/password_file.hpp"
#include "gateway/auth/scram.hpp"
#include "gateway/auth/user_store.hpp"
#include "gateway/cli/commands.hpp"
#include "gateway/cli/data_folder.hpp"
#include "gateway/control/control_client.hpp"
#include "gateway/control/messages.hpp"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <termios.h>
#include <unistd.h>
#include <utility>

namespace gw::cli {

namespace {

using auth::User;
using auth::UserStore;

ExitCode fail(const Error& error) {
    std::fprintf(stderr, "mangrove: %s\n", error.text().c_str());
    return ExitCode::failure;
}

ExitCode fail(const std::string& text) {
    std::fprintf(stderr, "mangrove: %s\n", text.c_str());
    return ExitCode::failure;
}

/// Switches the echo of a terminal off for as long as it lives.
class SilentTerminal {
public:
    SilentTerminal() {
        ::tcgetattr(STDIN_FILENO, &before_);
        termios silent = before_;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    ~SilentTerminal() { ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_); }
    SilentTerminal(const SilentTerminal&) = delete;
    SilentTerminal& operator=(const SilentTerminal&) = delete;

private:
    termios before_{};
};

std::optional<std::string> ask(const char* prompt) {
    std::fputs(prompt, stderr);
    std::string line;
    {
        const SilentTerminal silence;
        std::getline(std::cin, line);
    }
    std::fputs("\n", stderr);
    return std::cin ? std::optional{line} : std::nullopt;
}

enum class Ask { once, twice };

/// The password, from a terminal without showing it, else the first line of standard input.
Result<std::string> read_password(Ask how) {
    std::optional<std::string> password;
    if (::isatty(STDIN_FILENO) == 1) {
        password = ask("Password: ");
        if (password && how == Ask::twice && ask("Again: ") != password) {
            return Error{Errc::invalid_argument, "the two are not the same"};
        }
    } else {
        std::string line;
        if (std::getline(std::cin, line)) {
            password = line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
        }
    }
    if (!password || password->empty()) {
        return Error{Errc::invalid_argument, "no password came by standard input"};
    }
    return std::move(*password);
}

/// The configuration's part about users, and where their file is.
struct Place {
    config::AuthUsers users;
    std::filesystem::path data_dir;
    std::string file() const { return (data_dir / users.file).string(); }
};

std::optional<Place> place_of(const CommonOptions& options) {
    const auto loaded = config::load(options.sources());
    if (!loaded) {
        print_diagnostics(loaded.error().diagnostics);
        return std::nullopt;
    }
    return Place{.users = loaded->config.auth.users, .data_dir = loaded->config.node.data_dir};
}

/// Lets a running program know at once; it would find out within a second. None runs: nothing to
/// tell.
void tell_program(const Place& place) {
    const auto reply = ask_running_program(place.data_dir, request_line(Command::users_changed));
    if (!reply && reply.error().code() != Errc::unavailable) {
        std::fprintf(stderr, "mangrove: the running program did not answer: %s\n",
                     reply.error().text().c_str());
    }
}

const char* scheme_of(const User& user) {
    const std::string& hash = user.password_hash;
    if (hash.starts_with("$argon2id$")) {
        return "argon2id";
    }
    if (hash.starts_with("$2")) {
        return "bcrypt";
    }
    if (hash.starts_with("$6$")) {
        return "sha512";
    }
    return hash.starts_with("$pbkdf2-sha256$") ? "pbkdf2-sha256" : "pbkdf2-sha512";
}

}  // namespace

ExitCode passwd_add(const CommonOptions& options, const UserSettings& settings) {
    const auto place = place_of(options);
    if (!place) {
        return ExitCode::bad_input;
    }
    if (!auth::is_user_name(settings.name)) {
        return fail(
            "a user name has 1 to 1024 bytes of UTF-8 without control characters, and does not "
            "begin with console: or local:");
    }
    for (const std::string& group : settings.groups.value_or(std::vector<std::string>{})) {
        if (!auth::is_group_name(group)) {
            return fail("a group name has 1 to 64 letters, digits and -_.@");
        }
    }
    const auto password = read_password(Ask::twice);
    if (!password) {
        return fail(password.error());
    }
    auto hash = auth::hash_password(*password, auth::hash_parameters(place->users));
    if (!hash) {
        return fail(hash.error());
    }
    auto store = UserStore::open(place->file(), UserStore::Mode::create);
    if (!store) {
        return fail(store.error());
    }
    bool is_new = false;
    const auto done = store->in_transaction([&]() -> Result<void> {
        auto known = store->find(settings.name);
        if (!known) {
            return std::move(known).error();
        }
        is_new = !known->has_value();
        User user = known->value_or(User{});
        user.username = settings.name;
        user.password_hash = std::move(*hash);
        user.is_superuser = settings.is_superuser.value_or(user.is_superuser);
        user.groups = settings.groups.value_or(user.groups);
        user.scram.reset();
        if (place->users.scram) {
            user.scram = auth::derive_scram_keys(*password, auth::random_bytes(16),
                                                 place->users.scram_iterations);
        }
        return store->put(user);
    });
    if (!done) {
        return fail(done.error());
    }
    tell_program(*place);
    std::printf("%s: %s\n", settings.name.c_str(), is_new ? "added" : "changed");
    return ExitCode::success;
}

ExitCode passwd_remove(const CommonOptions& options, const std::string& name) {
    const auto place = place_of(options);
    if (!place) {
        return ExitCode::bad_input;
    }
    auto store = UserStore::open(place->file(), UserStore::Mode::existing);
    if (!store) {
        return fail(store.error());
    }
    const auto removed = store->remove(name);
    if (!removed) {
        return fail(removed.error());
    }
    if (!*removed) {
        return fail(name + ": no such user");
    }
    tell_program(*place);
    std::printf("%s: removed\n", name.c_str());
    return ExitCode::success;
}

ExitCode passwd_list(const CommonOptions& options) {
    const auto place = place_of(options);
    if (!place) {
        return ExitCode::bad_input;
    }
    auto store = UserStore::open(place->file(), UserStore::Mode::existing);
    if (!store) {
        return store.error().code() == Errc::not_found ? ExitCode::success : fail(store.error());
    }
    const auto listed = store->for_each([](const User& user) {
        std::string groups;
        for (const std::string& group : user.groups) {
            groups += (groups.empty() ? "  groups " : ",") + group;
        }
        std::printf("%s  %s%s%s%s\n", user.username.c_str(), scheme_of(user),
                    user.scram ? "  scram" : "", user.is_superuser ? "  superuser" : "",
                    groups.c_str());
    });
    return listed ? ExitCode::success : fail(listed.error());
}

ExitCode passwd_check(const CommonOptions& options, const std::string& name) {
    const auto place = place_of(options);
    if (!place) {
        return ExitCode::bad_input;
    }
    auto store = UserStore::open(place->file(), UserStore::Mode::existing);
    if (!store) {
        return fail(store.error());
    }
    const auto password = read_password(Ask::once);
    if (!password) {
        return fail(password.error());
    }
    const auto user = store->find(name);
    if (!user) {
        return fail(user.error());
    }
    if (!*user || !auth::verify_password((*user)->password_hash, *password)) {
        return fail(name + ": no such user, or another password");
    }
    std::printf("%s: right\n", name.c_str());
    return ExitCode::success;
}

ExitCode passwd_import(const CommonOptions& options, const std::string& file,
                       ExistingUsers existing) {
    const auto place = place_of(options);
    if (!place) {
        return ExitCode::bad_input;
    }
    std::ifstream source{file, std::ios::binary};
    const std::string text{std::istreambuf_iterator<char>{source},
                           std::istreambuf_iterator<char>{}};
    if (!source.is_open() || source.bad()) {
        return fail("cannot read " + file);
    }
    const auth::PasswordFile parsed = auth::parse_password_file(text);
    for (const std::string& problem : parsed.problems) {
        std::fprintf(stderr, "%s: %s\n", file.c_str(), problem.c_str());
    }
    if (!parsed.problems.empty()) {
        return fail("nothing was imported");
    }
    auto store = UserStore::open(place->file(), UserStore::Mode::create);
    if (!store) {
        return fail(store.error());
    }
    std::size_t added = 0;
    std::size_t kept = 0;
    const auto done = store->in_transaction([&]() -> Result<void> {
        for (const auto& entry : parsed.entries) {
            auto known = store->find(entry.username);
            if (!known) {
                return std::move(known).error();
            }
            if (known->has_value() && existing == ExistingUsers::keep) {
                ++kept;
                continue;
            }
            User user = known->value_or(User{});
            user.username = entry.username;
            user.password_hash = entry.password_hash;
            user.scram.reset();  // these keys can only be made of the password
            if (auto put = store->put(user); !put) {
                return put;
            }
            ++added;
        }
        return {};
    });
    if (!done) {
        return fail(done.error());
    }
    tell_program(*place);
    std::printf("imported: %zu, existing and kept: %zu\n", added, kept);
    return ExitCode::success;
}

}  // namespace gw::cli
