// From where a client speaks: who may move, what a move keeps, and who is kept out.
#include "broker-core/door/door.hpp"
#include "tests/unit/adapters/mqttsn/machine/sn_support.hpp"

namespace gw::test {

namespace {

using mqttsn::GatewayOptions;

const IpAddress near =
    IpAddress::from_v4({10, 0, 0, 1});  // of all ports but those placed elsewhere
const IpAddress far = IpAddress::from_v4({192, 0, 2, 9});
constexpr std::uint16_t far_port = 50000;

GatewayOptions with_administrators() {
    auto rules = std::make_shared<OriginRules>();
    rules->allows_anonymous = true;
    rules->administrators.push_back({near, 128});
    GatewayOptions options = open_gateway();
    options.origin = std::move(rules);
    return options;
}

void ban(SimWorld& world, const IpAddress& address) {
    world.shared().door = std::make_shared<Door>(DoorOptions{}, 1);
    Ban ban;
    ban.kind = BanKind::address;
    ban.range = IpRange{address, 128};
    REQUIRE(world.shared().door->add_ban(ban, {}).has_value());
}

}  // namespace

TEST_CASE("PINGREQ with its id moves a sleeper, never a client that is active") {
    SnFixture f;
    f.net.place(far_port, far);
    const auto client = f.connected("c");
    client->subscribe("a", 0);
    client->take();
    SnTestClient other{f.world, f.net, far_port};
    other.ping("c");
    CHECK(other.take() == Lines{"DISCONNECT"});
    CHECK(client->take() == Lines{});
    f.say("a", "1");
    CHECK(client->take() == Lines{"PUBLISH topic=1 '1'"});
    client->disconnect(100);
    CHECK(client->take() == Lines{"DISCONNECT"});
    f.say("a", "2");
    other.ping("c");
    CHECK(client->take() == Lines{"DISCONNECT"});  // it hears that it is not there any more
    CHECK(other.take() == Lines{"PUBLISH topic=1 '2'", "PINGRESP"});
}

TEST_CASE("a sleeper that is proven by DTLS alone moves by the same proof alone") {
    SnFixture f;
    auto identity = std::make_shared<TransportIdentity>();
    identity->psk_identity = "meter";
    f.net.prove(50001, identity);
    f.net.prove(50002, identity);
    SnTestClient client{f.world, f.net, 50001};
    client.connect("c");
    CHECK(client.take() == Lines{"CONNACK"});
    SnTestClient stranger{f.world, f.net, 50003};
    stranger.ping("c");
    CHECK(stranger.take() == Lines{"DISCONNECT"});
    client.move(50002);
    client.ping("c");  // active or not: it is the one
    CHECK(client.take() == Lines{"PINGRESP"});
}

TEST_CASE("a move keeps no right that rests on the address") {
    SnFixture f{with_administrators()};
    f.net.place(far_port, far);
    f.world.shared().access = std::make_shared<FakeAccess>([](const AccessRequest& request) {
        return request.topic == "secret" && request.client.ip != near ? AccessDecision::deny
                                                                      : AccessDecision::allow;
    });
    const auto client = f.connected("c");
    client->subscribe("$SYS/x", 1);
    client->subscribe("secret", 1, 2);
    client->subscribe("open", 1, 3);
    client->disconnect(100);
    client->take();
    f.say("$SYS/x", "1", Qos::at_least_once);
    f.say("secret", "2", Qos::at_least_once);
    SnTestClient other{f.world, f.net, far_port};
    other.ping("c");
    CHECK(other.take() == Lines{"PINGRESP"});
    CHECK(f.world.sum([](const Metrics& m) { return m.subscriptions_revoked.value(); }) == 2);
    f.say("$SYS/x", "3", Qos::at_least_once);
    f.say("open", "4", Qos::at_least_once);
    other.ping("c");
    CHECK(other.next().starts_with("PUBLISH qos=1 topic=3 "));
}

TEST_CASE("a banned address publishes nothing, connects nobody and moves nobody") {
    GatewayOptions options = open_gateway();
    options.connectionless_username = "";
    SnFixture f{options};
    f.net.place(far_port, far);
    const auto client = f.connected("c");
    client->subscribe("ab", 0);
    client->take();
    SnTestClient other{f.world, f.net, far_port};
    const auto publish = [&](std::string_view data) {
        mqttsn::Flags flags;
        flags.set_qos(mqttsn::WireQos::qos_minus_1)
            .set_topic_id_type(mqttsn::TopicIdType::short_name);
        other.send(mqttsn::Publish{flags, 'a' << 8 | 'b', 0, as_bytes(data)});
    };
    publish("1");
    CHECK(client->take().size() == 1);
    ban(f.world, far);
    publish("2");
    other.connect("d");
    other.ping("c");
    CHECK(client->take() == Lines{});
    CHECK(other.take() == Lines{});
    CHECK(f.dropped(DatagramDrop::not_allowed) == 3);
    CHECK(f.world.sum([](const Metrics& m) {
        return m.door_refused_by_reason[static_cast<std::size_t>(DoorReason::banned)].value();
    }) == 3);
}

TEST_CASE("publishes without a connection need a name where anonymous clients are not let in") {
    GatewayOptions options = open_gateway();
    options.origin = std::make_shared<OriginRules>();
    options.connectionless_username = "";
    SnFixture f{options};
    SnTestClient other{f.world, f.net, far_port};
    mqttsn::Flags flags;
    flags.set_qos(mqttsn::WireQos::qos_minus_1).set_topic_id_type(mqttsn::TopicIdType::short_name);
    other.send(mqttsn::Publish{flags, 'a' << 8 | 'b', 0, as_bytes("x")});
    CHECK(f.dropped(DatagramDrop::refused_publish) == 1);
}

}  // namespace gw::test
