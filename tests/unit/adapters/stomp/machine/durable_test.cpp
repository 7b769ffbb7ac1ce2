// Sessions that outlive their connections: durable subscriptions, the store, other protocols.
#include "tests/unit/adapters/stomp/machine/stomp_support.hpp"

using namespace gw;
using namespace gw::test;

namespace {

std::unique_ptr<StompClient> named(SimWorld& world, Version version = Version::v1_2) {
    return logged_in(world, version, {{"client-id", "c"}});
}

Session* session_of(SimWorld& world) {
    return world.broker(world.broker().worker_of("c")).find_session("c");
}

}  // namespace

TEST_CASE("a durable subscription waits for its client, others end with the connection") {
    SimWorld world{SimOptions{}};
    auto client = named(world);
    client->subscribe("d", "a", "client", true);
    client->subscribe("t", "b", "client");
    client->frame(Command::disconnect);
    REQUIRE(session_of(world) != nullptr);
    CHECK(session_of(world)->subscriptions.size() == 1);
    const auto sender = logged_in(world);
    sender->publish("a", "1");
    sender->publish("b", "2");
    sender->publish("a", "3");

    client = std::make_unique<StompClient>(world);
    client->connect(Version::v1_2, {{"client-id", "c"}});
    CHECK(client->next_frame().get("session-present") == "true");
    // Nothing before it has said under which id.
    CHECK(client->next() == "");
    client->subscribe("new:id", "a", "client", true);
    CHECK(client->next() == "MESSAGE subscription=new:id ack destination=a qos=0 | 1");
    CHECK(client->next() == "MESSAGE subscription=new:id ack destination=a qos=0 | 3");
    CHECK(client->next() == "");
}

TEST_CASE("without a durable subscription the session ends with its connection") {
    SimWorld world{SimOptions{}};
    const auto client = named(world);
    client->subscribe("t", "b", "client");
    client->close();
    CHECK(session_of(world) == nullptr);
    const auto again = named(world);
    again->subscribe("d", "a", "client", true);
    again->frame(Command::unsubscribe, {{"id", "d"}});
    again->close();
    CHECK(session_of(world) == nullptr);
}

TEST_CASE("what was not acknowledged comes again to the next connection, marked and in order") {
    SimWorld world{SimOptions{}};
    for (const bool is_orderly : {true, false}) {
        auto client = named(world);
        client->subscribe("1", "a", "client-individual", true);
        for (int i = 0; i < 4; ++i) {
            client->publish("a", std::to_string(i));
        }
        std::vector<StompFrame> got;
        for (int i = 0; i < 4; ++i) {
            got.push_back(client->next_frame());
        }
        client->ack(got[1]);
        if (is_orderly) {
            client->frame(Command::disconnect);
        } else {
            client->close();
        }
        client = named(world, Version::v1_1);
        client->subscribe("1", "a", "client", true);
        CHECK(client->next() == "MESSAGE subscription=1 destination=a redelivered=true qos=0 | 0");
        CHECK(client->next() == "MESSAGE subscription=1 destination=a redelivered=true qos=0 | 2");
        const StompFrame last = client->next_frame();
        CHECK(last.body == "3");
        client->ack(last);
        client->frame(Command::unsubscribe, {{"id", "1"}});
        client->close();
    }
}

TEST_CASE("a durable subscription with ack:auto counts a message as received when it is written") {
    SimWorld world{SimOptions{}};
    auto client = named(world);
    client->subscribe("1", "a", "auto", true);
    client->publish("a", "1");
    CHECK(client->next() == "MESSAGE subscription=1 destination=a qos=0 | 1");
    CHECK(session_of(world)->inflight.empty());
    world.set_reading(client->link(), false);
    client->publish("a", "2");
    CHECK(session_of(world)->inflight.count() == 1);
    client->close();
    client = named(world);
    client->subscribe("1", "a", "auto", true);
    CHECK(client->next() == "MESSAGE subscription=1 destination=a redelivered=true qos=0 | 2");
    CHECK(session_of(world)->inflight.empty());
}

TEST_CASE("of several durable subscriptions each waits for its own id") {
    SimWorld world{SimOptions{}};
    auto client = named(world);
    client->subscribe("1", "a", "client", true);
    client->subscribe("2", "b/#", "client", true);
    client->close();
    const auto sender = logged_in(world);
    sender->publish("a", "1");
    sender->publish("b/x", "2");
    sender->publish("a", "3");
    client = named(world);
    client->subscribe("one", "a", "client", true);
    CHECK(client->next() == "MESSAGE subscription=one ack destination=a qos=0 | 1");
    CHECK(client->next() == "MESSAGE subscription=one ack destination=a qos=0 | 3");
    sender->publish("b/y", "4");
    CHECK(client->next() == "");
    client->subscribe("two", "b/#", "client", true);
    CHECK(client->next() == "MESSAGE subscription=two ack destination=b/x qos=0 | 2");
    CHECK(client->next() == "MESSAGE subscription=two ack destination=b/y qos=0 | 4");
}

TEST_CASE("retained messages come with a new durable subscription, not when it is named again") {
    SimWorld world{SimOptions{}};
    const auto sender = logged_in(world);
    sender->publish("a", "kept", {{"retain", "true"}});
    auto client = named(world);
    client->subscribe("1", "a", "auto", true);
    CHECK(client->next() == "MESSAGE subscription=1 destination=a retain=true qos=0 | kept");
    client->frame(Command::disconnect);
    client = named(world);
    client->subscribe("1", "a", "auto", true);
    CHECK(client->next() == "");
}

TEST_CASE("one session, whether its client speaks MQTT or STOMP") {
    SimWorld world{SimOptions{}};
    const auto sender = logged_in(world);
    {
        TestClient mqtt{world, mqtt::Version::v3_1_1};
        mqtt.connect("c", [](mqtt::ConnectPacket& packet) { packet.clean_start = false; });
        mqtt.subscribe("m/#", {.qos = Qos::exactly_once});
        mqtt.disconnect();
    }
    sender->publish("m/1", "for stomp", {{"qos", "2"}});
    auto client = named(world);
    client->subscribe("1", "m/#", "client");  // it was durable, and stays so
    const StompFrame got = client->next_frame();
    CHECK(got.text() == "MESSAGE subscription=1 ack destination=m/1 qos=2 | for stomp");
    client->ack(got);
    CHECK(session_of(world)->inflight.empty());
    client->frame(Command::disconnect);
    sender->publish("m/2", "for mqtt", {{"qos", "1"}});
    TestClient mqtt{world, mqtt::Version::v3_1_1};
    mqtt.connect("c", [](mqtt::ConnectPacket& packet) { packet.clean_start = false; });
    CHECK(mqtt.next() == "CONNACK session_present");
    CHECK(mqtt.next().find("for mqtt") != std::string::npos);
    mqtt.close();
}

TEST_CASE("passing subscriptions go also when another connection takes the session over") {
    SimWorld world{SimOptions{}};
    const auto first = named(world);
    first->subscribe("d", "a", "client", true);
    first->subscribe("t", "b", "client");
    const auto second = named(world);
    CHECK(session_of(world)->subscriptions.size() == 1);
    second->publish("b", "x");
    second->subscribe("t", "b", "client");
    CHECK(second->next() == "");
}

TEST_CASE("a RECEIPT leaves when what it promises is stored, and in the order of the frames") {
    SimOptions options;
    options.storage_delay_max = 20ms;
    SimWorld world{options};
    const auto receiver = named(world);
    receiver->subscribe("1", "a", "client", true);
    world.run_for(100ms);
    const auto sender = logged_in(world);
    sender->publish("a", "x", {{"receipt", "1"}});
    const StoreTicket wanted = world.disk().submitted(0);
    sender->publish("nobody", "y", {{"receipt", "2"}});
    sender->publish("a", "z", {{"receipt", "3"}});
    sender->frame(Command::disconnect, {{"receipt", "4"}});
    Lines got;
    for (int i = 0; i < 100; ++i) {
        for (const std::string& line : sender->take()) {
            CHECK(world.disk().committed(0) >= wanted);
            got.push_back(line);
        }
        world.run_for(1ms);
    }
    CHECK(got == Lines{"RECEIPT receipt-id=1", "RECEIPT receipt-id=2", "RECEIPT receipt-id=3",
                       "RECEIPT receipt-id=4"});
    CHECK(sender->is_closed());
}

TEST_CASE("CONNECTED leaves when the session is stored, and what was sent behind CONNECT follows") {
    SimOptions options;
    options.storage_delay_max = 20ms;
    SimWorld world{options};
    StompClient client{world};
    client.frame(Command::connect, {{"accept-version", "1.2"}, {"host", "h"}, {"client-id", "c"}});
    client.publish("a", "x", {{"receipt", "1"}});
    const StoreTicket wanted = world.disk().submitted(0);
    while (world.disk().committed(0) < wanted) {
        CHECK(client.take() == Lines{});
        world.run_for(1ms);
    }
    CHECK(client.next_frame().command == "CONNECTED");
    CHECK(client.next() == "RECEIPT receipt-id=1");
    // Nothing is to be stored for a client that brings no id.
    StompClient passing{world};
    passing.frame(Command::connect, {{"accept-version", "1.2"}, {"host", "h"}});
    CHECK(passing.next_frame().command == "CONNECTED");
    // The end of the connection meanwhile is the end of the session.
    StompClient hasty{world};
    hasty.frame(Command::connect,
                {{"accept-version", "1.2"}, {"host", "h"}, {"client-id", "hasty"}});
    hasty.close();
    world.run_for(100ms);
    CHECK(hasty.take() == Lines{});
    CHECK(world.broker().find_session("hasty") == nullptr);
}

TEST_CASE("with store.ack = memory receipts leave at once") {
    SimOptions options;
    options.storage_delay_max = 20ms;
    SimWorld world{options};
    stomp::MachineOptions listener = open_stomp_listener();
    listener.waits_for_store = false;
    const auto client = logged_in(world, Version::v1_2, {{"client-id", "c"}}, listener);
    client->subscribe("1", "a", "auto", true);
    client->publish("a", "x", {{"receipt", "1"}});
    CHECK(client->take().back() == "RECEIPT receipt-id=1");
}

TEST_CASE("the receipt of DISCONNECT comes when a restart does not bring the session back") {
    SimOptions options;
    options.storage_delay_max = 20ms;
    SimWorld world{options};
    StompClient client{world};
    client.frame(Command::connect, {{"accept-version", "1.2"}, {"host", "h"}, {"client-id", "c"}});
    client.subscribe("1", "a", "auto", true);
    client.frame(Command::unsubscribe, {{"id", "1"}});
    world.run_for(100ms);
    CHECK(client.next_frame().command == "CONNECTED");
    client.frame(Command::disconnect, {{"receipt", "bye"}});
    while (client.take() != Lines{"RECEIPT receipt-id=bye"}) {
        REQUIRE(world.now() < 1s);
        world.run_for(1ms);
    }
    world.crash();
    world.run_for(1s);
    CHECK(world.broker().find_session("c") == nullptr);
}

TEST_CASE(
    "what a subscription has not acknowledged at its end waits for another one not named yet") {
    SimWorld world{SimOptions{}};
    {
        const auto before = named(world);
        before->subscribe("1", "a/b", "client", true);
        before->close();
    }
    const auto sender = logged_in(world);
    for (const bool is_named : {false, true}) {
        CAPTURE(is_named);
        const auto client = named(world);
        client->subscribe("all", "a/#", "client", true);
        if (is_named) {
            client->subscribe("one", "a/b", "client", true);
        }
        sender->publish("a/b", "1");
        sender->publish("a/c", "2");
        sender->publish("a/b", "3");
        CHECK(client->take().size() == (is_named ? 5U : 3U));
        client->frame(Command::unsubscribe, {{"id", "all"}});
        CHECK(client->next() == "");
        if (!is_named) {
            client->subscribe("one", "a/b", "client", true);
            const std::string again =
                "MESSAGE subscription=one ack destination=a/b redelivered=true qos=0 | ";
            CHECK(client->next() == again + "1");
            const StompFrame last = client->next_frame();
            CHECK(last.text() == again + "3");
            client->ack(last);
        }
        CHECK(client->next() == "");
        client->close();
    }
}

TEST_CASE("what an auto subscription has got is kept for one with ACK that is not named yet") {
    SimWorld world{SimOptions{}};
    {
        const auto before = named(world);
        before->subscribe("1", "a/#", "auto", true);
        before->subscribe("2", "a/b", "client", true);
        before->close();
    }
    const auto sender = logged_in(world);
    sender->publish("a/b", "1");
    sender->publish("a/c", "2");
    sender->publish("a/b", "3");
    {
        const auto client = named(world);
        client->subscribe("1", "a/#", "auto", true);
        for (const char* body : {"b qos=0 | 1", "c qos=0 | 2", "b qos=0 | 3"}) {
            CHECK(client->next() == "MESSAGE subscription=1 destination=a/" + std::string{body});
        }
        CHECK(client->next() == "");
        client->subscribe("2", "a/b", "client", true);
        for (const char* body : {"1", "3"}) {
            CHECK(client->next() ==
                  "MESSAGE subscription=2 ack destination=a/b qos=0 | " + std::string{body});
        }
        CHECK(client->next() == "");
        client->close();
    }
    // Not acknowledged there, though written here.
    const auto client = named(world);
    client->subscribe("2", "a/b", "client", true);
    for (const char* body : {"1", "3"}) {
        const StompFrame message = client->next_frame();
        CHECK(message.text() ==
              "MESSAGE subscription=2 ack destination=a/b redelivered=true qos=0 | " +
                  std::string{body});
        client->ack(message);
    }
    CHECK(client->next() == "");
    CHECK(session_of(world)->inflight.count() == 0);
}
