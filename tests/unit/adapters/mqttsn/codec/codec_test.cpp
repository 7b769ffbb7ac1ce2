#include "adapters/mqttsn/codec/codec.hpp"

#include "tests/support/sn_packet_text.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

using namespace gw;
using namespace gw::mqttsn;
using gw::test::sn_text;

namespace {

/// "04 0e 00 01", with text in quotes: "06 16 'node'".
std::vector<std::uint8_t> wire(std::string_view text) {
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i < text.size();) {
        if (text[i] == '\'') {
            for (++i; text[i] != '\''; ++i) {
                bytes.push_back(static_cast<std::uint8_t>(text[i]));
            }
            ++i;
        } else if (text[i] == ' ') {
            ++i;
        } else {
            bytes.push_back(
                static_cast<std::uint8_t>(std::stoi(std::string{text.substr(i, 2)}, nullptr, 16)));
            i += 2;
        }
    }
    return bytes;
}

struct Golden {
    std::string_view bytes;
    std::string_view text;
};

/// Laid out by hand from section 5.4.
constexpr Golden messages[] = {
    {"05 00 07 03 84", "ADVERTISE gateway=7 duration=900"},
    {"03 01 02", "SEARCHGW radius=2"},
    {"03 02 07", "GWINFO gateway=7"},
    {"05 02 07 'ab'", "GWINFO gateway=7 'ab'"},
    {"0a 04 0c 01 00 3c 'node'", "CONNECT will clean duration=60 'node'"},
    {"06 04 00 02 00 00", "CONNECT protocol=2"},
    {"03 05 00", "CONNACK"},
    {"03 05 03", "CONNACK code=3"},
    {"02 06", "WILLTOPICREQ"},
    {"06 07 30 'a/b'", "WILLTOPIC qos=1 retain 'a/b'"},
    {"02 07", "WILLTOPIC"},
    {"02 08", "WILLMSGREQ"},
    {"05 09 'bye'", "WILLMSG 'bye'"},
    {"02 09", "WILLMSG"},
    {"09 0a 00 00 00 05 'a/b'", "REGISTER id=5 'a/b'"},
    {"07 0b 00 02 00 05 00", "REGACK topic=2 id=5"},
    {"07 0b 00 00 00 05 01", "REGACK id=5 code=1"},
    {"08 0c 20 00 02 00 05 'x'", "PUBLISH qos=1 topic=2 id=5 'x'"},
    {"07 0c f1 00 02 00 00", "PUBLISH dup qos=-1 retain predefined topic=2"},
    {"08 0c 02 'ab' 00 00 'x'", "PUBLISH short topic=24930 'x'"},
    {"07 0c 03 00 00 00 00", "PUBLISH reserved"},
    {"07 0d 00 02 00 05 02", "PUBACK topic=2 id=5 code=2"},
    {"04 0e 00 05", "PUBCOMP id=5"},
    {"04 0f 00 05", "PUBREC id=5"},
    {"04 10 00 05", "PUBREL id=5"},
    {"08 12 c0 00 05 'a/#'", "SUBSCRIBE dup qos=2 id=5 'a/#'"},
    {"07 12 01 00 05 00 07", "SUBSCRIBE predefined topic=7 id=5"},
    {"07 12 02 00 05 'ab'", "SUBSCRIBE short id=5 'ab'"},
    {"08 13 40 00 02 00 05 00", "SUBACK qos=2 topic=2 id=5"},
    {"08 14 00 00 05 'a/#'", "UNSUBSCRIBE id=5 'a/#'"},
    {"04 15 00 05", "UNSUBACK id=5"},
    {"02 16", "PINGREQ"},
    {"06 16 'node'", "PINGREQ 'node'"},
    {"02 17", "PINGRESP"},
    {"02 18", "DISCONNECT"},
    {"04 18 00 00", "DISCONNECT duration=0"},
    {"04 18 ff ff", "DISCONNECT duration=65535"},
    {"06 1a 10 'a/b'", "WILLTOPICUPD retain 'a/b'"},
    {"02 1a", "WILLTOPICUPD"},
    {"03 1b 00", "WILLTOPICRESP"},
    {"05 1c 'bye'", "WILLMSGUPD 'bye'"},
    {"03 1d 02", "WILLMSGRESP code=2"},
};

DecodeError error_of(std::string_view bytes) {
    const auto packet = decode(wire(bytes));
    REQUIRE_FALSE(packet.has_value());
    return packet.error();
}

}  // namespace

TEST_CASE("every message decodes to its fields, and encodes to the same bytes") {
    for (const Golden& golden : messages) {
        CAPTURE(golden.text);
        const auto bytes = wire(golden.bytes);
        const auto packet = decode(bytes);
        REQUIRE(packet.has_value());
        CHECK(sn_text(bytes) == golden.text);
        ByteBuffer again;
        encode(again, *packet);
        CHECK(std::string{as_text(again.view())} == std::string{as_text(bytes)});
    }
}

TEST_CASE("a cut message is truncated or no message, whatever its length field says") {
    for (const Golden& golden : messages) {
        CAPTURE(golden.text);
        const auto bytes = wire(golden.bytes);
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            std::vector<std::uint8_t> cut{bytes.begin(),
                                          bytes.begin() + static_cast<std::ptrdiff_t>(size)};
            CHECK_FALSE(decode(cut).has_value());  // the length field tells
            if (size >= 2) {
                cut[0] = static_cast<std::uint8_t>(size);
                const auto packet = decode(cut);  // may be a shorter message of the same type
                CHECK((packet.has_value() || packet.error() == DecodeError::truncated));
            }
        }
    }
}

TEST_CASE("what cannot be a message") {
    CHECK(error_of("") == DecodeError::truncated);
    CHECK(error_of("02") == DecodeError::truncated);
    CHECK(error_of("01 00") == DecodeError::truncated);
    CHECK(error_of("01 00 03") == DecodeError::truncated);
    CHECK(error_of("03 16") == DecodeError::length_mismatch);
    CHECK(error_of("00 16") == DecodeError::length_mismatch);
    CHECK(error_of("01 ff ff 16") == DecodeError::length_mismatch);
    CHECK(error_of("02 16 00") == DecodeError::length_mismatch);
    for (const char* const type : {"02 03", "02 11", "02 19", "02 1e", "02 fd", "02 ff", "02 fe"}) {
        CHECK(error_of(type) == DecodeError::unknown_type);
    }
    CHECK(error_of("03 06 00") == DecodeError::overlong);
    CHECK(error_of("05 0e 00 05 00") == DecodeError::overlong);
    CHECK(error_of("08 12 01 00 05 00 07 00") == DecodeError::overlong);
    CHECK(error_of("06 12 01 00 05 00") == DecodeError::truncated);
}

TEST_CASE("three octets of length, where they are needed and where they are not") {
    CHECK(sn_text(wire("01 00 08 16 'node'")) == "PINGREQ 'node'");
    for (const std::size_t size : {0UL, 248UL, 249UL, 250UL, 251UL, 1000UL, 65524UL}) {
        CAPTURE(size);
        const std::vector<std::uint8_t> data(size, 'x');
        ByteBuffer bytes;
        encode(bytes, Publish{.flags = {}, .topic_id = 1, .message_id = 0, .data = data});
        CHECK(bytes.size() == size + 5 + header_bytes(size + 5));
        CHECK((bytes.data()[0] == 0x01) == (size + 7 > 255));
        const auto packet = decode(bytes.view());
        REQUIRE(packet.has_value());
        CHECK(std::get<Publish>(*packet).data.size() == size);
    }
}

TEST_CASE("forwarder encapsulation is taken off layer by layer; the way back is what was taken") {
    const auto inside = wire("02 16");
    ByteBuffer node;
    auto unwrapped = unwrap(inside, node);
    REQUIRE(unwrapped.has_value());
    CHECK(node.empty());
    CHECK(unwrapped->size() == 2);

    const auto nested = wire("04 fe 03 0a 05 fe 01 0b 0c 02 16");
    unwrapped = unwrap(nested, node);
    REQUIRE(unwrapped.has_value());
    CHECK(sn_text(*unwrapped) == "PINGREQ");
    CHECK(std::string{as_text(node.view())} ==
          std::string{as_text(wire("04 fe 00 0a 05 fe 00 0b 0c"))});
}

TEST_CASE("encapsulations that are none") {
    const auto error = [](std::string_view bytes) {
        ByteBuffer node;
        const auto datagram = wire(bytes);
        const auto unwrapped = unwrap(datagram, node);
        REQUIRE_FALSE(unwrapped.has_value());
        return unwrapped.error();
    };
    CHECK(error("03 fe 00 02 16") == DecodeError::truncated);  // no node id
    CHECK(error("00 fe 00 01") == DecodeError::truncated);
    CHECK(error("09 fe 00 01") == DecodeError::truncated);
    CHECK(error("02 fe") == DecodeError::truncated);
    CHECK(error("04 fe 00 01 04 fe 00 02 04 fe 00 03 04 fe 00 04 04 fe 00 05 02 16") ==
          DecodeError::nested_too_deep);
}

TEST_CASE("the type is seen without decoding") {
    CHECK(peek_type(wire("02 16")) == 0x16);
    CHECK(peek_type(wire("01 00 04 16")) == 0x16);
    CHECK(peek_type(wire("05 fe 00")) == 0xfe);
    CHECK(peek_type(wire("02")) == 0xff);
    CHECK(peek_type({}) == 0xff);
}
