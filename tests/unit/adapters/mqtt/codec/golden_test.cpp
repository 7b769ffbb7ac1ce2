// Literal bytes for every packet in every version, both ways, and cut at every byte.
#include "tests/support/doctest_strings.hpp"
#include "tests/support/mqtt_packet_text.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace gw::mqtt {
namespace {

using testing::ByteVector;
using testing::Link;
using testing::wire;

constexpr Version v31 = Version::v3_1;
constexpr Version v311 = Version::v3_1_1;
constexpr Version v5 = Version::v5;
constexpr Sender client = Sender::client;
constexpr Sender server = Sender::server;

struct Golden {
    Version version;
    Sender sender;
    std::string_view bytes;
    std::string_view text;
    /// Lengths at which the body may end and still be a packet, besides the whole: where a section
    /// lets the rest be left out, or between the entries of a list.
    std::vector<std::size_t> shorter_bodies = {};
};

const std::vector<Golden>& goldens() {
    static const std::vector<Golden> rows = {
        // CONNECT
        {v31, client, "10 11 0006'MQIsdp' 03 02 003c 0003'abc'",
         "CONNECT level=3 clean keep_alive=60 client_id='abc'"},
        {v31,
         client,
         "10 25 0006'MQIsdp' 03 ce 000a 0001'c' 0001't' 0003'bye' 0004'user' 0006'secret'",
         "CONNECT level=3 clean keep_alive=10 client_id='c' username='user' password='secret' "
         "will: topic='t' payload='bye' qos=1",
         // MQTT 3.1, 3.1: the remaining length takes precedence over the user name flag.
         {23, 29}},
        {v31, client, "10 0f 0006'MQIsdp' 83 00 0000 0001'b'",
         "CONNECT level=3 bridge client_id='b'"},
        // MQTT 3.1.1, 3.1.2: user name, password, will QoS 1, clean session.
        {v311, client,
         "10 23 0004'MQTT' 04 ce 000a 0001'c' 0001't' 0003'bye' 0004'user' 0006'secret'",
         "CONNECT level=4 clean keep_alive=10 client_id='c' username='user' password='secret' "
         "will: topic='t' payload='bye' qos=1"},
        {v311, client, "10 0c 0004'MQTT' 04 02 0000 0000", "CONNECT level=4 clean client_id=''"},
        {v311, client, "10 0d 0004'MQTT' 84 00 ffff 0001'b'",
         "CONNECT level=4 bridge keep_alive=65535 client_id='b'"},
        {v311, client, "10 14 0004'MQTT' 04 36 0000 0001'c' 0003'a/b' 0000",
         "CONNECT level=4 clean client_id='c' will: topic='a/b' payload='' qos=2 retain"},
        {v311, client, "10 0f 0004'MQTT' 04 82 0000 0001'c' 0000",
         "CONNECT level=4 clean client_id='c' username=''"},
        {v5, client, "10 0d 0004'MQTT' 05 02 0000 00 0000", "CONNECT level=5 clean client_id=''"},
        // MQTT 5.0, 3.1.2.12: the variable header of the example (session expiry 10, keep alive
        // 10).
        {v5, client, "10 12 0004'MQTT' 05 02 000a 05 11 0000000a 0000",
         "CONNECT level=5 clean keep_alive=10 client_id='' session_expiry=10"},
        // A password without a user name (MQTT 5.0, 3.1.2.9).
        {v5, client, "10 14 0004'MQTT' 05 42 000a 00 0001'c' 0004'pass'",
         "CONNECT level=5 clean keep_alive=10 client_id='c' password='pass'"},
        {v5, client,
         "10 5f 0004'MQTT' 05 c4 000a 30 11 ffffffff 21 000a 27 00100000 22 0014 19 01 17 00 "
         "15 0005'PLAIN' 16 0003 00ff01 26 0001'k' 0001'v' 26 0001'k' 0001'w' "
         "0001'c' 13 18 0000001e 02 00000258 01 01 03 0004'text' 0001't' 0002'hi' 0001'u' 0001'p'",
         "CONNECT level=5 keep_alive=10 client_id='c' username='u' password='p' "
         "session_expiry=4294967295 receive_maximum=10 maximum_packet_size=1048576 "
         "topic_alias_maximum=20 request_response no_problem_information auth_method='PLAIN' "
         "auth_data='\\00\\ff\\01' user('k','v') user('k','w') will: topic='t' payload='hi' "
         "delay=30 expiry=600 property01('','\\01') property03('','text')"},
        // CONNACK
        {v31, server, "20 02 00 00", "CONNACK"},
        {v31, server, "20 02 00 05", "CONNACK reason=87"},
        {v311, server, "20 02 01 00", "CONNACK session_present"},
        {v311, server, "20 02 00 01", "CONNACK reason=84"},
        {v311, server, "20 02 00 02", "CONNACK reason=85"},
        {v311, server, "20 02 00 03", "CONNACK reason=88"},
        {v311, server, "20 02 00 04", "CONNACK reason=86"},
        {v5, server, "20 03 00 00 00", "CONNACK"},
        {v5, server, "20 03 01 00 00", "CONNACK session_present"},
        {v5, server, "20 09 00 9c 06 1c 0003'b:1'", "CONNACK reason=9c server_reference='b:1'"},
        {v5, server,
         "20 45 00 00 42 11 0000003c 21 0014 24 01 25 00 27 00010000 12 0004'auto' 22 000a "
         "1f 0002'ok' 26 0001'k' 0001'v' 28 00 29 00 2a 00 13 001e 1a 0002'r/' 1c 0001's' "
         "15 0001'm' 16 0002 0102",
         "CONNACK session_expiry=60 receive_maximum=20 maximum_qos=1 no_retain "
         "maximum_packet_size=65536 client_id='auto' topic_alias_maximum=10 reason_string='ok' "
         "user('k','v') no_wildcard no_identifiers no_shared server_keep_alive=30 "
         "response_information='r/' server_reference='s' auth_method='m' auth_data='\\01\\02'"},
        // PUBLISH: MQTT 3.1.1, 3.3.2 has topic "a/b" with packet id 10.
        {v31, client, "30 07 0003'a/b' 'hi'", "PUBLISH topic='a/b' payload='hi'"},
        {v31, client, "3b 09 0003'a/b' 000a 'hi'",
         "PUBLISH topic='a/b' payload='hi' qos=1 dup retain id=10"},
        {v311, client, "32 07 0003'a/b' 000a", "PUBLISH topic='a/b' payload='' qos=1 id=10"},
        {v311, client, "3d 09 0003'a/b' ffff 00ff",
         "PUBLISH topic='a/b' payload='\\00\\ff' qos=2 dup retain id=65535"},
        {v311, server, "31 05 0003'a/b'", "PUBLISH topic='a/b' payload='' retain"},
        {v5, client, "30 08 0003'a/b' 00 'hi'", "PUBLISH topic='a/b' payload='hi'"},
        // MQTT 5.0, 3.3.2: topic "a/b", packet id 10, no properties.
        {v5, client, "32 08 0003'a/b' 000a 00", "PUBLISH topic='a/b' payload='' qos=1 id=10"},
        {v5, client, "30 07 0000 03 23 0005 'x'", "PUBLISH topic='' payload='x' alias=5"},
        {v5, client, "34 0c 0001't' 0007 03 23 ffff 'xyz'",
         "PUBLISH topic='t' payload='xyz' qos=2 id=7 alias=65535"},
        {v5, client,
         "30 35 0001't' 2f 02 0000003c 23 0001 01 01 03 0004'json' 08 0003're/' 09 0002 00ff "
         "26 0001'a' 0001'1' 26 0001'a' 0001'2' 26 0000 0000 '{}'",
         "PUBLISH topic='t' payload='{}' alias=1 expiry=60 utf8 property01('','\\01') "
         "property03('','json') property08('','re/') property09('','\\00\\ff') "
         "property26('a','1') property26('a','2') property26('','') users=3"},
        {v5, server, "30 0f 0001't' 0a 02 00000000 0b 01 0b ff7f 'x'",
         "PUBLISH topic='t' payload='x' expiry=0 subscription=1 subscription=16383"},
        // PUBACK, PUBREC, PUBREL, PUBCOMP
        {v31, client, "40 02 000a", "PUBACK id=10"},
        {v31, client, "50 02 000a", "PUBREC id=10"},
        {v31, client, "62 02 000a", "PUBREL id=10"},
        {v31, client, "70 02 000a", "PUBCOMP id=10"},
        {v311, client, "40 02 0001", "PUBACK id=1"},
        {v311, client, "50 02 0001", "PUBREC id=1"},
        {v311, client, "62 02 0001", "PUBREL id=1"},
        {v311, client, "70 02 ffff", "PUBCOMP id=65535"},
        {v5, client, "40 02 000a", "PUBACK id=10"},
        {v5, server, "40 03 000a 10", "PUBACK id=10 reason=10", {2}},
        {v5,
         server,
         "40 14 000a 97 10 1f 0004'full' 26 0002'ab' 0002'cd'",
         "PUBACK id=10 reason=97 reason_string='full' user('ab','cd')",
         {2, 3}},
        {v5, server, "50 03 000a 90", "PUBREC id=10 reason=90", {2}},
        {v5, client, "62 03 000a 92", "PUBREL id=10 reason=92", {2}},
        {v5, client, "70 0a 000a 00 06 1f 0003'why'", "PUBCOMP id=10 reason_string='why'", {2, 3}},
        // SUBSCRIBE: MQTT 3.1.1, 3.8.3 asks for "a/b" with QoS 1 and "c/d" with QoS 2.
        {v31,
         client,
         "82 0e 000a 0003'a/b' 01 0003'c/d' 02",
         "SUBSCRIBE id=10 count=2 filter='a/b' qos=1 filter='c/d' qos=2",
         {8}},
        {v311,
         client,
         "82 0e 000a 0003'a/b' 01 0003'c/d' 02",
         "SUBSCRIBE id=10 count=2 filter='a/b' qos=1 filter='c/d' qos=2",
         {8}},
        {v5,
         client,
         "82 0f 000a 00 0003'a/b' 01 0003'c/d' 02",
         "SUBSCRIBE id=10 count=2 filter='a/b' qos=1 filter='c/d' qos=2",
         {9}},
        {v5,
         client,
         "82 17 0001 0a 0b 8001 26 0001'k' 0001'v' 0001'#' 2e 0003'+/x' 18",
         "SUBSCRIBE id=1 subscription=128 user('k','v') count=2 filter='#' qos=2 no_local "
         "as_published retain_handling=2 filter='+/x' as_published retain_handling=1",
         {17}},
        {v5, client, "82 12 0001 00 000c'$share/g/a/b' 0a",
         "SUBSCRIBE id=1 count=1 filter='$share/g/a/b' qos=2 as_published"},
        // SUBACK: MQTT 3.1.1, 3.9.3 answers with 0, 2 and failure.
        {v31, server, "90 04 000a 01 02", "SUBACK id=10 reasons=0102", {3}},
        {v311, server, "90 05 000a 00 02 80", "SUBACK id=10 reasons=000280", {3, 4}},
        {v5, server, "90 06 000a 00 00 02 87", "SUBACK id=10 reasons=000287", {4, 5}},
        {v5, server, "90 0a 0001 06 1f 0003'why' 8f", "SUBACK id=1 reasons=8f reason_string='why'"},
        // UNSUBSCRIBE: MQTT 3.1.1, 3.10.3 names "a/b" and "c/d".
        {v31, client, "a2 07 000a 0003'a/b'", "UNSUBSCRIBE id=10 count=1 filter='a/b'"},
        {v311,
         client,
         "a2 0c 000a 0003'a/b' 0003'c/d'",
         "UNSUBSCRIBE id=10 count=2 filter='a/b' filter='c/d'",
         {7}},
        {v5,
         client,
         "a2 0d 000a 00 0003'a/b' 0003'c/d'",
         "UNSUBSCRIBE id=10 count=2 filter='a/b' filter='c/d'",
         {8}},
        {v5, client, "a2 0d 000a 07 26 0001'k' 0001'v' 0001'a'",
         "UNSUBSCRIBE id=10 user('k','v') count=1 filter='a'"},
        // UNSUBACK
        {v31, server, "b0 02 000a", "UNSUBACK id=10"},
        {v311, server, "b0 02 000a", "UNSUBACK id=10"},
        {v5, server, "b0 05 000a 00 00 11", "UNSUBACK id=10 reasons=0011", {4}},
        {v5, server, "b0 0b 000a 07 26 0001'k' 0001'v' 87",
         "UNSUBACK id=10 reasons=87 user('k','v')"},
        // PINGREQ, PINGRESP
        {v31, client, "c0 00", "PINGREQ"},
        {v311, client, "c0 00", "PINGREQ"},
        {v5, client, "c0 00", "PINGREQ"},
        {v31, server, "d0 00", "PINGRESP"},
        {v311, server, "d0 00", "PINGRESP"},
        {v5, server, "d0 00", "PINGRESP"},
        // DISCONNECT
        {v31, client, "e0 00", "DISCONNECT"},
        {v311, client, "e0 00", "DISCONNECT"},
        {v5, client, "e0 00", "DISCONNECT"},
        {v5, client, "e0 01 04", "DISCONNECT reason=04", {0}},
        {v5, client, "e0 07 00 05 11 0000000a", "DISCONNECT session_expiry=10", {0, 1}},
        {v5, server, "e0 01 8b", "DISCONNECT reason=8b", {0}},
        {v5,
         server,
         "e0 15 9d 13 1f 0003'why' 1c 0003'b:2' 26 0001'k' 0001'v'",
         "DISCONNECT reason=9d reason_string='why' server_reference='b:2' user('k','v')",
         {0, 1}},
        // AUTH
        {v5, server, "f0 00", "AUTH"},
        {v5, client, "f0 0a 18 08 15 0005'SCRAM'", "AUTH reason=18 auth_method='SCRAM'"},
        {v5, client, "f0 1a 19 18 15 0005'SCRAM' 16 0002 00ff 1f 0001'r' 26 0001'k' 0001'v'",
         "AUTH reason=19 auth_method='SCRAM' auth_data='\\00\\ff' reason_string='r' "
         "user('k','v')"},
    };
    return rows;
}

/// The packet with its body cut to `body_bytes` and the length set right.
ByteVector with_body_cut(const Frame& frame, std::size_t body_bytes) {
    REQUIRE(body_bytes < 128);
    ByteVector packet{frame.first_byte, static_cast<std::uint8_t>(body_bytes)};
    const Bytes body = frame.body.first(body_bytes);
    packet.insert(packet.end(), body.begin(), body.end());
    return packet;
}

/// Everything that a PUBLISH has behind its properties is payload, so any cut there is a packet.
std::size_t payload_bytes(const Frame& frame, const Golden& row) {
    if (frame.type() != PacketType::publish) {
        return 0;
    }
    ByteBuffer scratch;
    PublishPacket packet;
    REQUIRE(decode_publish(frame, {row.version, row.sender}, scratch, packet));
    return packet.payload.size();
}

TEST_CASE("golden bytes decode to the packet and it encodes to the same bytes") {
    for (const Golden& row : goldens()) {
        CAPTURE(row.bytes);
        const ByteVector packet = wire(row.bytes);
        const FrameOutcome outcome = read_frame(packet, packet.size(), row.version);
        REQUIRE(outcome.status == FrameStatus::frame);
        REQUIRE(outcome.frame.packet_bytes == packet.size());
        const Link link{row.version, row.sender};
        CHECK(std::string_view{describe(outcome.frame, link)} == row.text);
        if (!decode_failure(outcome.frame, link)) {
            CHECK(testing::to_hex(encode_again(outcome.frame, link)) == testing::to_hex(packet));
        }
    }
}

TEST_CASE("a prefix of a packet is never a packet and asks for more") {
    for (const Golden& row : goldens()) {
        CAPTURE(row.bytes);
        const ByteVector packet = wire(row.bytes);
        for (std::size_t count = 0; count < packet.size(); ++count) {
            CAPTURE(count);
            const FrameOutcome outcome =
                read_frame(Bytes{packet}.first(count), packet.size(), row.version);
            CHECK(outcome.status == FrameStatus::need_more);
            CHECK(outcome.announced_bytes == (count < 2 ? 0 : packet.size()));
        }
    }
}

TEST_CASE("a body that ends early is refused, except where the section lets the rest be missing") {
    for (const Golden& row : goldens()) {
        CAPTURE(row.bytes);
        const ByteVector packet = wire(row.bytes);
        const Frame frame = testing::whole_frame(packet, row.version);
        const std::size_t payload_start = frame.body.size() - payload_bytes(frame, row);
        for (std::size_t count = 0; count < frame.body.size(); ++count) {
            CAPTURE(count);
            const ByteVector cut = with_body_cut(frame, count);
            const Link link{row.version, row.sender};
            const auto failure = decode_failure(testing::whole_frame(cut, row.version), link);
            const bool may_end_here =
                std::find(row.shorter_bodies.begin(), row.shorter_bodies.end(), count) !=
                    row.shorter_bodies.end() ||
                count >= payload_start;
            CHECK(failure.has_value() != may_end_here);
        }
    }
}

TEST_CASE("a byte behind the last field is refused, except behind a payload or in a list") {
    for (const Golden& row : goldens()) {
        CAPTURE(row.bytes);
        ByteVector packet = wire(row.bytes);
        if (packet[0] >> 4 == static_cast<int>(PacketType::publish)) {
            continue;
        }
        packet.push_back(0xff);
        ++packet[1];
        const Frame frame = testing::whole_frame(packet, row.version);
        const Link link{row.version, row.sender};
        CHECK(decode_failure(frame, link));
    }
}

}  // namespace
}  // namespace gw::mqtt
