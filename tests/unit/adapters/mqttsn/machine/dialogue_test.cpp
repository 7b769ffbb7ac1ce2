// Dialogues in which datagrams are lost, come twice, or come too late.
#include "tests/unit/adapters/mqttsn/machine/sn_support.hpp"

using namespace gw;
using namespace gw::test;
using mqttsn::GatewayOptions;

TEST_CASE("an address that is not allowed gets no answer, and no client moves there") {
    SnFixture f;
    const auto client = f.connected("c");
    GatewayOptions strict = open_gateway();
    strict.lets_in = [](const IpAddress&) {
        return false;
    };
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
