#include "gateway/auth/user_store.hpp"

#include "tests/support/temp_folder.hpp"

#include <doctest/doctest.h>

#include <sys/stat.h>

using namespace gw;
using namespace gw::auth;
using gw::test::TempFolder;

namespace {

UserStore opened(const std::string& path, UserStore::Mode mode = UserStore::Mode::create) {
    auto store = UserStore::open(path, mode);
    REQUIRE(store.has_value());
    return std::move(*store);
}

User ann() {
    return {.username = "ann",
            .password_hash = "$hash",
            .is_superuser = true,
            .groups = {"ops", "meters"},
            .scram = ScramKeys{.salt = std::string("s\0lt", 4),
                               .stored_key = "stored",
                               .server_key = "server",
                               .iterations = 4096}};
}

std::vector<std::string> changes_of(UserStore& store) {
    std::vector<std::string> texts;
    const auto changes = store.changes();
    REQUIRE(changes.has_value());
    for (const UserChange& change : *changes) {
        texts.push_back(change.username + (change.is_removed ? " removed" : " changed"));
    }
    return texts;
}

}  // namespace

TEST_CASE("users come back as they were put, also for another connection") {
    const TempFolder folder;
    const std::string path = (folder.path() / "new/users.db").string();
    CHECK(UserStore::open(path, UserStore::Mode::existing).error().code() == Errc::not_found);
    UserStore store = opened(path);
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0600U);
    CHECK(store.put(ann()).has_value());
    CHECK(store.put({.username = "bob", .password_hash = "$other", .groups = {}, .scram = {}})
              .has_value());
    UserStore other = opened(path, UserStore::Mode::existing);
    const auto found = other.find("ann");
    REQUIRE(found.has_value());
    REQUIRE(found->has_value());
    const User& user = **found;
    CHECK(user.password_hash == "$hash");
    CHECK(user.is_superuser);
    CHECK(user.groups == std::vector<std::string>{"ops", "meters"});
    REQUIRE(user.scram.has_value());
    CHECK(user.scram->salt == std::string("s\0lt", 4));
    CHECK(user.scram->stored_key == "stored");
    CHECK(user.scram->server_key == "server");
    CHECK(user.scram->iterations == 4096);
    const auto bob = other.find("bob");
    CHECK_FALSE((*bob)->scram.has_value());
    CHECK((*bob)->groups.empty());
    // Names are compared as bytes; nothing in them means anything to the database.
    for (const char* name : {"Ann", "an%", "ann'--", "", "ann "}) {
        CHECK_FALSE(other.find(name)->has_value());
    }
    CHECK(*other.count() == 2);
    std::string names;
    CHECK(other.for_each([&](const User& one) { names += one.username + " "; }).has_value());
    CHECK(names == "ann bob ");
    CHECK(store.secret() == other.secret());
    CHECK(store.secret().size() == 64);
}

TEST_CASE("the file tells what has changed, until somebody has acted upon it") {
    const TempFolder folder;
    const std::string path = (folder.path() / "users.db").string();
    UserStore writer = opened(path);
    UserStore watcher = opened(path, UserStore::Mode::existing);
    const auto before = watcher.data_version();
    CHECK(*watcher.data_version() == *before);
    CHECK(writer.put(ann()).has_value());
    CHECK(*watcher.data_version() != *before);
    CHECK(changes_of(watcher).empty());  // a new user has no connections
    CHECK(writer.put(ann()).has_value());
    CHECK(*writer.remove("ann"));
    CHECK_FALSE(*writer.remove("ann"));
    CHECK(writer.put(ann()).has_value());
    CHECK(changes_of(watcher) == std::vector<std::string>{"ann changed", "ann removed"});
    const auto version = watcher.data_version();
    CHECK(watcher.forget_changes(watcher.changes()->front().sequence).has_value());
    CHECK(*watcher.data_version() == *version);  // its own doing
    CHECK(changes_of(watcher) == std::vector<std::string>{"ann removed"});
}

TEST_CASE("a transaction is whole or not at all") {
    const TempFolder folder;
    UserStore store = opened((folder.path() / "users.db").string());
    const auto failed = store.in_transaction([&]() -> Result<void> {
        CHECK(store.put(ann()).has_value());
        return Error{Errc::corrupt, "stop"};
    });
    CHECK(failed.error().text() == "stop");
    CHECK(*store.count() == 0);
    CHECK(store.in_transaction([&] { return store.put(ann()); }).has_value());
    CHECK(*store.count() == 1);
}

TEST_CASE("other files are refused") {
    const TempFolder folder;
    const std::string text = folder.write("text", "no database at all, but long enough to look so");
    CHECK_FALSE(UserStore::open(text, UserStore::Mode::existing).has_value());
    CHECK_FALSE(UserStore::open(text, UserStore::Mode::create).has_value());
    const std::string other = (folder.path() / "other.db").string();
    {
        auto database =
            Database::open(other, {.is_read_only = false, .may_create = true, .vfs = {}});
        REQUIRE(database.has_value());
        CHECK(database->execute("CREATE TABLE users(name); PRAGMA user_version=1").has_value());
    }
    CHECK(UserStore::open(other, UserStore::Mode::existing).error().code() == Errc::corrupt);
    const std::string newer = (folder.path() / "newer.db").string();
    opened(newer);
    {
        auto database = Database::open(newer, {});
        REQUIRE(database.has_value());
        CHECK(database->execute("PRAGMA user_version=2").has_value());
    }
    CHECK(UserStore::open(newer, UserStore::Mode::existing).error().code() == Errc::newer_format);
}

TEST_CASE("names of users and groups") {
    for (const char* name : {"a", "Ann Lee", "ann@example.org", "m\xc3\xa4x", "#", "a/b", "a:b"}) {
        CHECK(is_user_name(name));
    }
    CHECK(is_user_name(std::string(1024, 'x')));
    for (const std::string& name :
         {std::string{}, std::string(1025, 'x'), std::string("a\0b", 3), std::string{"a\nb"},
          std::string{"a\x7f"}, std::string{"\xff"}}) {
        CHECK_FALSE(is_user_name(name));
    }
    CHECK(is_group_name("ops-1_a.b@c"));
    for (const std::string& name :
         {std::string{}, std::string(65, 'x'), std::string{"a,b"}, std::string{"a b"}}) {
        CHECK_FALSE(is_group_name(name));
    }
}
