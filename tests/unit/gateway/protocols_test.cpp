#include "broker-core/session/session_state.hpp"
#include "gateway/protocols/known_protocols.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace gw;

TEST_CASE("protocols have numbers of their own, and names") {
    const ProtocolList all = known_protocols();
    std::set<unsigned> numbers{internal_protocol.number};
    std::set<std::string_view> names{internal_protocol.name};
    for (const ProtocolTraits* const one : all.all()) {
        CAPTURE(one->name);
        CHECK(numbers.insert(one->number).second);
        CHECK(names.insert(one->name).second);
        CHECK(!one->family.empty());
        CHECK(static_cast<std::uint8_t>(one->packet_ids) <= packet_id_space_max);
        CHECK(&all.by_number(one->number) == one);
    }
}

TEST_CASE("a family is that of its newest version") {
    const ProtocolList all = known_protocols();
    CHECK(all.of_family("mqtt") == &mqtt::protocol_5);
    CHECK(all.of_family("mqtt-sn") == &mqttsn::protocol);
    CHECK(all.of_family("coap") == &coap::protocol);
    CHECK(all.of_family("stomp") == &stomp::protocol);
    CHECK(all.of_family("amqp") == nullptr);
    CHECK(all.of_family("internal") == nullptr);
}

TEST_CASE("a session of a protocol that is not there any more is read from the store") {
    SessionState state;
    state.protocol = 200;
    ByteBuffer bytes;
    encode_session_state(bytes, state);
    const auto read = decode_session_state(bytes.view());
    REQUIRE(read);
    CHECK(read->protocol == 200);
    CHECK(&known_protocols().by_number(read->protocol) == &internal_protocol);
}
