// Which message at QoS 2 is new, and which repeats one that its client has not released.
#include "broker-core/session/exactly_once.hpp"

#include "broker-core/base/random.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

using namespace gw;

namespace {

constexpr auto mqtt = PacketIdSpace{1};
constexpr auto sensor = PacketIdSpace{2};
constexpr auto other = PacketIdSpace::none;

/// A set, and what a store would have of it.
struct Kept {
    void begin(PacketIdSpace space) {
        now = space;
        set.begin_connection(space, on_change);
    }
    /// What becomes of a PUBLISH.
    std::string publish(std::uint16_t id, std::string_view payload, bool dup = false,
                        std::string_view topic = "t", bool retain = false) {
        const InboundPublish sent{id, dup, topic, payload, retain};
        if (set.take_repeated(now, sent, on_change)) {
            return "repeated";
        }
        return set.insert(now, sent, on_change) ? "new" : "refused";
    }
    bool release(std::uint16_t id) { return set.release(now, id, on_change); }
    /// As after a restart of the process.
    void restart() {
        set = UnreleasedSet{};
        for (const std::uint64_t one : std::set<std::uint64_t>{stored}) {
            set.restore(one, now, on_change);
        }
    }

    PacketIdSpace now = mqtt;
    UnreleasedSet set;
    std::set<std::uint64_t> stored;
    UnreleasedSet::OnChange on_change = [this](UnreleasedSet::Change change, std::uint64_t one) {
        if (change == UnreleasedSet::Change::put) {
            CHECK(stored.insert(one).second);
        } else {
            CHECK(stored.erase(one) == 1);
        }
    };
};

}  // namespace

TEST_CASE("on one connection the packet id alone says that a message is repeated") {
    Kept kept;
    kept.begin(mqtt);
    CHECK(kept.publish(7, "a") == "new");
    CHECK(kept.publish(7, "a", true) == "repeated");
    CHECK(kept.publish(7, "b") == "repeated");  // MQTT 5.0, 4.3.3: until PUBREL
    CHECK(kept.publish(8, "a") == "new");
    CHECK(kept.set.current_count() == 2);
    CHECK(kept.release(7));
    CHECK_FALSE(kept.release(7));
    CHECK(kept.publish(7, "a", true) == "new");
}

TEST_CASE("what the next connection brings under a packet id that is not released") {
    struct Row {
        const char* why;
        std::vector<PacketIdSpace> between;  // protocols the client was there by meanwhile
        bool dup;
        const char* payload;
        const char* expected;
    };
    const Row rows[] = {
        {"the client goes on (MQTT 5.0, 4.4)", {}, true, "a", "repeated"},
        {"the client goes on and forgets DUP", {}, false, "a", "repeated"},
        {"the client has lost its state: another message", {}, false, "b", "new"},
        {"the same, and its first try was lost", {}, true, "b", "new"},
        {"back from MQTT-SN, going on", {sensor}, true, "a", "repeated"},
        {"back from MQTT-SN, counting anew", {sensor}, false, "b", "new"},
        {"the same with a message that looks the same", {sensor}, false, "a", "new"},
        {"counting anew, and the first try was lost", {sensor}, true, "b", "new"},
        {"back from a protocol without packet ids", {other}, true, "a", "repeated"},
        {"the same, counting anew", {other}, false, "a", "new"},
        {"back from far", {sensor, other, sensor}, true, "a", "repeated"},
        {"back from far, counting anew", {sensor, mqtt, other}, false, "a", "new"},
    };
    for (const bool is_restarted : {false, true}) {
        for (const Row& row : rows) {
            CAPTURE(row.why);
            CAPTURE(is_restarted);
            Kept kept;
            kept.begin(mqtt);
            CHECK(kept.publish(7, "a") == "new");
            for (const PacketIdSpace space : row.between) {
                kept.begin(space);
                if (is_restarted) {
                    kept.restart();
                }
            }
            if (is_restarted) {
                kept.restart();
            }
            kept.begin(mqtt);
            CHECK(kept.set.current_count() == 0);
            CHECK(kept.publish(7, row.payload, row.dup) == row.expected);
            CHECK(kept.set.current_count() == 1);
        }
    }
}

TEST_CASE("topic and retain flag are a part of what a message is") {
    Kept kept;
    kept.begin(mqtt);
    CHECK(kept.publish(7, "a") == "new");
    kept.begin(mqtt);
    CHECK(kept.publish(7, "a", true, "u") == "new");
    kept.begin(mqtt);
    CHECK(kept.publish(7, "a", true, "u", true) == "new");
    kept.begin(mqtt);
    CHECK(kept.publish(7, "a", true, "u", true) == "repeated");
}

TEST_CASE("two programs with the same packet id: each finds its own message again") {
    Kept kept;
    kept.begin(mqtt);
    CHECK(kept.publish(7, "device") == "new");
    kept.begin(sensor);
    CHECK(kept.publish(7, "sensor") == "new");
    kept.begin(mqtt);  // the same device in a browser
    CHECK(kept.publish(7, "browser") == "new");
    CHECK(kept.set.size() == 3);
    kept.begin(sensor);
    CHECK(kept.publish(7, "sensor", true) == "repeated");
    kept.begin(mqtt);
    CHECK(kept.publish(7, "device", true) == "repeated");
    CHECK(kept.release(7));  // the device's alone
    CHECK(kept.set.size() == 2);
    kept.begin(mqtt);
    CHECK(kept.publish(7, "browser", true) == "repeated");
    CHECK(kept.release(7));
    CHECK_FALSE(kept.release(7));
    kept.begin(sensor);
    CHECK(kept.release(7));
    CHECK(kept.set.size() == 0);
    CHECK(kept.stored.empty());
}

TEST_CASE("PUBREL for what an earlier connection brought ends it, by its own protocol only") {
    Kept kept;
    kept.begin(mqtt);
    CHECK(kept.publish(7, "a") == "new");
    kept.begin(sensor);
    CHECK_FALSE(kept.release(7));
    kept.begin(mqtt);
    CHECK(kept.release(7));
    CHECK(kept.publish(7, "a", true) == "new");
}

TEST_CASE("an id that was used anew is not taken for the older message again without DUP") {
    Kept kept;
    kept.begin(mqtt);
    CHECK(kept.publish(7, "on") == "new");
    kept.begin(mqtt);
    CHECK(kept.publish(7, "off") == "new");
    CHECK(kept.release(7));
    CHECK(kept.publish(7, "on") == "new");
    CHECK(kept.release(7));
    CHECK(kept.stored.empty());
}

TEST_CASE("what could not be stored was never there, and nothing else goes with it") {
    Kept kept;
    kept.begin(mqtt);
    CHECK(kept.publish(7, "a") == "new");
    kept.begin(mqtt);
    const InboundPublish next{.packet_id = 7, .topic = "t", .payload = "b"};
    const auto inserted = kept.set.insert(mqtt, next, kept.on_change);
    REQUIRE(inserted.has_value());
    kept.begin(mqtt);
    kept.set.forget(*inserted, kept.on_change);
    CHECK(kept.publish(7, "b", true) == "new");
    kept.begin(mqtt);
    CHECK(kept.publish(7, "a", true) == "repeated");
}

TEST_CASE("ids that an older version stored belong to the session's protocol, with any content") {
    for (const PacketIdSpace space : {mqtt, sensor}) {
        Kept kept;
        kept.now = space;
        kept.stored = {7, 65535};
        kept.restart();
        kept.begin(space);
        CHECK(kept.publish(7, "anything", true) == "repeated");
        kept.begin(space == mqtt ? sensor : mqtt);
        CHECK(kept.publish(65535, "anything", true) == "new");
    }
    Kept kept;  // by STOMP, which had kept MQTT's
    kept.now = other;
    kept.stored = {7};
    kept.restart();
    kept.begin(mqtt);
    CHECK(kept.publish(7, "anything", true) == "repeated");
}

TEST_CASE("literal stored forms") {
    Unreleased one;
    one.packet_id = 7;
    one.space = sensor;
    one.fingerprint = 1;
    one.age = Unreleased::Age::parked;
    CHECK(one.to_stored() == (1ULL << 19 | 1ULL << 18 | 2ULL << 16 | 7));
    one.fingerprint = 0xffffffff;
    one.packet_id = 65535;
    CHECK(one.to_stored() < 1ULL << 53);
    CHECK(stored_release(5, sensor) == (2ULL << 50 | 5));
    CHECK(stored_release(5, other) == 5);
    Kept kept;  // written by another process: the fingerprint must not depend on this one
    kept.begin(mqtt);
    CHECK(kept.publish(7, "payload", false, "topic", true) == "new");
    CHECK(kept.stored == std::set<std::uint64_t>{0x7a6101e890007ULL});
}

TEST_CASE("all packet ids at once, and what is parked is bounded") {
    Kept kept;
    kept.begin(mqtt);
    for (std::uint32_t id = 1; id <= 65535; ++id) {
        REQUIRE(kept.publish(static_cast<std::uint16_t>(id), "a") == "new");
    }
    CHECK(kept.set.current_count() == 65535);
    kept.begin(mqtt);
    CHECK(kept.publish(65535, "a", true) == "repeated");
    kept.begin(sensor);
    CHECK(kept.set.size() == 1024);
    CHECK(kept.stored.size() == 1024);
    kept.begin(mqtt);
    CHECK(kept.publish(65535, "a", true) == "repeated");  // the latest ids stay
    CHECK(kept.publish(1, "a", true) == "new");
}

TEST_CASE("random connections: what a client goes on with is never doubled, nothing new is lost") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        Random random{seed};
        Kept kept;
        struct Program {
            PacketIdSpace space;
            std::set<std::uint16_t> unreleased;  // what its PUBLISH says is the id, and its number
        };
        Program programs[] = {{mqtt, {}}, {sensor, {}}};
        for (int round = 0; round < 2000; ++round) {
            Program& program = programs[random.below(2)];
            kept.begin(program.space);
            const std::string own = program.space == mqtt ? "m" : "s";
            for (const std::uint16_t id : program.unreleased) {
                REQUIRE(kept.publish(id, own + std::to_string(id), true) == "repeated");
            }
            for (std::uint64_t steps = random.below(6); steps > 0; --steps) {
                const auto id = static_cast<std::uint16_t>(1 + random.below(20));
                if (program.unreleased.insert(id).second) {
                    REQUIRE(kept.publish(id, own + std::to_string(id)) == "new");
                } else {
                    program.unreleased.erase(id);
                    REQUIRE(kept.release(id));
                }
            }
            if (random.below(4) == 0) {
                kept.restart();
            }
        }
        REQUIRE(kept.set.size() == programs[0].unreleased.size() + programs[1].unreleased.size());
    }
}
