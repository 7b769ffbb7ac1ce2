// The tables of one connection by themselves: what waits for ACK, and subscriptions.
#include "adapters/stomp/machine/subscription_table.hpp"
#include "adapters/stomp/machine/unacked_table.hpp"
#include "broker-core/router/route_types.hpp"

#include <doctest/doctest.h>

using namespace gw;
using namespace gw::stomp;

namespace {

UnackedMessage entry(std::uint64_t number, std::uint32_t subscription = 1,
                     std::uint16_t packet_id = 1) {
    UnackedMessage message;
    message.number = number;
    message.subscription = subscription;
    message.packet_id = packet_id;
    return message;
}

TopicFilter filter(std::string_view text) {
    return *parse_topic_filter(text, {});
}

}  // namespace

TEST_CASE("one message that is never acknowledged does not keep those behind it") {
    UnackedTable table;
    table.add(entry(1), 1);
    std::uint64_t number = 1;
    for (int i = 0; i < 10'000; ++i) {
        table.add(entry(++number), 1);
        CHECK(table.complete(*table.find(number)));
        CHECK(table.find(number) == nullptr);
    }
    CHECK(table.size() < 200);
    CHECK(table.find(1) != nullptr);
    CHECK(table.complete(*table.find(1)));
    CHECK(table.empty());
}

TEST_CASE("refused messages come out oldest first, and go in again with a new number") {
    UnackedTable table;
    for (std::uint64_t number = 1; number <= 5; ++number) {
        table.add(entry(number), 1);
    }
    table.refuse(*table.find(4));
    table.refuse(*table.find(2));
    table.refuse(*table.find(2));
    REQUIRE(table.find_refused() != nullptr);
    CHECK(table.find_refused()->number == 2);
    table.renumber(*table.find(2), 6);
    CHECK(table.find(2) == nullptr);
    CHECK(table.find(6) != nullptr);
    CHECK(table.find_refused()->number == 4);
    CHECK(table.complete(*table.find(4)));
    CHECK(table.find_refused() == nullptr);
}

TEST_CASE("a subscription's messages up to a number are found, and no others") {
    UnackedTable table;
    for (std::uint64_t number = 1; number <= 6; ++number) {
        table.add(entry(number, number % 2 == 0 ? 1 : 2), 1);
    }
    table.complete(*table.find(2));
    std::vector<std::uint64_t> numbers;
    table.collect(1, 5, numbers);
    CHECK(numbers == std::vector<std::uint64_t>{4});
}

TEST_CASE("a delivery to several subscriptions is over with the last of them") {
    UnackedTable table;
    table.add(entry(1, 1, 9), 2);
    table.add(entry(2, 2, 9), 2);
    CHECK_FALSE(table.complete(*table.find(1)));
    table.refuse(*table.find(2));
    table.renumber(*table.find(2), 3);
    CHECK(table.complete(*table.find(3)));
}

TEST_CASE("numbers that are not this connection's are made up for by the topic") {
    SubscriptionTable table{100};
    Subscription& one = table.add(filter("a/+"), {.id = "1"});
    Subscription& two = table.add(filter("b"), {.id = "2"});
    std::vector<Subscription*> targets;
    const std::uint32_t unknown = 5;
    table.find_targets({&unknown, 1}, "a/b", false, targets);
    CHECK(targets == std::vector<Subscription*>{&one});
    // A number that is known, but of another filter: it was another connection's.
    const std::uint32_t delivered = two.number | gw::private_identifier_bit;
    table.find_targets({&delivered, 1}, "a/b", false, targets);
    CHECK(targets == std::vector<Subscription*>{&one});
    table.find_targets({}, "b", false, targets);
    CHECK(targets == std::vector<Subscription*>{&two});
    table.find_targets({}, "c", false, targets);
    CHECK(targets.empty());
}

TEST_CASE("a filter needs as much as the most careful of its subscriptions") {
    SubscriptionTable table{0x0fffffff};
    Subscription& automatic = table.add(filter("a"), {.id = "1"});
    CHECK(automatic.number == 1);  // 0 is none, and they go round
    CHECK(automatic.entry->qos() == Qos::at_most_once);
    Subscription& client =
        table.add(filter("a"), {.id = "2", .ack_mode = AckMode::client, .is_durable = true});
    CHECK(automatic.entry->qos() == Qos::at_least_once);
    CHECK(automatic.entry->is_durable());
    CHECK(table.remove(client));
    CHECK(automatic.entry->qos() == Qos::at_most_once);
    CHECK_FALSE(automatic.entry->is_durable());
    CHECK_FALSE(table.remove(automatic));
    CHECK(table.size() == 0);
}

TEST_CASE(
    "a filter says whether any of its subscriptions is tracked or durable, as they come and go") {
    SubscriptionTable table{1};
    const auto add = [&](const char* id, AckMode mode, bool is_durable) -> Subscription& {
        return table.add(filter("t"), {.id = id, .ack_mode = mode, .is_durable = is_durable});
    };
    FilterEntry& entry = *add("auto", AckMode::automatic, false).entry;
    CHECK(entry.qos() == Qos::at_most_once);
    add("client", AckMode::client, false);
    add("durable", AckMode::automatic, true);
    add("last", AckMode::automatic, false);
    CHECK(entry.qos() == Qos::at_least_once);
    CHECK(entry.is_durable());
    CHECK(table.remove(*table.find("durable")));
    CHECK_FALSE(entry.is_durable());
    CHECK(entry.qos() == Qos::at_least_once);
    CHECK(table.remove(*table.find("client")));
    CHECK(entry.qos() == Qos::at_most_once);
    CHECK(table.remove(*table.find("auto")));
    CHECK(table.find("last")->entry->subscriptions.front()->id == "last");
    CHECK_FALSE(table.remove(*table.find("last")));
    CHECK(table.size() == 0);
}

TEST_CASE("each subscription is a target once, however many numbers name its filter") {
    SubscriptionTable table{1};
    std::vector<std::uint32_t> numbers;
    for (int i = 0; i < 1000; ++i) {
        Subscription& added = table.add(filter(i % 2 == 0 ? "t" : "#"), {.id = std::to_string(i)});
        numbers.push_back(added.number | private_identifier_bit);
    }
    std::vector<Subscription*> targets;
    for (int again = 0; again < 2; ++again) {
        table.find_targets(numbers, "t", false, targets);
        CHECK(targets.size() == 1000);
    }
}
