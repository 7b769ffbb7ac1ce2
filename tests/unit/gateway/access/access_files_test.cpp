// Files and answers behind `mangrove ban` and `mangrove acl`.
#include "config/acl/acl_parser.hpp"
#include "config/parse/loader.hpp"
#include "gateway/access/acl_file.hpp"
#include "gateway/access/acl_question.hpp"
#include "gateway/access/ban_file.hpp"
#include "gateway/access/loop_lag.hpp"
#include "tests/support/temp_folder.hpp"

#include <doctest/doctest.h>

#include <fstream>

using namespace gw;
using gw::test::TempFolder;

namespace {

void write(const std::filesystem::path& path, std::string_view text) {
    std::ofstream{path, std::ios::binary} << text;
}

const WallTime now{Milliseconds{1'700'000'000'123}};

}  // namespace

TEST_CASE("bans come back from the file as they were, whatever they are called") {
    const TempFolder folder;
    CHECK(read_bans(folder.path())->empty());
    std::vector<Ban> bans;
    for (const char* const name : {"ann", "a b", "%41", "-", "x\ny", "ümlaut", "\x7f"}) {
        Ban ban;
        ban.kind = BanKind::user;
        ban.name = name;
        ban.reason = name;
        ban.by = "operator";
        ban.since = now;
        bans.push_back(ban);
    }
    Ban range;
    range.kind = BanKind::address;
    range.range = *IpRange::parse("2001:db8::/32");
    range.until = now + Milliseconds{5};
    range.since = now;
    bans.push_back(range);
    REQUIRE(write_bans(folder.path(), bans));
    const auto read = read_bans(folder.path());
    REQUIRE(read);
    REQUIRE(read->size() == bans.size());
    for (std::size_t i = 0; i < bans.size(); ++i) {
        CHECK((*read)[i].kind == bans[i].kind);
        CHECK((*read)[i].subject() == bans[i].subject());
        CHECK((*read)[i].reason == bans[i].reason);
        CHECK((*read)[i].by == bans[i].by);
        CHECK((*read)[i].until == bans[i].until);
    }
    const std::string page = ban_page(*read, now);
    CHECK(page.find("user x%0ay  until lifted") != std::string::npos);  // no line can be forged
    CHECK(ban_page(*read, now + Milliseconds{5}).find("2001") == std::string::npos);
    CHECK(ban_page({}, now) == "No bans.\n");
}

TEST_CASE("a damaged file of bans is told, and not taken for an empty one") {
    const TempFolder folder;
    for (const char* const text :
         {"", "mangrove-bans 2\n", "mangrove-bans 1\nuser\n", "mangrove-bans 1\nuser a 1 2 x y z\n",
          "mangrove-bans 1\naddress 10.0.0.0/99 1 - - -\n", "mangrove-bans 1\nuser %4 1 - - -\n",
          "mangrove-bans 1\nuser - 1 - - -\n", "mangrove-bans 1\nuser a 1x - - -\n"}) {
        CAPTURE(text);
        write(folder.path() / "bans", text);
        CHECK_FALSE(read_bans(folder.path()));
    }
}

TEST_CASE("a ban is asked for with one subject, and for a time") {
    CHECK(ban_of({{"user", "eve"}, {"for", "2h"}, {"reason", "r"}}, now)->until ==
          now + Seconds{7200});
    CHECK(ban_of({{"address", "10.0.0.0/8"}}, now)->until == WallTime::max());
    CHECK_FALSE(ban_of({}, now));
    CHECK_FALSE(ban_of({{"user", "a"}, {"client", "b"}}, now));
    CHECK_FALSE(ban_of({{"address", "10.0.0.1/8"}}, now));
    CHECK_FALSE(ban_of({{"user", "a"}, {"for", "soon"}}, now));
    CHECK_FALSE(ban_of({{"user", "a"}, {"for", "0"}}, now));
}

TEST_CASE("rules come from the key's file, the one beside the configuration, or are built in") {
    const TempFolder folder;
    config::Config config = config::defaults();
    CHECK(acl_file_of(config).empty());
    CHECK((*load_acl(config))->rules().size() == 2);
    config.folder = folder.path().string();
    CHECK(acl_file_of(config).empty());
    write(folder.path() / "acl.conf", "allow = all\n");
    CHECK((*load_acl(config))->rules().size() == 1);
    config.acl.file = (folder.path() / "other.conf").string();
    const auto missing = load_acl(config);
    REQUIRE_FALSE(missing);
    CHECK(missing.error().front().text == "there is no such file");
    write(folder.path() / "other.conf", "allow = all\nallow\nnothing = all\n");
    const auto broken = load_acl(config);
    REQUIRE_FALSE(broken);
    CHECK(broken.error().size() == 2);
    CHECK(broken.error().front().line == 2);
    config.acl.file = folder.path().string();
    CHECK_FALSE(load_acl(config));
}

TEST_CASE("the answer names the rule that decides, and what would be kept back") {
    auto parsed = config::parse_acl("acl.conf",
                                    "deny = user=ann subscribe a/secret\n"
                                    "allow = group=ops publish cmd/#\n"
                                    "deny = all publish cmd/#\n");
    const AclTablePtr table = AclTable::create(std::move(parsed.rules), AccessDecision::allow);
    const config::Config config = config::defaults();
    const auto ask = [&](ManageFields fields) {
        const auto answer = answer_acl_question(*table, config, fields);
        return answer ? *answer : "error: " + answer.error().text();
    };
    CHECK(ask({{"user", "ann"}, {"action", "subscribe"}, {"topic", "a/#"}}) ==
          "allowed\n  by acl_nomatch = allow: no rule matches\n"
          "  of what it brings, this is kept back:\n"
          "    acl.conf:1: deny = user=ann subscribe a/secret\n");
    CHECK(ask({{"user", "ann"}, {"action", "subscribe"}, {"topic", "$share/g/a/secret"}}) ==
          "denied\n  by acl.conf:1: deny = user=ann subscribe a/secret\n");
    CHECK(ask({{"group", "x\nops\n"}, {"action", "publish"}, {"topic", "cmd/1"}}) ==
          "allowed\n  by acl.conf:2: allow = group=ops publish cmd/#\n");
    CHECK(ask({{"action", "publish"}, {"topic", "cmd/1"}}).starts_with("denied\n  by acl.conf:3"));
    CHECK(ask({{"superuser", "yes"}, {"action", "publish"}, {"topic", "cmd/1"}})
              .starts_with("allowed\n  a superuser"));
    CHECK(ask({{"superuser", "yes"}, {"action", "publish"}, {"topic", "$SYS/x"}})
              .starts_with("denied"));
    CHECK(ask({{"ip", "10.0.0.1"}, {"action", "subscribe"}, {"topic", "$SYS/#"}})
              .starts_with("denied\n  no administrator"));
    CHECK(ask({{"ip", "127.0.0.1"}, {"action", "subscribe"}, {"topic", "$SYS/#"}})
              .starts_with("allowed"));
    CHECK(ask({{"action", "publish"}, {"topic", "a/#"}}).starts_with("error:"));
    CHECK(ask({{"action", "read"}, {"topic", "a"}}).starts_with("error:"));
    CHECK(ask({{"ip", "x"}, {"action", "publish"}, {"topic", "a"}}).starts_with("error:"));
    CHECK(ask({{"attr", "x"}, {"action", "publish"}, {"topic", "a"}}).starts_with("error:"));
}

TEST_CASE("a worker that does not answer is behind by the time that it does not") {
    std::vector<std::function<void()>> waiting;
    std::int64_t time = 10000;
    LoopLag lag{2, [&](std::uint32_t, std::function<void()> task) { waiting.push_back(task); },
                [&] {
                    return MonotonicTime{Milliseconds{time}};
                }};
    const auto answer = [&] {
        for (const auto& task : std::exchange(waiting, {})) {
            task();
        }
    };
    CHECK(lag.look() == Milliseconds{0});
    CHECK(waiting.size() == 2);
    time += 5;
    answer();
    CHECK(lag.look() == Milliseconds{5});
    time += 100;
    lag.look();
    time += 3000;
    CHECK(lag.look() == Milliseconds{3000});
    answer();
    CHECK(lag.look() == Milliseconds{3000});
    time += 100;
    lag.look();
    answer();
    CHECK(lag.look() == Milliseconds{0});
    time += 5000;
    CHECK(lag.look() == Milliseconds{0});  // what is old says nothing
}
