// Topic ids, predefined topics, and what is kept with a session.
#include "adapters/mqttsn/machine/client_state.hpp"
#include "adapters/mqttsn/machine/predefined_topics.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace gw;
using namespace gw::mqttsn;

TEST_CASE("topic ids count from 1 and stay, few or many") {
    TopicRegistry topics;
    CHECK(topics.find("a") == 0);
    CHECK(topics.name_of(0).empty());
    CHECK(topics.name_of(1).empty());
    for (unsigned i = 1; i <= 3000; ++i) {
        CHECK(topics.add("topic/" + std::to_string(i)) == i);
    }
    for (unsigned i = 1; i <= 3000; ++i) {
        const std::string name = "topic/" + std::to_string(i);
        CHECK(topics.find(name) == i);
        CHECK(topics.name_of(static_cast<std::uint16_t>(i)) == name);
    }
    CHECK(topics.find("topic/3001") == 0);
    topics.set_known(7, true);
    CHECK(topics.is_known(7));
    topics.forget_known();
    CHECK_FALSE(topics.is_known(7));
}

TEST_CASE("topic names are bounded by their number and by their bytes, one always has room") {
    TopicRegistry topics;
    CHECK(topics.has_room_for(std::string(65535, 'x'), 1));
    topics.add(std::string(65535, 'x'));
    CHECK_FALSE(topics.has_room_for("a", 1));
    CHECK_FALSE(topics.has_room_for("a", 255));
    CHECK(topics.has_room_for("a", 256));
    for (int i = 0; i < 999; ++i) {
        topics.add(std::to_string(i));
    }
    CHECK_FALSE(topics.has_room_for("a", 1000));
    CHECK(topics.has_room_for("a", 1001));
}

TEST_CASE("a client's own predefined topics come before those of all") {
    PredefinedTopics topics;
    CHECK(topics.add(1, "common"));
    CHECK_FALSE(topics.add(1, "twice"));
    CHECK_FALSE(topics.add(0, "reserved"));
    CHECK_FALSE(topics.add(0xffff, "reserved"));
    CHECK(topics.add("c", 1, "own"));
    CHECK(topics.add("c", 2, "second"));
    CHECK(topics.name_of("d", 1) == "common");
    CHECK(topics.name_of("c", 1) == "own");
    CHECK(topics.name_of("d", 2).empty());
    CHECK(topics.name_of(2).empty());
    CHECK(topics.id_of("c", "second") == 2);
    CHECK(topics.id_of("d", "common") == 1);
    CHECK(topics.id_of("c", "common") == 0);  // it would take it for its own
    CHECK(topics.id_of("d", "nothing") == 0);
}

TEST_CASE("what is kept with a session comes back as it was") {
    ClientState state;
    state.will = {"will/topic", std::string{"me\0ssage", 8}, Qos::exactly_once, true};
    state.sleep = Sleep{600, 60, WallTime{Milliseconds{1'700'000'000'123}}};
    for (int i = 0; i < 20; ++i) {
        const std::uint16_t id = state.topics.add("t/" + std::to_string(i));
        state.topics.set_known(id, i % 2 == 0);
        state.topics.prefer(id, i % 3 == 0);
    }
    ByteBuffer bytes;
    encode_client_state(bytes, state);
    const auto again = decode_client_state(bytes.view());
    REQUIRE(again.has_value());
    CHECK(again->will.topic == state.will.topic);
    CHECK(again->will.message == state.will.message);
    CHECK(again->will.qos == state.will.qos);
    CHECK(again->will.retain);
    REQUIRE(again->sleep.has_value());
    CHECK(again->sleep->until == state.sleep->until);
    CHECK(again->sleep->duration == 600);
    CHECK(again->sleep->keep_alive == 60);
    CHECK(again->topics.size() == 20);
    for (std::uint16_t id = 1; id <= 20; ++id) {
        CHECK(again->topics.name_of(id) == state.topics.name_of(id));
        CHECK(again->topics.is_known(id) == state.topics.is_known(id));
        CHECK(again->topics.is_preferred(id) == state.topics.is_preferred(id));
    }
    ByteBuffer empty;
    encode_client_state(empty, {});
    CHECK(decode_client_state(empty.view())->empty());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CHECK_FALSE(decode_client_state(bytes.view().subspan(0, size)).has_value());
    }
    bytes.u8(0);
    CHECK_FALSE(decode_client_state(bytes.view()).has_value());
    bytes.data()[0] = 99;  // a newer version
    CHECK_FALSE(decode_client_state(bytes.view()).has_value());
}
