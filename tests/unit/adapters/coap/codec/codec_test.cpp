#include "adapters/coap/codec/content_format.hpp"
#include "adapters/coap/codec/request.hpp"
#include "adapters/coap/codec/response.hpp"
#include "adapters/coap/codec/target.hpp"
#include "adapters/coap/codec/writer.hpp"
#include "tests/support/coap_net.hpp"
#include "tests/support/doctest_strings.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace gw;
using namespace gw::coap;
using gw::test::coap_bytes;
using gw::test::coap_text;
using gw::test::CoapRequest;

namespace {

std::vector<std::uint8_t> bytes_of(std::initializer_list<int> values) {
    std::vector<std::uint8_t> bytes;
    for (const int value : values) {
        bytes.push_back(static_cast<std::uint8_t>(value));
    }
    return bytes;
}

std::string error_of(const std::vector<std::uint8_t>& datagram) {
    const auto message = decode_message(datagram);
    return message ? "none" : std::string{decode_error_text(message.error())};
}

std::string topic_of(std::initializer_list<std::string_view> segments) {
    ByteBuffer out;
    MessageWriter writer{out, Type::confirmable, Code::get, 1};
    for (const std::string_view segment : segments) {
        writer.add(option::uri_path, segment);
    }
    const auto target = decode_target(*decode_message(out.view()));
    if (!target) {
        return std::string{target_error_text(target.error())};
    }
    switch (target->place) {
        case Place::unknown:
            return "unknown";
        case Place::well_known_core:
            return "core";
        case Place::root:
            return "root " + std::string{root_name(target->root)};
        case Place::topic:
            return std::string{root_name(target->root)} + ": " + target->topic;
        case Place::connection:
            return "connection";
    }
    return "";
}

Result<Target, TargetError> with_query(std::string_view query) {
    const auto datagram = coap_bytes({.path = "ps/a", .query = query});
    return decode_target(*decode_message(datagram));
}

}  // namespace

TEST_CASE("the examples of RFC 7252, appendix A") {
    // Figure 16: a GET and its piggybacked response.
    const auto get = bytes_of(
        {0x40, 0x01, 0x7d, 0x34, 0xbb, 't', 'e', 'm', 'p', 'e', 'r', 'a', 't', 'u', 'r', 'e'});
    CHECK(coap_text(get) == "CON 0.01 #32052 11=temperature");
    CHECK(coap_bytes({.message_id = 0x7d34, .path = "temperature"}) == get);
    const auto content = bytes_of({0x60, 0x45, 0x7d, 0x34, 0xff, '2', '2', '.', '3', ' ', 'C'});
    CHECK(coap_text(content) == "ACK 2.05 #32052 | 22.3 C");
    ByteBuffer out;
    write_response(out, Type::acknowledgement, 0x7d34, {}, {.payload = as_bytes("22.3 C")});
    CHECK(std::vector<std::uint8_t>{out.view().begin(), out.view().end()} == content);
    // Figure 17: with a token.
    const auto with_token = bytes_of({0x41, 0x01, 0x7d, 0x35, 0x20, 0xbb, 't', 'e', 'm', 'p', 'e',
                                      'r', 'a', 't', 'u', 'r', 'e'});
    CHECK(coap_text(with_token) == "CON 0.01 #32053 [ ] 11=temperature");
    // Figure 20: an empty acknowledgement, and a separate response later.
    CHECK(coap_text(bytes_of({0x60, 0x00, 0x7d, 0x38})) == "ACK 0.00 #32056");
    CHECK(coap_text(bytes_of({0x70, 0x00, 0x7d, 0x38})) == "RST 0.00 #32056");
}

TEST_CASE("what is no message is told apart") {
    CHECK(error_of(bytes_of({})) == "no CoAP message");
    CHECK(error_of(bytes_of({0x40, 0x01, 0x00})) == "no CoAP message");
    CHECK(error_of(bytes_of({0x00, 0x01, 0, 1})) == "no CoAP message");  // version 0
    CHECK(error_of(bytes_of({0x80, 0x01, 0, 1})) == "no CoAP message");
    CHECK(error_of(bytes_of({0x49, 0x01, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9})) ==
          "reserved token length");
    CHECK(error_of(bytes_of({0x4f, 0x01, 0, 1})) == "reserved token length");
    CHECK(error_of(bytes_of({0x41, 0x00, 0, 1, 1})) == "empty message with content");
    CHECK(error_of(bytes_of({0x40, 0x00, 0, 1, 0xff})) == "empty message with content");
    CHECK(error_of(bytes_of({0x40, 0x21, 0, 1})) == "reserved code");
    CHECK(error_of(bytes_of({0x40, 0xc1, 0, 1})) == "reserved code");
    CHECK(error_of(bytes_of({0x40, 0xe1, 0, 1})) == "reserved code");
    CHECK(error_of(bytes_of({0x40, 0x01, 0, 1, 0xff})) == "payload marker without payload");
    CHECK(error_of(bytes_of({0x40, 0x01, 0, 1, 0xf0})) == "malformed option");
    CHECK(error_of(bytes_of({0x40, 0x01, 0, 1, 0x0f})) == "malformed option");
    CHECK(error_of(bytes_of({0x40, 0x01, 0, 1, 0xd0})) == "malformed option");
    CHECK(error_of(bytes_of({0x40, 0x01, 0, 1, 0xe0, 1})) == "malformed option");
    CHECK(error_of(bytes_of({0x40, 0x01, 0, 1, 0xb2, 'a'})) == "malformed option");
    CHECK(error_of(bytes_of({0x42, 0x01, 0, 1, 7})) == "malformed option");  // within the token
    CHECK(error_of(bytes_of({0x40, 0x01, 0, 1, 0xe0, 0xff, 0xff})) == "option number out of range");
}

TEST_CASE("every prefix of a message is a shorter message or an error, and reads no byte behind") {
    const auto datagram = coap_bytes({.code = Code::put,
                                      .message_id = 77,
                                      .token = "12345678",
                                      .path = "ps/a/bcdefghijklmnopqrstuvwxyz",
                                      .query = "c=me&qos=1",
                                      .options = {{option::if_match, "12345678"},
                                                  {option::request_tag, std::string(8, 't')},
                                                  {2000, std::string(300, 'x')}},
                                      .payload = "payload"});
    for (std::size_t size = 0; size < datagram.size(); ++size) {
        const std::vector<std::uint8_t> part{datagram.begin(),
                                             datagram.begin() + static_cast<long>(size)};
        const auto message = decode_message(part);
        CAPTURE(size);
        if (message) {
            CHECK(message->options.size() + message->payload.size() <= part.size() - 12);
        }
    }
    CHECK(error_of(datagram) == "none");
}

TEST_CASE("long options are written and read") {
    for (const std::size_t size : {0, 1, 12, 13, 268, 269, 1034, 65535}) {
        for (const int number : {1, 12, 13, 268, 269, 270, 65535}) {
            ByteBuffer out;
            MessageWriter{out, Type::confirmable, Code::get, 1}.add(
                static_cast<std::uint16_t>(number), std::string(size, 'v'));
            const auto message = decode_message(out.view());
            REQUIRE(message.has_value());
            OptionReader options{message->options};
            const auto option = options.next();
            REQUIRE(option.has_value());
            CHECK(option->number == number);
            CHECK(option->value.size() == size);
            CHECK_FALSE(options.next().has_value());
        }
    }
}

TEST_CASE("options that are not understood, too long or repeated (RFC 7252, 5.4)") {
    struct Row {
        std::vector<std::pair<std::uint16_t, std::string>> options;
        Code refusal;
    };
    const Row rows[] = {
        {{{9, ""}}, Code::bad_option},                  // critical
        {{{65001, "x"}}, Code::bad_option},             // critical
        {{{10, ""}}, Code::empty},                      // elective
        {{{option::accept, "abc"}}, Code::bad_option},  // critical, too long
        {{{option::observe, "abcd"}}, Code::empty},     // elective, too long
        {{{option::accept, ""}, {option::accept, ""}}, Code::bad_option},
        {{{option::content_format, ""}, {option::content_format, "2"}}, Code::empty},
        {{{option::if_none_match, "x"}}, Code::bad_option},
        {{{option::proxy_uri, "coap://x"}}, Code::proxying_not_supported},
        {{{option::proxy_scheme, "http"}}, Code::proxying_not_supported},
        {{{option::block1, "\x07"}}, Code::bad_request},  // the reserved size
        {{{option::block2, "\x0f"}}, Code::bad_request},
        {{{option::uri_host, "h"}, {option::uri_port, "12"}}, Code::empty},
        {{{option::uri_host, ""}}, Code::bad_option},
    };
    for (const Row& row : rows) {
        const auto datagram = coap_bytes({.path = "ps/a", .options = row.options});
        CAPTURE(coap_text(datagram));
        CHECK(decode_request(*decode_message(datagram)).refusal == row.refusal);
    }
}

TEST_CASE("No-Response says which classes are not wanted (RFC 7967, 2.1)") {
    const auto datagram = coap_bytes({.path = "ps/a", .options = {{option::no_response, "\x1a"}}});
    const Request all = decode_request(*decode_message(datagram));
    CHECK(all.suppresses(Code::changed));
    CHECK(all.suppresses(Code::not_found));
    CHECK(all.suppresses(Code::service_unavailable));
    const auto success = coap_bytes({.path = "ps/a", .options = {{option::no_response, "\x02"}}});
    const Request some = decode_request(*decode_message(success));
    CHECK(some.suppresses(Code::changed));
    CHECK_FALSE(some.suppresses(Code::not_found));
    const auto none = coap_bytes({.path = "ps/a", .options = {{option::no_response, ""}}});
    CHECK_FALSE(decode_request(*decode_message(none)).suppresses(Code::changed));
}

TEST_CASE("paths become topics") {
    CHECK(topic_of({"ps", "a", "b"}) == "ps: a/b");
    CHECK(topic_of({"mqtt", "a", "b"}) == "mqtt: a/b");
    CHECK(topic_of({"mqtt", "a/b"}) == "mqtt: a/b");    // one segment, decoded by the client
    CHECK(topic_of({"mqtt", "a%2Fb"}) == "mqtt: a/b");  // and not
    CHECK(topic_of({"ps", "%2b", "%23"}) == "ps: +/#");
    CHECK(topic_of({"ps", "+", "#"}) == "ps: +/#");
    CHECK(topic_of({"ps", "", "a"}) == "ps: /a");
    CHECK(topic_of({"ps", "a", ""}) == "ps: a/");
    CHECK(topic_of({"ps", "50%"}) == "ps: 50%");  // encodes nothing
    CHECK(topic_of({"ps", "50%2"}) == "ps: 50%2");
    CHECK(topic_of({"ps", "50%zz"}) == "ps: 50%zz");
    CHECK(topic_of({"ps", "%2541"}) == "ps: %41");
    CHECK(topic_of({"ps", "$share/g/t"}) == "ps: $share/g/t");
    CHECK(topic_of({"ps"}) == "root ps");
    CHECK(topic_of({"ps", ""}) == "root ps");
    CHECK(topic_of({"mqtt"}) == "root mqtt");
    CHECK(topic_of({"mqtt", "connection"}) == "connection");
    CHECK(topic_of({"mqtt", "connection", "x"}) == "mqtt: connection/x");
    CHECK(topic_of({"ps", "connection"}) == "ps: connection");
    CHECK(topic_of({".well-known", "core"}) == "core");
    CHECK(topic_of({".well-known", "core", "x"}) == "unknown");
    CHECK(topic_of({".well-known"}) == "unknown");
    CHECK(topic_of({}) == "unknown");
    CHECK(topic_of({""}) == "unknown");
    CHECK(topic_of({"PS", "a"}) == "unknown");
    CHECK(topic_of({"ps", "\xff"}) == "path or query is not UTF-8");
    CHECK(topic_of({"ps", "a%00"}) == "path or query is not UTF-8");
}

TEST_CASE("every topic comes back from its Location-Path") {
    for (const std::string_view topic : {"a", "a/b", "/a", "a/", "//", "50%", "%41", "%2F", "a%2",
                                         "%25", "\xc3\xa4/\xe2\x82\xac", "a b", "?&=", "$SYS/x"}) {
        ByteBuffer out;
        MessageWriter writer{out, Type::confirmable, Code::get, 1};
        writer.add(option::uri_path, "ps");
        for_each_segment(topic,
                         [&](std::string_view segment) { writer.add(option::uri_path, segment); });
        CHECK(decode_target(*decode_message(out.view()))->topic == topic);
    }
}

TEST_CASE("queries") {
    const auto all = with_query("c=me&u=user&p=p%40ss&qos=1&retain=true&expiry=60&other=1");
    REQUIRE(all.has_value());
    CHECK(all->query.client_id == "me");
    CHECK(all->query.username == "user");
    CHECK(all->query.password == "p@ss");
    CHECK(all->query.qos == 1);
    CHECK(all->query.retain == true);
    CHECK(all->query.expiry == 60);
    const auto others = with_query("clientid=&username=&password=&token=t&retain");
    REQUIRE(others.has_value());
    CHECK(others->query.client_id == "");
    CHECK(others->query.username == "");
    CHECK(others->query.password == "");
    CHECK(others->query.token == "t");
    CHECK(others->query.retain == true);
    for (const std::string_view wrong :
         {"qos=3", "qos=", "qos=11", "retain=maybe", "expiry=-1", "expiry=x", "expiry=4294967296",
          "c=a&clientid=b", "c=a&c=a", "c=%ff"}) {
        CAPTURE(wrong);
        CHECK_FALSE(with_query(wrong).has_value());
    }
}

TEST_CASE("a request's client is found without reading it all") {
    std::string scratch;
    const auto hint = [&scratch](std::string_view query) {
        const auto datagram = coap_bytes({.path = "ps/a", .query = query, .payload = "x"});
        const RouteHint found = decode_route_hint(*decode_message(datagram), scratch);
        return std::string{found.client_id} + "," + std::string{found.token};
    };
    CHECK(hint("c=me") == "me,");
    CHECK(hint("qos=1&clientid=m%65&x=y") == "me,");
    CHECK(hint("token=00ab") == ",00ab");
    CHECK(hint("cc=1") == ",");
}

TEST_CASE("blocks") {
    CHECK(block_of(as_bytes(test::coap_block(0, false, 0))) == Block{0, false, 0});
    CHECK(block_of(as_bytes(test::coap_block(5, true, 6))) == Block{5, true, 6});
    CHECK(block_of(as_bytes(test::coap_block(block_number_max, true, 2))) ==
          Block{block_number_max, true, 2});
    CHECK(Block{3, false, 2}.bytes() == 64);
    CHECK(Block{3, false, 2}.offset() == 192);
    CHECK(size_exponent_of(1024) == 6);
    CHECK(size_exponent_of(1023) == 5);
    CHECK(size_exponent_of(16) == 0);
    CHECK(size_exponent_of(1 << 20) == 6);
    const std::string body(100, 'b');
    CHECK(slice(as_bytes(body), {0, false, 2})->bytes.size() == 64);
    CHECK(slice(as_bytes(body), {0, false, 2})->block.has_more);
    CHECK(slice(as_bytes(body), {1, false, 2})->bytes.size() == 36);
    CHECK_FALSE(slice(as_bytes(body), {1, false, 2})->block.has_more);
    CHECK_FALSE(slice(as_bytes(body), {2, false, 2}).has_value());
    CHECK(slice({}, {0, false, 2})->bytes.empty());
}

TEST_CASE("content formats and content types") {
    CHECK(content_type_of(0) == "text/plain;charset=utf-8");
    CHECK(content_type_of(50) == "application/json");
    CHECK(content_format_of("Application/JSON") == 50);
    CHECK(content_format_of("text/plain; charset=UTF-8") == 0);
    CHECK(content_format_of("text/plain") == 0);
    CHECK_FALSE(content_format_of("image/x-unknown").has_value());
    for (std::uint32_t number = 0; number < 65536; ++number) {
        const auto format = static_cast<std::uint16_t>(number);
        CHECK(content_format_of(content_type_of(format)) == format);
    }
}

TEST_CASE("links are URI references") {
    std::string link;
    append_link_target(link, Root::ps, "a/b c/%41/\xc3\xa4");
    CHECK(link == "</ps/a/b%20c/%252541/%C3%A4>");
}
