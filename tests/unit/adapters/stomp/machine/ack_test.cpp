// Acknowledgements: modes, windows, refusals, what comes again and to whom.
#include "tests/unit/adapters/stomp/machine/stomp_support.hpp"

using namespace gw;
using namespace gw::test;

namespace {

std::size_t in_flight(SimWorld& world, std::string_view client_id) {
    return world.broker().find_session(client_id)->inflight.count();
}

std::vector<StompFrame> frames(StompClient& client) {
    std::vector<StompFrame> got;
    for (StompFrame one = client.next_frame(); !one.command.empty(); one = client.next_frame()) {
        got.push_back(std::move(one));
    }
    return got;
}

Lines bodies(const std::vector<StompFrame>& got) {
    Lines out;
    for (const StompFrame& one : got) {
        out.push_back(one.body);
    }
    return out;
}

}  // namespace

TEST_CASE("ack:auto holds nothing in flight, ack:client and client-individual do") {
    SimWorld world{SimOptions{}};
    for (const auto& [mode, count] :
         {std::pair{"auto", 0U}, {"client", 3U}, {"client-individual", 3U}}) {
        const std::string id = std::string{"c-"} + mode;
        const auto client = logged_in(world, Version::v1_2, {{"client-id", id}});
        client->subscribe("1", "t", mode);
        for (int i = 0; i < 3; ++i) {
            client->publish("t", "x");
        }
        CHECK(client->take().size() == 3);
        CHECK(in_flight(world, id) == count);
    }
}

TEST_CASE("an ACK is cumulative with ack:client, and for one message with client-individual") {
    SimWorld world{SimOptions{}};
    for (const Version version : {Version::v1_0, Version::v1_1, Version::v1_2}) {
        for (const bool is_cumulative : {true, false}) {
            const auto client = logged_in(world, version, {{"client-id", "c"}});
            client->subscribe("1", "t", is_cumulative ? "client" : "client-individual");
            client->subscribe("2", "u", "client");
            client->publish("u", "other");
            for (int i = 0; i < 5; ++i) {
                client->publish("t", std::to_string(i));
            }
            const auto got = frames(*client);
            REQUIRE(got.size() == 6);
            client->ack(got[3]);
            CHECK(in_flight(world, "c") == (is_cumulative ? 3U : 5U));
            client->ack(got[3]);  // twice does no harm
            client->ack(got[2]);  // nor does an older one
            CHECK(in_flight(world, "c") == (is_cumulative ? 3U : 4U));
            client->ack(got[5]);
            CHECK(in_flight(world, "c") == (is_cumulative ? 1U : 3U));
            client->frame(Command::disconnect);
        }
    }
}

TEST_CASE("more than the window waits for acknowledgements, in order") {
    SimWorld world{SimOptions{}};
    stomp::MachineOptions options = open_stomp_listener();
    options.unacked_max = 3;
    const auto client = logged_in(world, Version::v1_2, {}, options);
    client->subscribe("1", "t", "client");
    for (int i = 0; i < 8; ++i) {
        client->publish("t", std::to_string(i));
    }
    auto got = frames(*client);
    CHECK(bodies(got) == Lines{"0", "1", "2"});
    client->ack(got[1]);
    got = frames(*client);
    CHECK(bodies(got) == Lines{"3", "4"});
    client->ack(got[1]);
    got = frames(*client);
    CHECK(bodies(got) == Lines{"5", "6", "7"});
}

TEST_CASE("NACK brings the message again, marked, with an id of its own") {
    SimWorld world{SimOptions{}};
    const auto client = logged_in(world, Version::v1_2, {{"client-id", "c"}});
    client->subscribe("1", "t", "client-individual");
    client->publish("t", "a");
    client->publish("t", "b");
    const auto got = frames(*client);
    REQUIRE(got.size() == 2);
    client->ack(got[0], Command::nack);
    const StompFrame again = client->next_frame();
    CHECK(again.text() == "MESSAGE subscription=1 ack destination=t redelivered=true qos=0 | a");
    CHECK(again.get("ack") != got[0].get("ack"));
    CHECK(client->next() == "");
    client->ack(got[0]);  // the old id is over
    CHECK(in_flight(world, "c") == 2);
    client->ack(again);
    client->ack(got[1]);
    CHECK(in_flight(world, "c") == 0);
}

TEST_CASE("NACK is cumulative with ack:client") {
    SimWorld world{SimOptions{}};
    const auto client = logged_in(world, Version::v1_1, {{"client-id", "c"}});
    client->subscribe("1", "t", "client");
    for (int i = 0; i < 4; ++i) {
        client->publish("t", std::to_string(i));
    }
    const auto got = frames(*client);
    client->ack(got[2], Command::nack);
    const auto again = frames(*client);
    CHECK(bodies(again) == Lines{"0", "1", "2"});
    client->ack(again[2]);
    CHECK(in_flight(world, "c") == 0);  // 3 was sent before
}

TEST_CASE("a message that was refused and has expired is not sent again") {
    SimWorld world{SimOptions{}};
    const auto client = logged_in(world, Version::v1_2, {{"client-id", "c"}});
    client->subscribe("1", "t", "client-individual");
    client->publish("t", "a", {{"expires", "5"}});
    const StompFrame got = client->next_frame();
    world.run_for(6s);
    client->ack(got, Command::nack);
    CHECK(client->next() == "");
    CHECK(in_flight(world, "c") == 0);
}

TEST_CASE("refusals that a client does not read are not piled up") {
    SimWorld world{SimOptions{}};
    stomp::MachineOptions options = open_stomp_listener();
    options.unsent_bytes_max = 50'000;
    const auto client = logged_in(world, Version::v1_2, {}, options);
    client->subscribe("1", "t", "client-individual");
    for (int i = 0; i < 20; ++i) {
        client->publish("t", std::string(10'000, 'x'));
    }
    auto got = frames(*client);
    REQUIRE(got.size() == 20);
    world.set_reading(client->link(), false);
    for (const StompFrame& one : got) {
        client->ack(one, Command::nack);
        client->ack(one, Command::nack);
    }
    CHECK(client->connection().unsent_bytes() < 100'000);
    world.set_reading(client->link(), true);
    world.run_for(1ms);
    CHECK(frames(*client).size() == 20);
}

TEST_CASE("the messages of several subscriptions are one delivery, over when all are done") {
    SimWorld world{SimOptions{}};
    const auto client = logged_in(world, Version::v1_2, {{"client-id", "c"}});
    client->subscribe("1", "t", "client-individual");
    client->subscribe("2", "t", "client-individual");
    client->subscribe("3", "#", "auto");
    client->publish("t", "x");
    const auto got = frames(*client);
    REQUIRE(got.size() == 3);
    std::vector<StompFrame> tracked;
    for (const StompFrame& one : got) {
        CHECK((one.get("ack") != "") == (one.get("subscription") != "3"));
        if (one.get("ack") != "") {
            tracked.push_back(one);
        }
    }
    REQUIRE(tracked.size() == 2);
    client->ack(tracked[0], Command::nack);
    const auto again = frames(*client);
    REQUIRE(again.size() == 1);
    CHECK(again[0].get("subscription") == tracked[0].get("subscription"));
    client->ack(tracked[1]);
    CHECK(in_flight(world, "c") == 1);
    client->ack(again[0]);
    CHECK(in_flight(world, "c") == 0);
}

TEST_CASE("a member of a group that refuses a message gives it to another") {
    SimWorld world{SimOptions{}};
    const auto one = logged_in(world, Version::v1_2, {{"client-id", "one"}});
    one->subscribe("1", "$share/g/t", "client-individual");
    one->publish("t", "x");
    const StompFrame first = one->next_frame();
    CHECK(first.command == "MESSAGE");
    const auto two = logged_in(world, Version::v1_2, {{"client-id", "two"}});
    two->subscribe("1", "$share/g/t", "client-individual");
    one->ack(first, Command::nack);
    CHECK(one->next() == "");
    CHECK(in_flight(world, "one") == 0);
    const StompFrame second = two->next_frame();
    CHECK(second.body == "x");
    // And what a member that goes has not acknowledged goes to others, too.
    two->close();
    CHECK(one->next_frame().body == "x");
    const auto three = logged_in(world);
    three->subscribe("1", "$share/g/t", "client");
    one->frame(Command::unsubscribe, {{"id", "1"}});
    CHECK(three->next_frame().body == "x");
}

TEST_CASE("after UNSUBSCRIBE nothing of it comes again, and its acknowledgements do no harm") {
    SimWorld world{SimOptions{}};
    const auto client = logged_in(world, Version::v1_2, {{"client-id", "c"}});
    client->subscribe("1", "t", "client");
    client->publish("t", "x");
    const StompFrame got = client->next_frame();
    client->frame(Command::unsubscribe, {{"id", "1"}});
    CHECK(in_flight(world, "c") == 0);
    client->ack(got, Command::ack, {{"receipt", "1"}});
    CHECK(client->next() == "RECEIPT receipt-id=1");
    client->ack(got, Command::nack);
    CHECK(client->next() == "");
}

TEST_CASE("ids that this connection has not given out are refused") {
    SimWorld world{SimOptions{}};
    for (const Version version : {Version::v1_0, Version::v1_1, Version::v1_2}) {
        const std::string name = version == Version::v1_2 ? "id" : "message-id";
        for (const std::string wrong : {"", "1", "x-1", "0-1", "1-", "-1", "1-2-3"}) {
            const auto client = logged_in(world, version);
            client->subscribe("1", "t", "client");
            client->publish("t", "x");
            client->next();
            client->frame(Command::ack, {{name, wrong}, {"subscription", "1"}});
            check_refused(*client, "no such message was sent");
        }
    }
    const auto ahead = logged_in(world);
    ahead->subscribe("1", "t", "client");
    ahead->publish("t", "x");
    StompFrame got = ahead->next_frame();
    std::string id = got.get("ack");
    id.back() = '2';
    ahead->frame(Command::ack, {{"id", id}});
    check_refused(*ahead, "no such message was sent");
}

TEST_CASE("1.1 names the subscription with the message, and 1.0 has no NACK") {
    SimWorld world{SimOptions{}};
    const auto client = logged_in(world, Version::v1_1);
    client->subscribe("1", "t", "client");
    client->publish("t", "x");
    const StompFrame got = client->next_frame();
    CHECK(got.get("ack") == "");  // it came with 1.2
    const auto other = logged_in(world, Version::v1_1);
    other->subscribe("1", "u", "client");
    other->publish("u", "x");
    const StompFrame theirs = other->next_frame();
    other->frame(Command::ack, {{"message-id", theirs.get("message-id")}});
    check_refused(*other, "ACK and NACK need a subscription");
    client->frame(Command::ack, {{"message-id", got.get("message-id")}, {"subscription", "2"}});
    check_refused(*client, "the message was not sent to this subscription");

    const auto old = logged_in(world, Version::v1_0);
    old->frame(Command::nack, {{"message-id", "1"}});
    check_refused(*old, "1.0 has no NACK");
}

TEST_CASE("the ack mode decides, whatever QoS the publisher took") {
    SimWorld world{SimOptions{}};
    const auto mqtt = mqtt_client(world, "m");
    const auto client = logged_in(world, Version::v1_2, {{"client-id", "c"}});
    client->subscribe("1", "t", "client");
    const auto careless = logged_in(world, Version::v1_2, {{"client-id", "d"}});
    careless->subscribe("1", "t");
    for (const Qos qos : {Qos::at_most_once, Qos::at_least_once, Qos::exactly_once}) {
        mqtt->publish(
            "t", "x",
            {.qos = qos, .packet_id = static_cast<std::uint16_t>(qos != Qos::at_most_once)});
    }
    CHECK(in_flight(world, "c") == 3);
    CHECK(in_flight(world, "d") == 0);
    CHECK(client->next() == "MESSAGE subscription=1 ack destination=t qos=0 | x");
    CHECK(client->next() == "MESSAGE subscription=1 ack destination=t qos=1 | x");
    CHECK(client->next() == "MESSAGE subscription=1 ack destination=t qos=2 | x");
}

TEST_CASE(
    "many ids on one destination: their MESSAGEs share the body, and count as unacknowledged") {
    SimWorld world{SimOptions{}};
    stomp::MachineOptions options = open_stomp_listener();
    options.subscriptions_max = 100;
    options.unacked_max = 150;
    const auto client = logged_in(world, Version::v1_2, {}, options);
    for (int i = 0; i < 100; ++i) {
        client->subscribe(std::to_string(i), "t", "client-individual");
    }
    const auto sender = logged_in(world);
    for (int i = 0; i < 10; ++i) {
        sender->publish("t", std::to_string(i));
    }
    std::vector<StompFrame> got = frames(*client);
    CHECK(got.size() == 200);  // of two: what was begun is finished, no more is
    std::size_t heard = got.size();
    while (!got.empty()) {
        for (const StompFrame& one : got) {
            client->ack(one);
        }
        got = frames(*client);
        heard += got.size();
    }
    CHECK(heard == 1000);
    CHECK(client->next() == "");
    client->subscribe("one more", "u");
    check_refused(*client, "too many subscriptions");
}

TEST_CASE("a window that is full of one delivery's MESSAGEs opens when its subscriptions end") {
    SimWorld world{SimOptions{}};
    stomp::MachineOptions options = open_stomp_listener();
    options.unacked_max = 2;
    const auto client = logged_in(world, Version::v1_2, {}, options);
    for (const char* id : {"1", "2", "3"}) {
        client->subscribe(id, "t", "client");
    }
    client->subscribe("other", "u");
    const auto sender = logged_in(world);
    sender->publish("t", "a");
    sender->publish("u", "b");
    CHECK(frames(*client).size() == 3);
    client->frame(Command::unsubscribe, {{"id", "1"}});
    const auto got = frames(*client);
    REQUIRE(got.size() == 1);
    CHECK(got.front().body == "b");
}
