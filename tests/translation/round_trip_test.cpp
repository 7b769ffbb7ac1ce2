// docs/protocols/translation.md, field by field: a message with everything in it goes from each
// protocol to each other one through the real codecs, machines and core, and arrives as the tables
// say. What they call kept must arrive, and what they call lost must not.
#include "broker-core/message/identity.hpp"
#include "tests/translation/peer.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace gw;
using namespace gw::test;
using namespace std::string_literals;

namespace {

constexpr const char* topic = "t/x";
constexpr const char* filter = "t/#";

/// Everything set, in text; and what each field has of awkward values.
std::vector<Content> samples(const Speaker& from) {
    std::vector<Content> all;
    all.push_back({.topic = topic,
                   .payload = "t\xc3\xabxt",
                   .qos = Qos::at_least_once,
                   .expires_in = Seconds{100},
                   .payload_format = 1,
                   .content_type = "application/json",
                   .response_topic = "answers/1",
                   .correlation_data = "id-1",
                   .user_properties = {{"a", "1"}, {"a", "2"}, {"b", "x:y\nz\\"}}});
    all.push_back({.topic = topic,
                   .payload = from.speaks_text ? "\0text"s : "\0\xff\xc3(\x80"s,
                   .qos = Qos::exactly_once,
                   .payload_format = 0,
                   .content_type = "x/own",
                   .correlation_data = "\0\xff"s,
                   .user_properties = {{"message-id", "forged"}, {"c", "3"}, {"qos-2", ""}}});
    all.push_back({.topic = topic});
    Content large{
        .topic = topic, .qos = Qos::at_least_once, .content_type = "TEXT/Plain; charset=UTF-8"};
    for (int i = 0; i < 1000; ++i) {
        large.payload += std::to_string(10000 + i);
    }
    all.push_back(large);
    all.push_back({.topic = topic,
                   .payload = "{}",
                   .content_type = "application/x-coap-format; ct=65000",
                   .response_topic = "answers/2"});
    return all;
}

std::string id_of(const Speaker& speaker, const char* role) {
    return role + std::string{"-of-"} + std::string{speaker.language.name};
}

/// Compares what came with what should have.
void check_received(const std::optional<Content>& got, const Content& wanted) {
    REQUIRE(got);
    CHECK(text_of(*got) == text_of(wanted));
}

}  // namespace

TEST_CASE("a publisher's words become the message that the table says") {
    for (const Speaker& from : speakers()) {
        for (Content said : samples(from)) {
            if (said.payload.empty()) {
                continue;  // takes the retained message away
            }
            CAPTURE(from.language.name);
            CAPTURE(text_of(said));
            Gateways gateways;
            const auto publisher = from.make(gateways, id_of(from, "publisher"));
            said.retain = true;
            publisher->publish(said);
            const MonotonicTime now = gateways.world.clocks().monotonic;
            const MessagePtr message = gateways.world.shared().retained.find(topic, now);
            REQUIRE(message);
            CHECK(text_of(content_of(*message, now)) == text_of(carry_in(from.language, said)));
            CHECK(from.language.in(MessageField::publisher).fate == Fate::by_gateway);
            CHECK(message->publisher()->client_id == id_of(from, "publisher"));
            CHECK(from.language.in(MessageField::arrival).fate == Fate::by_gateway);
            CHECK(message->arrival() == now);
        }
    }
}

TEST_CASE("each protocol to each: what arrives is what the tables say") {
    for (const Speaker& from : speakers()) {
        for (const Speaker& to : speakers()) {
            CAPTURE(from.language.name);
            CAPTURE(to.language.name);
            Gateways gateways;
            const auto reader = to.make(gateways, id_of(to, "reader"));
            reader->subscribe(filter);
            const auto publisher = from.make(gateways, id_of(from, "publisher"));
            for (const Content& said : samples(from)) {
                CAPTURE(text_of(said));
                publisher->publish(said);
                check_received(reader->receive(),
                               carry_out(to.language, carry_in(from.language, said),
                                         {.subscription = reader->subscription()}));
            }
            CHECK_FALSE(reader->receive());
            // Nobody is told who published, whatever it was.
            CHECK(to.language.out(MessageField::publisher).fate == Fate::lost);
            CHECK(to.language.out(MessageField::arrival).fate == Fate::lost);
            CHECK(reader->heard().find(id_of(from, "publisher")) == std::string::npos);
        }
    }
}

TEST_CASE("each protocol to each: what is retained, told at once and later") {
    for (const Speaker& from : speakers()) {
        for (const Speaker& to : speakers()) {
            CAPTURE(from.language.name);
            CAPTURE(to.language.name);
            Gateways gateways;
            const auto early = to.make(gateways, id_of(to, "early"));
            early->subscribe(filter);
            const auto publisher = from.make(gateways, id_of(from, "publisher"));
            Content said = samples(from).front();
            said.retain = true;
            publisher->publish(said);
            Content message = carry_in(from.language, said);
            check_received(early->receive(), carry_out(to.language, message,
                                                       {.subscription = early->subscription()}));
            gateways.world.run_for(Milliseconds{1500});
            if (message.expires_in) {
                *message.expires_in -= Milliseconds{1500};
            }
            const auto late = to.make(gateways, id_of(to, "late"));
            late->subscribe(filter);
            check_received(late->receive(),
                           carry_out(to.language, message,
                                     {.is_retained = true, .subscription = late->subscription()}));
        }
    }
}

TEST_CASE("each protocol to each: what is not acknowledged is sent again") {
    for (const Speaker& from : speakers()) {
        for (const Speaker& to : speakers()) {
            CAPTURE(from.language.name);
            CAPTURE(to.language.name);
            Gateways gateways;
            const auto reader = to.make(gateways, id_of(to, "reader"));
            reader->subscribe(filter);
            reader->set_acknowledging(false);
            const auto publisher = from.make(gateways, id_of(from, "publisher"));
            Content said = samples(from).front();
            said.expires_in.reset();  // time goes by
            publisher->publish(said);
            const Content message = carry_in(from.language, said);
            Occasion occasion{.subscription = reader->subscription()};
            check_received(reader->receive(), carry_out(to.language, message, occasion));
            reader->miss();
            occasion.was_sent_before = true;
            check_received(reader->receive(), carry_out(to.language, message, occasion));
        }
    }
}
