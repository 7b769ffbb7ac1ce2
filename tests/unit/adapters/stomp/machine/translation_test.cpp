// docs/protocols/translation.md row by row: what the table says is what the program does, and the
// program does nothing that the table does not say.
#include "adapters/stomp/machine/translation.hpp"

#include "broker-core/message/properties.hpp"
#include "tests/unit/adapters/stomp/machine/stomp_support.hpp"

#include <fstream>
#include <iterator>
#include <set>

using namespace gw;
using namespace gw::test;
using namespace std::string_literals;

namespace {

std::string document() {
    std::ifstream in{std::string{GW_SOURCE_DIR} + "/docs/protocols/translation.md"};
    REQUIRE(in);
    return {std::istreambuf_iterator<char>{in}, {}};
}

/// The first three cells of each row, as "MQTT 5 | SEND | MESSAGE".
std::set<std::string> rows_of(const std::string& text) {
    std::set<std::string> rows;
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string line = text.substr(at, end - at);
        at = end + 1;
        if (!line.starts_with("| ") || line.starts_with("| ---") || line.starts_with("| MQTT 5 ")) {
            continue;
        }
        std::size_t bar = 0;
        for (int cell = 0; cell < 3; ++cell) {
            bar = line.find('|', bar + 1);
            REQUIRE(bar != std::string::npos);
        }
        rows.insert(line.substr(2, bar - 3));
    }
    return rows;
}

/// One row of the document, and what shows that it is so.
struct Row {
    std::string field;
    StompHeaders send;      // of a SEND with the body "b" to "t"
    std::string packet;     // a part of what an MQTT 5 subscriber gets
    std::string message;    // a part of what a STOMP subscriber gets
    std::string send_cell;  // as the document has it
    std::string message_cell;
};

const Row rows[] = {
    {"topic", {}, "topic='t'", " destination=t ", "`destination`", "`destination`"},
    {"payload", {}, "payload='b'", " | b", "body", "body"},
    {"QoS", {{"qos", "1"}}, "qos=1", " qos=1", "`qos`", "`qos`"},
    {"RETAIN", {{"retain", "true"}}, "retain", "", "`retain`", "`retain`"},
    {"Message Expiry Interval",
     {{"expires", "9"}},
     "expiry=9",
     " expires=9",
     "`expires`",
     "`expires`"},
    {"Payload Format Indicator",
     {{"payload-format-indicator", "1"}},
     "utf8",
     " payload-format-indicator=1",
     "`payload-format-indicator`",
     "`payload-format-indicator`"},
    {"Content Type",
     {{"content-type", "a/b"}},
     "property03('','a/b')",
     " content-type=a/b",
     "`content-type`",
     "`content-type`"},
    {"Response Topic",
     {{"reply-to", "r"}},
     "property08('','r')",
     " reply-to=r",
     "`reply-to`",
     "`reply-to`"},
    {"Correlation Data",
     {{"correlation-id", "c"}},
     "property09('','c')",
     " correlation-id=c",
     "`correlation-id`",
     "`correlation-id`"},
    {"Correlation Data",
     {{"correlation-id-base64", "/w=="}},
     "property09('','\\ff')",
     " correlation-id-base64=/w==",
     "`correlation-id-base64`",
     "`correlation-id-base64`"},
    {"User Property",
     {{"color", "red"}, {"color", "blue"}},
     "property26('color','red') users=1",
     " color=red",
     "any other header",
     "the property's name"},
};

/// Rows without a way from SEND: what the other tests of this file show.
const char* const one_way_rows[] = {
    "User Property of a server's name | |",
    "Subscription Identifier | | `subscription`",
    "Topic Alias | |",
    "DUP | | `redelivered`",
};

}  // namespace

TEST_CASE("each row of the table is true, both ways") {
    SimWorld world{SimOptions{}};
    const auto mqtt = mqtt_client(world, "m");
    mqtt->subscribe("t", {.qos = Qos::at_least_once, .packet_id = 1, .retain_as_published = true});
    mqtt->next();
    const auto reader = logged_in(world);
    reader->subscribe("1", "t");
    const auto sender = logged_in(world);
    std::uint16_t packet_id = 0;
    for (const Row& row : rows) {
        CAPTURE(row.field);
        sender->publish("t", "b", row.send);
        const std::string packet = mqtt->next();
        CAPTURE(packet);
        CHECK(packet.find(row.packet) != std::string::npos);
        const std::string message = reader->next();
        CAPTURE(message);
        CHECK(message.find(row.message) != std::string::npos);
        if (packet.find("qos=1") != std::string::npos) {
            mqtt->ack(mqtt::PacketType::puback, ++packet_id);
        }
    }
    const auto late = logged_in(world);
    late->subscribe("1", "t");
    CHECK(late->next().find(" retain=true") != std::string::npos);
}

TEST_CASE("the document has these rows and no others") {
    std::set<std::string> wanted{std::begin(one_way_rows), std::end(one_way_rows)};
    for (const Row& row : rows) {
        wanted.insert(row.field + " | " + row.send_cell + " | " + row.message_cell);
    }
    std::set<std::string> found;
    for (const std::string& row : rows_of(document())) {
        found.insert(row);
    }
    CHECK(found == wanted);
}

TEST_CASE("the document names every header that is no user property") {
    const std::string text = document();
    const std::size_t start = text.find("Headers that are STOMP's own");
    REQUIRE(start != std::string::npos);
    const std::string part = text.substr(start, text.find("\n\n", start) - start);
    std::set<std::string> named;
    for (std::size_t at = part.find('`'); at != std::string::npos; at = part.find('`', at + 1)) {
        const std::size_t end = part.find('`', at + 1);
        named.insert(part.substr(at + 1, end - at - 1));
        at = end;
    }
    CHECK(named.size() == 17);
    SimWorld world{SimOptions{}};
    const auto client = logged_in(world);
    client->subscribe("1", "t");
    const auto mqtt = mqtt_client(world, "m");
    for (const std::string& name : named) {
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
