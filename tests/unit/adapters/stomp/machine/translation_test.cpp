// What docs/protocols/translation.md says of STOMP alone. Its table is tested in tests/translation,
// from each protocol to each other one.
#include "adapters/stomp/machine/message_headers.hpp"
#include "broker-core/message/properties.hpp"
#include "tests/unit/adapters/stomp/machine/stomp_support.hpp"

using namespace gw;
using namespace gw::test;

TEST_CASE("no publisher of another protocol can speak for this server") {
    SimWorld world{SimOptions{}};
    const auto client = logged_in(world);
    client->subscribe("1", "t");
    const auto mqtt = mqtt_client(world, "m");
    CHECK(stomp::reserved_headers.size() == 17);
    for (const std::string_view name : stomp::reserved_headers) {
        CAPTURE(name);
        CHECK(stomp::is_reserved_header(name));
        // As a user property, which MQTT may give any name, it is not written.
        ByteBuffer block;
        PropertyWriter properties{block};
        properties.user_property(name, "forged");
        mqtt->publish("t", "x", {.properties = block.view()});
        CHECK(client->next() == "MESSAGE subscription=1 destination=t qos=0 | x");
    }
    for (const char* const name : {"color", "Destination", "receipts", "login", "host", ""}) {
        CAPTURE(name);
        CHECK_FALSE(stomp::is_reserved_header(name));
    }
}

TEST_CASE("what has one way only: identifiers, topic aliases, repeated deliveries") {
    SimWorld world{SimOptions{}};
    const auto client = logged_in(world);
    client->subscribe("mine", "t", "client-individual");
    const auto mqtt = mqtt_client(world, "m");
    mqtt->subscribe("t", {.identifier = 7});
    mqtt->next();
    mqtt->publish("t", "x", {.topic_alias = 3});
    const StompFrame first = client->next_frame();
    CHECK(first.text() == "MESSAGE subscription=mine ack destination=t qos=0 | x");
    CHECK(mqtt->next() == "PUBLISH topic='t' payload='x' subscription=7");
    client->ack(first, Command::nack);
    CHECK(client->next() ==
          "MESSAGE subscription=mine ack destination=t redelivered=true qos=0 | x");
}
