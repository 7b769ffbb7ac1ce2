// The door: rates, back-off, flapping, bans; in simulated time, bounded whatever comes.
#include "broker-core/door/door.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace gw;

namespace {

Now at(std::int64_t ms) {
    return {MonotonicTime{Milliseconds{ms}}, WallTime{Milliseconds{1'700'000'000'000 + ms}}};
}

IpAddress ip(std::string_view text) {
    return *IpAddress::parse(text);
}

/// How many of `count` connections are let in at one moment.
int admitted(Door& door, std::string_view address, int count, Now now) {
    int let_in = 0;
    for (int i = 0; i < count; ++i) {
        let_in += door.admit(ip(address), now) ? 0 : 1;
    }
    return let_in;
}

/// Fails until one has to wait; how many times it went.
int failures_until_wait(Door& door, const Visitor& visitor, Now now) {
    int count = 0;
    while (count < 1000 && !door.check_login(visitor, now)) {
        door.on_login_failed(visitor, now);
        ++count;
    }
    return count;
}

}  // namespace

TEST_CASE("an address has its rate and burst, its network another") {
    DoorOptions options;
    options.exempt = {*IpRange::parse("127.0.0.0/8")};
    options.address_rate = 10;
    options.address_burst = 20;
    options.network_rate = 30;
    options.network_burst = 50;
    Door door{options, 1};
    CHECK(admitted(door, "203.0.113.1", 100, at(0)) == 20);
    CHECK(door.admit(ip("203.0.113.1"), at(0)) == DoorReason::address_rate);
    CHECK(admitted(door, "203.0.113.2", 100, at(0)) == 20);
    CHECK(admitted(door, "203.0.113.3", 100, at(0)) == 10);  // what the network has left
    CHECK(door.admit(ip("203.0.113.4"), at(0)) == DoorReason::network_rate);
    CHECK(admitted(door, "198.51.100.1", 100, at(0)) == 20);  // another network
    CHECK(admitted(door, "203.0.113.1", 100, at(500)) == 5);  // ten a second
    CHECK(admitted(door, "203.0.113.1", 100, at(3600'000)) == 20);
    CHECK(admitted(door, "127.0.0.1", 1000, at(0)) == 1000);
    // IPv6: all of a /64 is one address, and a /48 one network.
    int let_in = 0;
    for (int i = 0; i < 100; ++i) {
        let_in += door.admit(ip("2001:db8::" + std::to_string(i + 1)), at(0)) ? 0 : 1;
    }
    CHECK(let_in == 20);
    CHECK(admitted(door, "2001:db8:0:1::1", 100, at(0)) == 20);
    CHECK(admitted(door, "2001:db8:0:2::1", 100, at(0)) == 10);
    // Time that does not go on, and none at all between, harm nothing.
    CHECK(door.admit(ip("2001:db8:0:2::1"), at(0)).has_value());
}

TEST_CASE("waits double up to a limit, with jitter, and are forgotten") {
    DoorOptions options;
    options.free_failure_count = 3;
    options.address_failure_count = 50;
    options.login_delay = Milliseconds{1000};
    options.login_delay_max = Milliseconds{60000};
    Door door{options, 5};
    const IpAddress address = ip("203.0.113.1");
    const Visitor visitor{address, "c", "ann"};
    std::int64_t now = 0;
    CHECK(failures_until_wait(door, visitor, at(now)) == 4);
    std::int64_t expected = 1000;
    for (int round = 0; round < 6; ++round) {
        std::int64_t waited = 0;
        while (door.check_login(visitor, at(now)).has_value()) {
            now += 10;
            waited += 10;
        }
        CAPTURE(round);
        CHECK(waited >= expected * 3 / 4 - 10);
        CHECK(waited <= expected * 5 / 4 + 10);
        expected = std::min<std::int64_t>(expected * 2, 60000);
        door.on_login_failed(visitor, at(now));
    }
    for (int i = 0; i < 100; ++i) {
        door.on_login_failed(visitor, at(now));
    }
    now += 6 * 60000;
    CHECK(failures_until_wait(door, visitor, at(now)) == 4);
    // One failure in each longest wait never adds up.
    const Visitor rare{address, "c", "rare"};
    for (int i = 0; i < 100; ++i) {
        now += 60000;
        CHECK_FALSE(door.check_login(rare, at(now)).has_value());
        door.on_login_failed(rare, at(now));
    }
}

TEST_CASE("one device with an old password does not lock its site out; a sprayer waits") {
    DoorOptions options;
    options.free_failure_count = 10;
    options.address_failure_count = 50;
    Door door{options, 9};
    const IpAddress site = ip("203.0.113.1");
    for (int i = 0; i < 1000; ++i) {
        door.on_login_failed({site, "meter", "old"}, at(i));
    }
    CHECK(door.check_login({site, "meter", "old"}, at(1000)).has_value());
    CHECK_FALSE(door.check_login({site, "c", "ann"}, at(1000)).has_value());
    CHECK_FALSE(door.admit(site, at(1000)).has_value());
    door.on_login_succeeded({site, "c", "ann"}, at(1000));
    // Many names from there: then those wait who were never in, and are not even listened to where
    // nobody was.
    const IpAddress sprayer = ip("198.51.100.1");
    for (const IpAddress* const from : {&site, &sprayer}) {
        for (int i = 0; i < 200; ++i) {
            door.on_login_failed({*from, "c", "u" + std::to_string(i)}, at(2000));
        }
        CHECK(door.check_login({*from, "c", "bob"}, at(2000)).has_value());
        CHECK(door.check_login({*from, "new", ""}, at(2000)).has_value());
    }
    CHECK_FALSE(door.check_login({site, "c", "ann"}, at(2000)).has_value());
    CHECK_FALSE(door.admit(site, at(2000)).has_value());
    CHECK(door.admit(sprayer, at(2000)) == DoorReason::login_delay);
    // Who is known there has no more guesses than others.
    CHECK(failures_until_wait(door, {site, "c", "ann"}, at(2000)) == 11);
}

TEST_CASE("a user waits wherever he comes from, but for places where he has logged in") {
    DoorOptions options;
    options.free_failure_count = 5;
    options.address_failure_count = 20;
    Door door{options, 7};
    const IpAddress home = ip("203.0.113.1");
    const IpAddress elsewhere = ip("198.51.100.1");
    door.on_login_succeeded({home, "c", "ann"}, at(0));
    // Many addresses guess at one user's password, each of them rarely.
    for (int i = 0; i < 10; ++i) {
        const IpAddress guesser = ip("192.0.2." + std::to_string(i + 1));
        door.on_login_failed({guesser, "c", "ann"}, at(0));
    }
    CHECK(door.check_login({elsewhere, "c", "ann"}, at(0)) == DoorReason::login_delay);
    CHECK_FALSE(door.check_login({home, "c", "ann"}, at(0)).has_value());
    CHECK_FALSE(door.check_login({elsewhere, "c", "bob"}, at(0)).has_value());
    door.on_login_succeeded({home, "c", "ann"}, at(0));
    CHECK_FALSE(door.check_login({elsewhere, "c", "ann"}, at(0)).has_value());
    // One good login does not wash away what others try from its address.
    for (int i = 0; i < 40; ++i) {
        door.on_login_failed({elsewhere, "c", "u" + std::to_string(i)}, at(0));
        door.on_login_succeeded({elsewhere, "c", "bob"}, at(0));
    }
    CHECK(door.check_login({elsewhere, "c", "eve"}, at(0)).has_value());
}

TEST_CASE("who shows no name is known by his address alone, since he chooses his client id") {
    DoorOptions options;
    options.free_failure_count = 3;
    options.address_failure_count = 20;
    Door door{options, 7};
    const IpAddress site = ip("203.0.113.1");
    // A few failures under a neighbour's id are nobody's.
    for (int i = 0; i < 10; ++i) {
        door.on_login_failed({site, "meter", ""}, at(0));
    }
    CHECK_FALSE(door.check_login({site, "meter", ""}, at(0)).has_value());
    // A token was good here once: its client's id does not open the door to who goes on guessing.
    door.on_login_succeeded({site, "meter", ""}, at(0));
    int tries = 10;
    while (tries < 100 && !door.check_login({site, "meter", ""}, at(0))) {
        door.on_login_failed({site, tries % 2 == 0 ? "meter" : "x" + std::to_string(tries), ""},
                             at(0));
        ++tries;
    }
    CHECK(tries == 21);
    CHECK(door.check_login({site, "another", ""}, at(0)) == DoorReason::login_delay);
}

TEST_CASE("bans: addresses by range, users, clients; they end, and are bounded") {
    DoorOptions options;
    options.exempt = {*IpRange::parse("127.0.0.0/8")};
    options.ban_count_max = 3;
    Door door{options, 1};
    const auto ban = [](BanKind kind, std::string_view subject, std::int64_t until_ms) {
        Ban one;
        one.kind = kind;
        if (kind == BanKind::address) {
            one.range = *IpRange::parse(subject);
        } else {
            one.name = subject;
        }
        one.until = until_ms < 0 ? WallTime::max() : at(until_ms).wall;
        return one;
    };
    REQUIRE(door.add_ban(ban(BanKind::address, "203.0.113.0/25", 1000), at(0)));
    REQUIRE(door.add_ban(ban(BanKind::address, "127.0.0.5", -1), at(0)));
    CHECK(door.admit(ip("203.0.113.127"), at(999)) == DoorReason::banned);
    CHECK_FALSE(door.admit(ip("203.0.113.128"), at(999)).has_value());
    CHECK_FALSE(door.admit(ip("203.0.113.127"), at(1000)).has_value());
    CHECK(door.admit(ip("127.0.0.5"), at(0)) == DoorReason::banned);  // nobody is exempt from bans
    CHECK_FALSE(door.admit(IpAddress{}, at(0)).has_value());          // a Unix socket
    REQUIRE(door.add_ban(ban(BanKind::user, "eve", -1), at(0)));
    CHECK(door.check_login({ip("127.0.0.1"), "c", "eve"}, at(0)) == DoorReason::banned);
    CHECK_FALSE(door.check_login({ip("127.0.0.1"), "eve", ""}, at(0)).has_value());
    CHECK_FALSE(door.add_ban(ban(BanKind::client, "x", -1), at(0)));
    REQUIRE(door.add_ban(ban(BanKind::user, "eve", 5000), at(0)));   // the same one, changed
    REQUIRE(door.add_ban(ban(BanKind::client, "x", -1), at(2000)));  // one is over by now
    const std::uint64_t version = door.ban_version();
    CHECK(door.bans(at(2000)).size() == 3);
    CHECK(door.bans(at(6000)).size() == 2);
    CHECK(door.ban_version() != version);
    CHECK(door.remove_ban(BanKind::address, {}, *IpRange::parse("127.0.0.5")));
    CHECK_FALSE(door.remove_ban(BanKind::address, {}, *IpRange::parse("127.0.0.5")));
    CHECK_FALSE(door.admit(ip("127.0.0.5"), at(0)).has_value());
}

TEST_CASE("a client id that ends its connections too fast is banned") {
    DoorOptions options;
    options.flapping_count = 5;
    options.flapping_window = Milliseconds{1000};
    options.flapping_ban = Milliseconds{10000};
    Door door{options, 1};
    ClientIdentity client;
    client.client_id = "c";
    client.ip = ip("203.0.113.1");
    for (int i = 0; i < 4; ++i) {
        CHECK_FALSE(door.on_disconnected(client, at(i * 100)).has_value());
    }
    CHECK_FALSE(door.on_disconnected(client, at(1101)).has_value());  // a new window
    for (int i = 0; i < 3; ++i) {
        CHECK_FALSE(door.on_disconnected(client, at(1200)).has_value());
    }
    const auto ban = door.on_disconnected(client, at(1300));
    REQUIRE(ban.has_value());
    CHECK(ban->by == "flapping");
    CHECK(door.check_login({client.ip, "c", ""}, at(1300)) == DoorReason::banned);
    CHECK_FALSE(door.check_login({client.ip, "c", ""}, at(11301)).has_value());
}

TEST_CASE("of a flood of refusals one a second is logged, with the number of the others") {
    Door door{{}, 1};
    CHECK(door.note(DoorReason::banned, at(0)) == std::uint64_t{0});
    for (int i = 0; i < 7; ++i) {
        CHECK_FALSE(door.note(DoorReason::banned, at(999)).has_value());
    }
    CHECK(door.note(DoorReason::loop_lag, at(999)) == std::uint64_t{0});
    CHECK(door.note(DoorReason::banned, at(1000)) == std::uint64_t{7});
}

TEST_CASE("tables keep their size, and lose those that were not seen for longest") {
    BoundedTable<int> table{64};
    CHECK(table.capacity() == 64);
    CHECK(table.find(5) == nullptr);
    Random random{3};
    for (int i = 0; i < 100000; ++i) {
        table.get(random.next(), MonotonicTime{Milliseconds{i}}) = i;
    }
    CHECK(table.count() == 64);
    // One that is seen again and again stays.
    const std::uint64_t key = random.next();
    for (int i = 0; i < 100000; ++i) {
        const MonotonicTime now{Milliseconds{200000 + i}};
        int& value = table.get(key, now);
        REQUIRE(value == (i == 0 ? 0 : 42));
        value = 42;
        table.get(random.next(), now) = 1;
    }
    table.erase(key);
    CHECK(table.find(key) == nullptr);
    table.get(0, MonotonicTime{}) = 7;  // no key is special
    CHECK(*table.find(0) == 7);
}
