#include "adapters/mqtt/codec/publish.hpp"

#include "broker-core/message/properties.hpp"
#include "tests/support/doctest_strings.hpp"
#include "tests/support/mqtt_packet_text.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

namespace gw::mqtt {
namespace {

using testing::ByteVector;
using testing::to_hex;
using testing::wire;

/// Decodes a PUBLISH of version 5 from a server; the body must be good.
PublishPacket decode_body(const ByteVector& body, ByteBuffer& scratch) {
    PublishPacket packet;
    const Frame frame{0x30, body, body.size() + 2};
    REQUIRE(decode_publish(frame, {Version::v5, Sender::server}, scratch, packet));
    return packet;
}

bool lies_in(Bytes part, Bytes whole) {
    return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

TEST_CASE("topic, payload and properties that stand together are borrowed from the frame") {
    ByteBuffer scratch;
    const ByteVector body = wire("0001't' 0e 23 0001 03 0001'c' 26 0001'k' 0001'v' 'data'");
    const PublishPacket packet = decode_body(body, scratch);
    CHECK(lies_in(as_bytes(packet.topic), body));
    CHECK(lies_in(packet.payload, body));
    CHECK(lies_in(packet.properties, body));
    CHECK(to_hex(packet.properties) == to_hex(wire("03 0001'c' 26 0001'k' 0001'v'")));
    CHECK(scratch.capacity() == 0);
}

TEST_CASE("properties that others stand between are put together in the scratch buffer, in order") {
    ByteBuffer scratch;
    scratch.append("left over from before");
    const ByteVector body = wire(
        "0001't' 21 26 0001'a' 0001'1' 02 0000003c 26 0001'a' 0001'2' 0b 07 01 01 23 0009 "
        "26 0001'b' 0001'3' 'data'");
    const PublishPacket packet = decode_body(body, scratch);
    CHECK(lies_in(packet.properties, scratch.view()));
    CHECK(to_hex(packet.properties) ==
          to_hex(wire("26 0001'a' 0001'1' 26 0001'a' 0001'2' 01 01 26 0001'b' 0001'3'")));
    CHECK(packet.user_property_count == 3);
    CHECK(packet.message_expiry_interval == 60U);
    CHECK(packet.topic_alias == 9);
    CHECK(packet.payload_is_utf8);
    CHECK(packet.subscription_identifiers.count() == 1);
    CHECK(as_text(packet.payload) == "data");

    // The next packet may use the same buffer.
    const PublishPacket again = decode_body(body, scratch);
    CHECK(to_hex(again.properties).size() == 2 * 23);
}

TEST_CASE("expiry, alias and identifiers at the ends need no copy") {
    ByteBuffer scratch;
    const ByteVector body = wire("0001't' 0e 02 00000001 01 00 0b 01 23 0001 0b 02");
    const PublishPacket packet = decode_body(body, scratch);
    CHECK(lies_in(packet.properties, body));
    CHECK(to_hex(packet.properties) == "0100");
    std::vector<std::uint32_t> ids;
    packet.subscription_identifiers.for_each([&ids](std::uint32_t id) { ids.push_back(id); });
    CHECK(ids == std::vector<std::uint32_t>{1, 2});
    CHECK_FALSE(packet.payload_is_utf8);
}

TEST_CASE("a decoded packet keeps nothing of the one before") {
    ByteBuffer scratch;
    PublishPacket packet;
    const ByteVector rich = wire("0001't' 0007 0c 02 00000001 23 0001 01 01 0b 01 'data'");
    const Frame first{0x3d, rich, rich.size() + 2};
    REQUIRE(decode_publish(first, {Version::v5, Sender::server}, scratch, packet));
    const ByteVector plain = wire("0001'u' 00");
    const Frame second{0x30, plain, plain.size() + 2};
    REQUIRE(decode_publish(second, {Version::v5, Sender::client}, scratch, packet));
    CHECK(packet.topic == "u");
    CHECK(packet.payload.empty());
    CHECK(packet.properties.empty());
    CHECK_FALSE(packet.message_expiry_interval);
    CHECK(packet.subscription_identifiers.empty());
    CHECK(packet.packet_id == 0);
    CHECK(packet.topic_alias == 0);
    CHECK(packet.qos == Qos::at_most_once);
    CHECK_FALSE(packet.dup);
    CHECK_FALSE(packet.retain);
    CHECK_FALSE(packet.payload_is_utf8);
}

TEST_CASE("topic names of every length and with a bad byte at every place are judged") {
    // The check looks at eight bytes at once; each place in a word and the rest must be seen.
    for (std::size_t count = 1; count <= 40; ++count) {
        const std::string topic(count, 'x');
        const auto failure_of = [](const std::string& text) {
            ByteVector body{0, static_cast<std::uint8_t>(text.size())};
            body.insert(body.end(), text.begin(), text.end());
            const Frame frame{0x30, body, body.size() + 2};
            return testing::decode_failure(frame, {Version::v3_1_1, Sender::client});
        };
        CHECK_FALSE(failure_of(topic));
        for (std::size_t at = 0; at < count; ++at) {
            CAPTURE(count);
            CAPTURE(at);
            const auto with = [&topic, at](char byte) {
                std::string text = topic;
                text[at] = byte;
                return text;
            };
            CHECK((failure_of(with('+')) == DecodeError::topic_name_invalid));
            CHECK((failure_of(with('#')) == DecodeError::topic_name_invalid));
            CHECK((failure_of(with('\0')) == DecodeError::utf8_invalid));
            CHECK((failure_of(with('\x80')) == DecodeError::utf8_invalid));
            CHECK((failure_of(with('\xff')) == DecodeError::utf8_invalid));
            CHECK_FALSE(failure_of(with('\x01')));  // control characters may be (1.5.4)
            CHECK_FALSE(failure_of(with('\x7f')));
            CHECK_FALSE(failure_of(with('\x22')));
            CHECK_FALSE(failure_of(with('\x24')));
            CHECK_FALSE(failure_of(with('*')));
            CHECK_FALSE(failure_of(with(',')));
            if (at + 1 < count) {
                std::string letter = with('\xc3');
                letter[at + 1] = '\xa4';
                CHECK_FALSE(failure_of(letter));
            }
        }
    }
}

TEST_CASE("the largest topic and the largest alias are taken") {
    ByteVector body(2 + 65'535 + 1, 't');
    body[0] = body[1] = 0xff;
    body.back() = 0;  // no properties
    ByteBuffer scratch;
    CHECK(decode_body(body, scratch).topic.size() == 65'535);

    const std::string topic(65'535, 't');
    ByteBuffer out;
    PublishOut packet;
    packet.topic = topic;
    encode_publish(out, Version::v5, packet);
    CHECK(to_hex(out.view().first(6)) == "30828004ffff");
    CHECK(out.size() == publish_size(Version::v5, packet));
}

TEST_CASE("a PUBLISH is encoded as the version has it") {
    ByteBuffer properties;
    PropertyWriter{properties}.content_type("json");
    const std::uint32_t ids[] = {1, 200};
    PublishOut packet;
    packet.topic = "a/b";
    packet.payload = as_bytes("hi");
    packet.properties = properties.view();
    packet.subscription_identifiers = ids;
    packet.message_expiry_interval = 10;
    packet.packet_id = 7;
    packet.topic_alias = 3;
    packet.qos = Qos::at_least_once;
    packet.dup = true;
    packet.retain = true;

    struct Row {
        Version version;
        bool alias_known;
        std::string_view bytes;
        std::string_view because;
    };
    static constexpr Row rows[] = {
        {Version::v3_1, false, "3b 09 0003'a/b' 0007 'hi'", "no properties below 5"},
        {Version::v3_1_1, false, "3b 09 0003'a/b' 0007 'hi'", "no properties below 5"},
        {Version::v5, false,
         "3b 1e 0003'a/b' 0007 14 02 0000000a 23 0003 0b 01 0b c801 03 0004'json' 'hi'",
         "first use of an alias: topic and alias"},
        {Version::v5, true,
         "3b 1b 0000 0007 14 02 0000000a 23 0003 0b 01 0b c801 03 0004'json' 'hi'",
         "the alias stands for the topic"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.because);
        packet.alias_known = row.alias_known;
        const ByteVector expected = wire(row.bytes);
        ByteBuffer out;
        out.append("before");
        encode_publish(out, row.version, packet);
        CHECK(to_hex(out.view().subspan(6)) == to_hex(expected));
        CHECK(publish_size(row.version, packet) == expected.size());

        ByteBuffer header;
        encode_publish_header(header, row.version, packet);
        CHECK(to_hex(header.view()) == to_hex(Bytes{expected}.first(expected.size() - 2)));
    }
}

TEST_CASE("the length in front of a PUBLISH has the right number of bytes at each border") {
    struct Row {
        std::size_t remaining;
        std::string_view header;
    };
    static constexpr Row rows[] = {
        {127, "307f"},        {128, "308001"},         {16'383, "30ff7f"},
        {16'384, "30808001"}, {2'097'151, "30ffff7f"}, {2'097'152, "3080808001"},
    };
    const std::vector<std::uint8_t> payload(2'097'152);
    for (const Row& row : rows) {
        CAPTURE(row.remaining);
        PublishOut packet;
        packet.topic = "t";
        packet.payload = Bytes{payload}.first(row.remaining - 3);
        ByteBuffer out;
        encode_publish(out, Version::v3_1_1, packet);
        const std::size_t header_bytes = row.header.size() / 2;
        CHECK(to_hex(out.view().first(header_bytes)) == row.header);
        CHECK(out.size() == header_bytes + row.remaining);
        CHECK(publish_size(Version::v3_1_1, packet) == out.size());
    }
}

TEST_CASE("sizes beyond what the protocol can express are told, not encoded") {
    // Callers compare before they encode; the payload is never touched, so it need not exist.
    PublishOut packet;
    packet.topic = "t";
    const std::uint8_t byte = 0;
    packet.payload = Bytes{&byte, remaining_length_max};
    CHECK(publish_size(Version::v3_1_1, packet) > protocol_packet_bytes_max);
    packet.payload = Bytes{&byte, remaining_length_max - 3};
    CHECK(publish_size(Version::v3_1_1, packet) == protocol_packet_bytes_max);
}

}  // namespace
}  // namespace gw::mqtt
