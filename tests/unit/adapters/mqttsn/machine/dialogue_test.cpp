// Dialogues in which datagrams are lost, come twice, or come too late.
#include "tests/unit/adapters/mqttsn/machine/sn_support.hpp"

using namespace gw;
using namespace gw::test;
using mqttsn::Flags;
using mqttsn::GatewayOptions;
using mqttsn::ReturnCode;

namespace {

SimOptions slow_disk() {
    SimOptions options;
    options.storage_delay_max = 50ms;
    return options;
}

mqttsn::WillTopic will_topic(std::string_view topic) {
    return {Flags{}, topic};
}

}  // namespace

TEST_CASE("CONNACK was lost: what ended the will dialogue is answered again") {
    SnFixture f;
    const auto client = f.fresh();
    client->connect("c", 60, true, true);
    client->send(will_topic("w"));
    client->send(mqttsn::WillMessage{as_bytes("gone")});
    CHECK(client->take() == Lines{"WILLTOPICREQ", "WILLMSGREQ", "CONNACK"});
    client->send(mqttsn::WillMessage{as_bytes("gone")});
    CHECK(client->take() == Lines{"CONNACK"});
    client->connect("c", 60, true, true);  // nor does this begin anything anew
    CHECK(client->take() == Lines{"CONNACK"});
    client->ping();
    CHECK(client->take() == Lines{"PINGRESP"});
    client->send(mqttsn::WillMessage{as_bytes("gone")});  // it has had its CONNACK
    CHECK(client->take() == Lines{});
    CHECK(f.dropped(DatagramDrop::unexpected) == 1);

    const auto without = f.fresh();
    without->connect("d", 60, true, true);
    without->send(mqttsn::WillTopic{});
    without->send(mqttsn::WillTopic{});
    const std::uint8_t flags_alone[] = {3, 7, 0x20};  // a WILLTOPIC without a topic
    without->send_bytes(flags_alone);
    CHECK(without->take() == Lines{"WILLTOPICREQ", "CONNACK", "CONNACK", "CONNACK"});

    const auto unasked = f.connected("e");
    unasked->send(mqttsn::WillMessage{as_bytes("gone")});
    CHECK(unasked->take() == Lines{});
}

TEST_CASE("CONNECT in the midst of the will dialogue: a client that begins anew, or a late copy") {
    SnFixture f;
    const auto client = f.fresh();
    client->connect("c", 60, true, true);
    client->send(will_topic("first"));
    client->connect("c", 60, true, true);
    CHECK(client->take() == Lines{"WILLTOPICREQ", "WILLMSGREQ", "WILLTOPICREQ"});
    SUBCASE("it has begun anew") {
        client->send(will_topic("w"));
        client->send(mqttsn::WillMessage{as_bytes("gone")});
        CHECK(client->take() == Lines{"WILLMSGREQ", "CONNACK"});
    }
    SUBCASE("it has begun anew, and wants none") {
        client->send(mqttsn::WillTopic{});
        CHECK(client->take() == Lines{"CONNACK"});
    }
    SUBCASE("it goes on") {
        client->send(mqttsn::WillMessage{as_bytes("gone")});
        CHECK(client->take() == Lines{"CONNACK"});
    }
}

TEST_CASE("DUP is on what was sent before, not on the first PUBLISH behind a repeated REGISTER") {
    SnFixture f;
    const auto client = f.connected("c", 0);
    client->subscribe("a/+", 1);
    client->take();
    f.say("a/b", "x", Qos::at_least_once);
    f.world.run_for(10s);
    CHECK(client->take() == Lines{"REGISTER topic=1 id=1 'a/b'", "REGISTER topic=1 id=1 'a/b'"});
    SUBCASE("repeated after T_retry") {
        client->send(mqttsn::Regack{1, 1, ReturnCode::accepted});
    }
    SUBCASE("repeated when the client wakes up") {
        client->disconnect(60);
        client->ping("c");
        CHECK(client->take() == Lines{"DISCONNECT", "REGISTER topic=1 id=1 'a/b'"});
        client->send(mqttsn::Regack{1, 1, ReturnCode::accepted});
    }
    CHECK(client->take() == Lines{"PUBLISH qos=1 topic=1 id=1 'x'"});
    client->disconnect(60);
    client->ping("c");
    CHECK(client->take() == Lines{"DISCONNECT", "PUBLISH dup qos=1 topic=1 id=1 'x'"});
}

TEST_CASE("PUBREC that comes while the topic is told anew: the message is there, and comes once") {
    SnFixture f;
    const auto client = f.connected("c", 0, false);
    client->subscribe("a", 2);
    f.say("a", "x", Qos::exactly_once);
    CHECK(client->take() == Lines{"SUBACK qos=2 topic=1 id=1", "PUBLISH qos=2 topic=1 id=1 'x'"});
    client->connect("c", 0, false);
    CHECK(client->take() == Lines{"CONNACK", "REGISTER topic=1 id=1 'a'"});
    client->send(mqttsn::Pubrec{1});
    CHECK(client->take() == Lines{"PUBREL id=1"});
    client->send(mqttsn::Regack{1, 1, ReturnCode::accepted});  // late: begins nothing
    client->send(mqttsn::Pubcomp{1});
    f.world.run_for(60s);
    CHECK(client->take() == Lines{});
    f.say("a", "y", Qos::exactly_once);
    CHECK(client->take() == Lines{"REGISTER topic=1 id=2 'a'"});
    client->send(mqttsn::Pubrec{2});  // of nothing that was sent: the message is still to come
    CHECK(client->take() == Lines{"PUBREL id=2"});
}

TEST_CASE("a message at QoS 0 never has DUP, be its REGISTER repeated by CONNECT of a sleeper") {
    SnFixture f;
    const auto client = f.connected("c", 0);
    client->subscribe("a/+", 1);
    client->take();
    f.say("a/b", "x");
    client->disconnect(60);
    client->connect("c", 0, false);
    CHECK(client->take() == Lines{"REGISTER topic=1 id=1 'a/b'", "DISCONNECT", "CONNACK",
                                  "REGISTER topic=1 id=1 'a/b'"});
    client->send(mqttsn::Regack{1, 1, ReturnCode::accepted});
    CHECK(client->take() == Lines{"PUBLISH topic=1 'x'"});
}

TEST_CASE("no message comes under an id before SUBACK has told it, however slow the store") {
    SnFixture f{open_gateway(), slow_disk()};
    f.say("a", "retained", Qos::at_most_once, true);
    const auto client = f.connected("c", 60, false);
    f.world.run_for(100ms);
    client->subscribe("a", 0);
    f.say("a", "live");
    CHECK(client->take() == Lines{});
    f.world.run_for(100ms);
    const auto lines = client->take();
    REQUIRE(lines.size() == 3);
    CHECK(lines[0] == "SUBACK topic=1 id=1");
}

TEST_CASE("an awake client gets PINGRESP as soon as its own PUBLISH is stored and acknowledged") {
    SnFixture f{open_gateway(), slow_disk()};
    const auto reader = f.connected("r", 60, false);
    f.world.run_for(100ms);
    reader->send(mqttsn::Register{0, 1, "a"});
    f.world.run_for(100ms);
    reader->subscribe("b", 1, 2);
    f.world.run_for(100ms);
    reader->disconnect(60);
    f.world.run_for(100ms);
    reader->take();
    const auto other = f.connected("o", 60, false);
    other->subscribe("a", 1);
    f.world.run_for(100ms);
    reader->publish(1, "x", 1, 3);  // has to be stored for the other
    reader->ping("r");
    f.world.run_for(100ms);
    CHECK(reader->take() == Lines{"PUBACK topic=1 id=3", "PINGRESP"});
}

TEST_CASE("a late answer of a client that sleeps begins nothing that is repeated to it") {
    SnFixture f;
    const auto client = f.connected("c", 0);
    client->subscribe("a", 2);
    client->take();
    f.say("a", "x", Qos::exactly_once);
    client->disconnect(600);
    client->send(mqttsn::Pubrec{1});
    CHECK(client->take() == Lines{"PUBLISH qos=2 topic=1 id=1 'x'", "DISCONNECT", "PUBREL id=1"});
    f.world.run_for(600s);
    CHECK(client->take() == Lines{});
    client->ping("c");
    CHECK(client->take() == Lines{"PUBREL id=1"});
    client->send(mqttsn::Pubcomp{1});
    CHECK(client->take() == Lines{"PINGRESP"});
}

TEST_CASE("an address that is not allowed gets no answer, and no client moves there") {
    SnFixture f;
    const auto client = f.connected("c");
    GatewayOptions strict = open_gateway();
    auto rules = std::make_shared<OriginRules>();
    rules->access.push_back({.is_allowed = false, .range = {}});
    strict.origin = std::move(rules);
    f.net.set_options(strict);
    const auto stranger = f.fresh();
    stranger->connect("d");
    stranger->ping("c");
    stranger->ping();
    stranger->disconnect();
    stranger->publish(1, "x", 1, 1);
    stranger->send(mqttsn::SearchGateway{});
    CHECK(stranger->take() == Lines{});
    CHECK(f.dropped(DatagramDrop::not_allowed) == 6);
    f.net.set_options(open_gateway());
    client->ping();
    CHECK(client->take() == Lines{"PINGRESP"});
}

TEST_CASE("DISCONNECT of nobody is answered again after a while, not at once: no endless talk") {
    SnFixture f;
    const auto client = f.fresh();
    for (int i = 0; i < 3; ++i) {
        client->disconnect();
        CHECK(client->take() == Lines{"DISCONNECT"});
        client->disconnect();  // another gateway would say so, for what we have said
        CHECK(client->take() == Lines{});
        f.world.run_for(1s);
    }
    const auto another = f.fresh();
    another->disconnect();
    CHECK(another->take() == Lines{"DISCONNECT"});
}

TEST_CASE("over DTLS a message above what a record carries is given up, and the next one comes") {
    SnFixture f;
    auto identity = std::make_shared<TransportIdentity>();
    identity->psk_identity = "meter";
    f.net.prove(50000, identity);
    SnTestClient secure{f.world, f.net, 50000};
    secure.connect("c");
    secure.subscribe("a", 1);
    CHECK(secure.take() == Lines{"CONNACK", "SUBACK qos=1 topic=1 id=1"});
    constexpr std::size_t header_bytes = 9;  // of PUBLISH with a length of three octets
    f.say("a", std::string(16384 - header_bytes + 1, 'x'), Qos::at_least_once);
    CHECK(secure.take() == Lines{});
    f.say("a", std::string(16384 - header_bytes, 'y'), Qos::at_least_once);
    CHECK(secure.take().size() == 1);
}
