// Every timer of the gateway, to the millisecond.
#include "tests/unit/adapters/mqttsn/machine/sn_support.hpp"

using namespace gw;
using namespace gw::test;
using mqttsn::GatewayOptions;

namespace {

std::uint64_t closed_by(SimWorld& world, ReasonCode reason) {
    return world.sum([reason](const Metrics& m) {
        return m.connections_closed_by_reason[static_cast<std::size_t>(reason)].value();
    });
}

GatewayOptions retrying(Milliseconds interval, unsigned count, double backoff) {
    GatewayOptions options = open_gateway();
    options.retry_interval = interval;
    options.retry_count_max = count;
    options.retry_backoff = backoff;
    return options;
}

}  // namespace

TEST_CASE("a silent client is lost at one and a half keep alives, not earlier") {
    SnFixture f;
    const auto client = f.connected("c", 10);
    f.world.run_for(14'999ms);
    CHECK(client->next() == "");
    f.world.run_for(1ms);
    CHECK(client->next() == "DISCONNECT");
    CHECK(closed_by(f.world, ReasonCode::keep_alive_timeout) == 1);
    CHECK(f.net.connection_count() == 0);
    CHECK(f.net.bound_count() == 0);
}

TEST_CASE("any message is a sign of life; a keep alive of 0 is none") {
    SnFixture f;
    const auto pings = f.connected("p", 10);
    const auto never_lost = f.connected("n", 0);
    for (int i = 0; i < 5; ++i) {
        f.world.run_for(14'000ms);
        pings->ping();
        CHECK(pings->next() == "PINGRESP");
    }
    f.world.run_for(24h);
    CHECK(pings->next() == "DISCONNECT");
    never_lost->ping();
    CHECK(never_lost->next() == "PINGRESP");
}

TEST_CASE("a sleep may be exceeded by half up to a minute, by a tenth above") {
    for (const auto& [duration, limit] : {std::pair{60, 90'000ms}, std::pair{100, 110'000ms}}) {
        CAPTURE(duration);
        SnFixture f;
        const auto client = f.connected("c", 5);
        client->disconnect(static_cast<std::uint16_t>(duration));
        CHECK(client->next() == "DISCONNECT");
        f.world.run_for(limit - 1ms);
        CHECK(f.net.connection_count() == 1);
        f.world.run_for(1ms);
        CHECK(f.net.connection_count() == 0);
        CHECK(client->next() == "");  // it would not hear it
        client->ping("c");
        CHECK(client->next() == "DISCONNECT");
    }
}

TEST_CASE("each PINGREQ begins the sleep anew") {
    SnFixture f;
    const auto client = f.connected("c", 5);
    client->disconnect(60);
    for (int i = 0; i < 5; ++i) {
        f.world.run_for(89'000ms);
        client->ping("c");
    }
    CHECK(f.net.connection_count() == 1);
    f.world.run_for(90'000ms);
    CHECK(f.net.connection_count() == 0);
}

TEST_CASE("T_retry, backoff and N_retry of a message to the client") {
    SnFixture f{retrying(10s, 3, 2.0)};
    const auto client = f.connected("c", 0);
    client->subscribe("a", 1);
    CHECK(client->next() == "SUBACK qos=1 topic=1 id=1");
    f.say("a", "x", Qos::at_least_once);
    CHECK(client->next() == "PUBLISH qos=1 topic=1 id=1 'x'");
    for (const auto wait : {10'000ms, 20'000ms, 40'000ms}) {
        f.world.run_for(wait - 1ms);
        CHECK(client->next() == "");
        f.world.run_for(1ms);
        CHECK(client->next() == "PUBLISH dup qos=1 topic=1 id=1 'x'");
    }
    f.world.run_for(79'999ms);
    CHECK(client->next() == "");
    f.world.run_for(1ms);
    CHECK(client->next() == "DISCONNECT");
    CHECK(closed_by(f.world, ReasonCode::connection_lost) == 1);
}

TEST_CASE("an acknowledgement ends the repetitions, and the next message starts afresh") {
    SnFixture f{retrying(10s, 3, 1.0)};
    const auto client = f.connected("c", 0);
    client->subscribe("a", 2);
    client->take();
    f.say("a", "x", Qos::exactly_once);
    f.say("a", "y", Qos::exactly_once);
    CHECK(client->take() == Lines{"PUBLISH qos=2 topic=1 id=1 'x'"});
    f.world.run_for(9s);
    client->send(mqttsn::Pubrec{1});
    CHECK(client->take() == Lines{"PUBREL id=1"});
    f.world.run_for(9'999ms);
    CHECK(client->take() == Lines{});
    f.world.run_for(1ms);
    CHECK(client->take() == Lines{"PUBREL id=1"});
    client->send(mqttsn::Pubcomp{1});
    CHECK(client->take() == Lines{"PUBLISH qos=2 topic=1 id=2 'y'"});
    f.world.run_for(10s);
    CHECK(client->take() == Lines{"PUBLISH dup qos=2 topic=1 id=2 'y'"});
}

TEST_CASE("REGISTER is repeated under its message id; the message follows REGACK") {
    SnFixture f{retrying(10s, 3, 1.0)};
    const auto client = f.connected("c", 0);
    client->subscribe("a/+", 0);
    client->take();
    f.say("a/b", "x");
    CHECK(client->take() == Lines{"REGISTER topic=1 id=1 'a/b'"});
    f.world.run_for(10s);
    CHECK(client->take() == Lines{"REGISTER topic=1 id=1 'a/b'"});
    client->send(mqttsn::Regack{1, 1, mqttsn::ReturnCode::congestion});
    CHECK(client->take() == Lines{});  // again after T_retry
    f.world.run_for(10s);
    CHECK(client->take() == Lines{"REGISTER topic=1 id=1 'a/b'"});
    client->send(mqttsn::Regack{1, 1, mqttsn::ReturnCode::accepted});
    CHECK(client->take() == Lines{"PUBLISH topic=1 'x'"});
}

TEST_CASE("questions about the will are repeated, then given up") {
    SnFixture f{retrying(10s, 2, 1.0)};
    const auto client = f.fresh();
    client->connect("c", 60, true, true);
    CHECK(client->take() == Lines{"WILLTOPICREQ"});
    f.world.run_for(20s);
    CHECK(client->take() == Lines{"WILLTOPICREQ", "WILLTOPICREQ"});
    f.world.run_for(10s);
    CHECK(client->take() == Lines{});
    CHECK(f.net.connection_count() == 0);
    CHECK(f.net.client_count() == 0);
    CHECK(f.world.sum([](const Metrics& m) { return m.sessions_created.value(); }) == 0);
}

TEST_CASE("a client that answers nothing while awake is taken to sleep; its message waits") {
    SnFixture f{retrying(10s, 1, 1.0)};
    const auto client = f.connected("c", 60);
    client->subscribe("a", 1);
    client->disconnect(600);
    client->take();
    f.say("a", "x", Qos::at_least_once);
    CHECK(client->take() == Lines{});
    client->ping("c");
    CHECK(client->take() == Lines{"PUBLISH qos=1 topic=1 id=1 'x'"});
    f.world.run_for(10s);
    CHECK(client->take() == Lines{"PUBLISH dup qos=1 topic=1 id=1 'x'"});
    f.world.run_for(60s);
    CHECK(client->take() == Lines{});
    client->ping("c");
    CHECK(client->take() == Lines{"PUBLISH dup qos=1 topic=1 id=1 'x'"});
    client->send(mqttsn::Puback{1, 1, {}});
    CHECK(client->take() == Lines{"PINGRESP"});
}

TEST_CASE("ADVERTISE comes at once and then at its interval; a reload changes it") {
    GatewayOptions options = open_gateway();
    options.gateway_id = 9;
    options.advertise_interval = 900s;
    SnFixture f{options};
    f.world.settle();
    REQUIRE(f.net.multicasts.size() == 1);
    CHECK(sn_text(as_bytes(f.net.multicasts[0].second)) == "ADVERTISE gateway=9 duration=900");
    f.world.run_for(899'999ms);
    CHECK(f.net.multicasts.size() == 1);
    f.world.run_for(1ms);
    CHECK(f.net.multicasts.size() == 2);
    options.advertise_interval = 0s;
    f.net.set_options(options);
    f.world.run_for(10'000s);
    CHECK(f.net.multicasts.size() == 2);
}

TEST_CASE("SEARCHGW is answered to the one that asks and to the group, within the radius") {
    SnFixture f;
    f.net.multicasts.clear();
    const auto client = f.fresh();
    client->send(mqttsn::SearchGateway{3});
    CHECK(client->take() == Lines{"GWINFO gateway=1"});
    REQUIRE(f.net.multicasts.size() >= 1);
    CHECK(f.net.multicasts.back().first == 3);
    CHECK(sn_text(as_bytes(f.net.multicasts.back().second)) == "GWINFO gateway=1");
}

TEST_CASE("sessions that are not clean expire after their client has gone") {
    GatewayOptions options = open_gateway();
    options.session_expiry = 100s;
    SnFixture f{options};
    const auto client = f.connected("c", 60, false);
    client->disconnect();
    f.world.run_for(99'999ms);
    CHECK(f.world.broker().find_session("c") != nullptr);
    f.world.run_for(1ms);
    CHECK(f.world.broker().find_session("c") == nullptr);
}
