#include "broker-core/storage/log_store/record.hpp"

#include "broker-core/storage/log_store/crc32c.hpp"
#include "broker-core/storage/log_store/segment.hpp"
#include "gateway/protocols/known_protocols.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

using namespace gw;

namespace {

using Kind = RecordScanner::Kind;

constexpr std::array<std::uint32_t, 2> two_identifiers{7, 0xffffffff};

MessageRecord full_message() {
    MessageRecord message;
    message.id = 0x0300000000000102;
    message.topic = "a/b";
    message.properties = as_bytes("pp");
    message.payload = as_bytes("hello");
    message.qos = Qos::exactly_once;
    message.retain = true;
    message.arrival = WallTime{Milliseconds{0x0102}};
    message.expires_at = WallTime{Milliseconds{0x0304}};
    message.client_id = "c1";
    message.username = "u";
    message.protocol = mqtt::protocol_5.number;
    message.is_anonymous = false;
    message.is_bridge = true;
    return message;
}

DeliveryRecord full_delivery() {
    return {.session = 300,
            .sequence = 5,
            .message = 0x0300000000000102,
            .qos = Qos::at_least_once,
            .retain = true,
            .identifiers = two_identifiers,
            .group = "$share/g"};
}

void check_equal(const MessageRecord& a, const MessageRecord& b) {
    CHECK(a.id == b.id);
    CHECK(a.topic == b.topic);
    CHECK(as_text(a.properties) == as_text(b.properties));
    CHECK(as_text(a.payload) == as_text(b.payload));
    CHECK(a.qos == b.qos);
    CHECK(a.retain == b.retain);
    CHECK(a.arrival == b.arrival);
    CHECK(a.expires_at == b.expires_at);
    CHECK(a.client_id == b.client_id);
    CHECK(a.username == b.username);
    CHECK(a.protocol == b.protocol);
    CHECK(a.is_anonymous == b.is_anonymous);
    CHECK(a.is_bridge == b.is_bridge);
}

std::vector<std::uint8_t> bytes_of(const ByteBuffer& buffer) {
    return {buffer.data(), buffer.data() + buffer.size()};
}

}  // namespace

TEST_CASE("records have the bytes that docs/storage-format.md gives") {
    ByteBuffer out;
    append_message(out, full_message());
    CHECK(bytes_of(out) == std::vector<std::uint8_t>{
                               0x01, 0x2b,                                  // a message of 43 bytes
                               0x03, 0,    0,   0,   0,   0,   0x01, 0x02,  // id
                               0x2e,  // QoS 2, retain, expires, bridge
                               0x03,  // MQTT 5
                               0,    0,    0,   0,   0,   0,   0x01, 0x02,  // arrival
                               0,    0,    0,   0,   0,   0,   0x03, 0x04,  // expires at
                               3,    'a',  '/', 'b', 2,   'c', '1',  1,
                               'u',  // topic, client id, user name
                               2,    'p',  'p', 'h', 'e', 'l', 'l',  'o'});  // properties, payload

    out.clear();
    append_delivery(out, full_delivery());
    CHECK(bytes_of(out) ==
          std::vector<std::uint8_t>{0x02, 0xac, 0x02, 0x05,  // session 300, 5
                                    0x03, 0,    0,    0,    0,    0,    0x01, 0x02,  // message
                                    0x1d,  // QoS 1, retain, both
                                    2,    7,    0xff, 0xff, 0xff, 0xff, 0x0f,  // identifiers
                                    8,    '$',  's',  'h',  'a',  'r',  'e',  '/',  'g'});

    out.clear();
    append_completed(out, {.session = 1, .sequence = 127, .message = 2});
    CHECK(bytes_of(out) == std::vector<std::uint8_t>{0x03, 1, 127, 0, 0, 0, 0, 0, 0, 0, 2});
}

TEST_CASE("what was appended is read again in order, with its places") {
    ByteBuffer out;
    MessageRecord plain;
    plain.id = 9;
    append_message(out, full_message());
    const std::size_t second = out.size();
    append_message(out, plain);
    append_delivery(out, full_delivery());
    append_delivery(out,
                    {.session = ~std::uint64_t{0}, .sequence = ~std::uint64_t{0}, .message = 9});
    append_completed(out, {.session = 4, .sequence = 5, .message = 6});

    RecordScanner in{out.view()};
    REQUIRE(in.next() == Kind::message);
    check_equal(in.message(), full_message());
    CHECK(in.offset() == 0);
    CHECK(in.record().size() == second);
    const auto body = decode_message_body(out.view().subspan(in.body_offset(), in.body_size()));
    REQUIRE(body.has_value());
    check_equal(*body, full_message());
    REQUIRE(in.next() == Kind::message);
    check_equal(in.message(), plain);
    CHECK(in.offset() == second);
    REQUIRE(in.next() == Kind::delivery);
    CHECK(in.delivery().session == 300);
    CHECK(in.delivery().sequence == 5);
    CHECK(in.delivery().message == full_message().id);
    CHECK(in.delivery().qos == Qos::at_least_once);
    CHECK(in.delivery().retain);
    CHECK(std::vector<std::uint32_t>{in.delivery().identifiers.begin(),
                                     in.delivery().identifiers.end()} ==
          std::vector<std::uint32_t>{7, 0xffffffff});
    CHECK(in.delivery().group == "$share/g");
    REQUIRE(in.next() == Kind::delivery);
    CHECK(in.delivery().session == ~std::uint64_t{0});
    CHECK(in.delivery().sequence == ~std::uint64_t{0});
    CHECK(in.delivery().identifiers.empty());
    CHECK(in.delivery().group.empty());
    REQUIRE(in.next() == Kind::completed);
    CHECK(in.completed().session == 4);
    CHECK(in.completed().sequence == 5);
    CHECK(in.completed().message == 6);
    CHECK(in.next() == Kind::end);
    CHECK(in.next() == Kind::end);
}

TEST_CASE("a record that is cut anywhere is damaged, never another record") {
    ByteBuffer message;
    append_message(message, full_message());
    ByteBuffer delivery;
    append_delivery(delivery, full_delivery());
    ByteBuffer completed;
    append_completed(completed, {.session = 300, .sequence = 1, .message = 6});
    for (const ByteBuffer* whole : {&message, &delivery, &completed}) {
        for (std::size_t cut = 1; cut < whole->size(); ++cut) {
            CAPTURE(cut);
            RecordScanner in{whole->view().first(cut)};
            CHECK(in.next() == Kind::damaged);
            CHECK(in.next() == Kind::damaged);
        }
    }
}

TEST_CASE("bytes that no encoder makes are damaged") {
    struct Row {
        std::vector<std::uint8_t> bytes;
        const char* because;
    };
    const Row rows[] = {
        {{0x00}, "kind 0"},
        {{0x04}, "kind 4"},
        {{0x03, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}, "session 0"},
        {{0x03, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0}, "message 0"},
        {{0x03, 0x81, 0x00, 1, 0, 0, 0, 0, 0, 0, 0, 1}, "a number longer than needed"},
        {{0x03, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
          0x02, 1,    0,    0,    0,    0,    0,    0,    0,    1},
         "a number of more than 64 bits"},
        {{0x02, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x03}, "QoS 3"},
        {{0x02, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x20}, "a flag without meaning"},
        {{0x02, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x08, 0}, "no identifier where some are announced"},
        {{0x02, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x08, 0x7f, 1}, "127 identifiers in one byte"},
        {{0x02, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x10, 0}, "an empty group"},
        {{0x01, 0x00}, "an empty message"},
        {{0x01, 0xff, 0xff, 0xff, 0xff, 0x0f}, "a message of 4 GB"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.because);
        RecordScanner in{Bytes{row.bytes}};
        CHECK(in.next() == Kind::damaged);
    }
}

TEST_CASE("the check value is CRC-32C") {
    CHECK(crc32c(as_bytes("")) == 0);
    CHECK(crc32c(as_bytes("123456789")) == 0xe3069283);  // RFC 3720, B.4 and everybody's example
    const std::vector<std::uint8_t> zeros(32);
    CHECK(crc32c(zeros) == 0x8a9136aa);  // RFC 3720, B.4
    CHECK(crc32c(as_bytes("56789"), crc32c(as_bytes("1234"))) == 0xe3069283);
}

TEST_CASE("a segment is read only as it was written and in its own row") {
    ByteBuffer segment;
    begin_segment(segment);
    append_completed(segment, {.session = 1, .sequence = 2, .message = 3});
    seal_segment(segment, 77);
    const auto records = open_segment(segment.view(), 77);
    REQUIRE(records.has_value());
    CHECK(records->size() == segment.size() - segment_header_bytes);
    CHECK_FALSE(open_segment(segment.view(), 78).has_value());
    for (std::size_t at = 0; at < segment.size(); ++at) {
        for (int bit = 0; bit < 8; ++bit) {
            segment.data()[at] = static_cast<std::uint8_t>(segment.data()[at] ^ 1 << bit);
            CHECK_FALSE(open_segment(segment.view(), 77).has_value());
            segment.data()[at] = static_cast<std::uint8_t>(segment.data()[at] ^ 1 << bit);
        }
        CHECK_FALSE(open_segment(segment.view().first(at), 77).has_value());
    }
}
