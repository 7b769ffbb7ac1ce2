// BEGIN, COMMIT, ABORT.
#include "tests/support/fake_access.hpp"
#include "tests/unit/adapters/stomp/machine/stomp_support.hpp"

using namespace gw;
using namespace gw::test;

namespace {

void begin(StompClient& client, const std::string& name) {
    client.frame(Command::begin, {{"transaction", name}});
}

}  // namespace

TEST_CASE(
    "what is sent in a transaction counts at COMMIT, in order, and its receipts come at once") {
    SimWorld world{SimOptions{}};
    const auto reader = logged_in(world);
    reader->subscribe("1", "t");
    const auto client = logged_in(world);
    begin(*client, "a");
    client->publish("t", "1", {{"transaction", "a"}, {"receipt", "r1"}});
    CHECK(client->next() == "RECEIPT receipt-id=r1");
    client->publish("t", "outside");
    client->publish("t", "2", {{"transaction", "a"}, {"receipt", "r2"}});
    CHECK(client->next() == "RECEIPT receipt-id=r2");
    CHECK(reader->take() == Lines{"MESSAGE subscription=1 destination=t qos=0 | outside"});
    client->frame(Command::commit, {{"transaction", "a"}, {"receipt", "r3"}});
    CHECK(client->next() == "RECEIPT receipt-id=r3");
    CHECK(reader->take() == Lines{"MESSAGE subscription=1 destination=t qos=1 | 1",
                                  "MESSAGE subscription=1 destination=t qos=1 | 2"});
    client->frame(Command::commit, {{"transaction", "a"}});
    check_refused(*client, "no such transaction is open");
}

TEST_CASE("ABORT, and the end of a connection, drop what was sent") {
    SimWorld world{SimOptions{}};
    const auto reader = logged_in(world);
    reader->subscribe("1", "t");
    const auto client = logged_in(world);
    begin(*client, "a");
    client->publish("t", "1", {{"transaction", "a"}});
    client->frame(Command::abort, {{"transaction", "a"}});
    begin(*client, "a");  // the name is free again
    client->publish("t", "2", {{"transaction", "a"}});
    client->frame(Command::disconnect);
    CHECK(reader->next() == "");
    CHECK(world.sum([](const Metrics& m) { return m.messages_received.value(); }) == 0);
}

TEST_CASE("acknowledgements wait in a transaction, too") {
    SimWorld world{SimOptions{}};
    const auto client = logged_in(world, Version::v1_2, {{"client-id", "c"}});
    client->subscribe("1", "t", "client-individual");
    client->publish("t", "1");
    client->publish("t", "2");
    const StompFrame one = client->next_frame();
    const StompFrame two = client->next_frame();
    const auto in_flight = [&] {
        return world.broker().find_session("c")->inflight.count();
    };
    begin(*client, "a");
    client->ack(one, Command::ack, {{"transaction", "a"}});
    client->ack(two, Command::nack, {{"transaction", "a"}});
    CHECK(in_flight() == 2);
    CHECK(client->next() == "");
    client->frame(Command::abort, {{"transaction", "a"}});
    CHECK(in_flight() == 2);
    begin(*client, "b");
    client->ack(one, Command::ack, {{"transaction", "b"}});
    client->ack(two, Command::nack, {{"transaction", "b"}});
    client->frame(Command::commit, {{"transaction", "b"}});
    CHECK(in_flight() == 1);
    CHECK(client->next_frame().body == "2");
}

TEST_CASE("a transaction with a message that is not allowed publishes none") {
    SimWorld world{SimOptions{}};
    AccessDecision slow = AccessDecision::pending;
    world.shared().access = std::make_shared<FakeAccess>([&](const AccessRequest& request) {
        return request.topic == "no"     ? AccessDecision::deny
               : request.topic == "slow" ? slow
                                         : AccessDecision::allow;
    });
    const auto reader = logged_in(world);
    reader->subscribe("1", "#");
    auto client = logged_in(world, Version::v1_2, {{"client-id", "c"}});
    begin(*client, "a");
    client->publish("yes", "1", {{"transaction", "a"}});
    client->publish("no", "2", {{"transaction", "a"}});
    client->frame(Command::commit, {{"transaction", "a"}, {"receipt", "5"}});
    check_refused(*client, "no right to a destination of the transaction");
    CHECK(reader->next() == "");

    client = logged_in(world, Version::v1_2, {{"client-id", "c"}});
    begin(*client, "a");
    client->publish("yes", "1", {{"transaction", "a"}});
    client->publish("slow", "2", {{"transaction", "a"}});
    client->frame(Command::commit, {{"transaction", "a"}});
    CHECK(reader->next() == "");
    slow = AccessDecision::allow;
    world.turn(0,
               [](Broker& broker) { broker.on_access_decided(broker.find_session("c")->ref()); });
    CHECK(reader->take().size() == 2);
}

TEST_CASE("open transactions have bounds: how many, how much, how long") {
    SimWorld world{SimOptions{}};
    stomp::MachineOptions options = open_stomp_listener();
    options.transaction_count_max = 2;
    options.transaction_frame_count_max = 3;
    options.transaction_bytes_max = 10'000;
    options.transaction_timeout = 10s;
    auto client = logged_in(world, Version::v1_2, {}, options);
    begin(*client, "a");
    begin(*client, "a");
    check_refused(*client, "this transaction is open already");
    client = logged_in(world, Version::v1_2, {}, options);
    begin(*client, "a");
    begin(*client, "b");
    begin(*client, "c");
    check_refused(*client, "too many open transactions");
    client = logged_in(world, Version::v1_2, {}, options);
    begin(*client, "a");
    begin(*client, "b");
    for (int i = 0; i < 3; ++i) {
        client->publish("t", "x", {{"transaction", i == 0 ? "a" : "b"}});
    }
    client->frame(Command::commit, {{"transaction", "b"}});
    client->publish("t", "x", {{"transaction", "a"}});
    client->publish("t", "x", {{"transaction", "a"}});
    client->publish("t", "x", {{"transaction", "a"}});
    check_refused(*client, "too much waits in transactions");
    client = logged_in(world, Version::v1_2, {}, options);
    begin(*client, "a");
    client->publish("t", std::string(6000, 'x'), {{"transaction", "a"}});
    client->publish("t", std::string(6000, 'x'), {{"transaction", "a"}});
    check_refused(*client, "too much waits in transactions");

    client = logged_in(world, Version::v1_2, {}, options);
    begin(*client, "a");
    world.run_for(6s);
    begin(*client, "b");
    client->frame(Command::commit, {{"transaction", "a"}});
    world.run_for(9s);
    CHECK_FALSE(client->is_closed());
    world.run_for(1s);
    check_refused(*client, "a transaction was open for too long");
}
