#include "adapters/mqtt/codec/frame.hpp"

#include "tests/support/doctest_strings.hpp"
#include "tests/support/mqtt_packet_text.hpp"

#include <doctest/doctest.h>

#include <string_view>

namespace gw::mqtt {
namespace {

using testing::ByteVector;
using testing::wire;

TEST_CASE("the remaining length has one to four bytes") {
    struct Row {
        std::string_view header;
        std::size_t length;
    };
    // The borders of MQTT 3.1.1, 2.2.3.
    static constexpr Row rows[] = {
        {"30 00", 0},
        {"30 7f", 127},
        {"30 8001", 128},
        {"30 ff7f", 16'383},
        {"30 808001", 16'384},
        {"30 ffff7f", 2'097'151},
        {"30 80808001", 2'097'152},
        {"30 ffffff7f", 268'435'455},
    };
    for (const Row& row : rows) {
        CAPTURE(row.header);
        const ByteVector header = wire(row.header);
        const FrameOutcome outcome = read_frame(header, protocol_packet_bytes_max, Version::v5);
        CHECK(outcome.announced_bytes == header.size() + row.length);
        CHECK((outcome.status == FrameStatus::frame) == (row.length == 0));
    }
}

TEST_CASE("a fifth byte of length is refused as soon as the fourth asks for it") {
    const ByteVector header = wire("30 ffffffff");
    for (std::size_t count = 0; count < 5; ++count) {
        const FrameOutcome outcome =
            read_frame(Bytes{header}.first(count), protocol_packet_bytes_max);
        CHECK(outcome.status == FrameStatus::need_more);
    }
    const FrameOutcome outcome = read_frame(header, protocol_packet_bytes_max);
    CHECK(outcome.status == FrameStatus::error);
    CHECK(outcome.error == DecodeError::remaining_length_malformed);
    CHECK(reason_code(outcome.error) == ReasonCode::malformed_packet);
}

TEST_CASE("a longer form of the length is refused in version 5 and taken before it") {
    // MQTT 5.0, 1.5.5 demands the fewest bytes; MQTT 3.1.1, 2.2.3 does not.
    const ByteVector packet = wire("c0 8000");
    const FrameOutcome strict = read_frame(packet, 100, Version::v5);
    CHECK(strict.status == FrameStatus::error);
    CHECK(strict.error == DecodeError::remaining_length_malformed);
    CHECK(read_frame(packet, 100, Version::v3_1_1).status == FrameStatus::frame);
    CHECK(read_frame(packet, 100, Version::v3_1).frame.packet_bytes == 3);
    CHECK(read_frame(packet, 100).status == FrameStatus::frame);
}

TEST_CASE("five bytes that announce 256 MB cost five bytes") {
    const ByteVector header = wire("10 ffffff7f");
    const FrameOutcome outcome = read_frame(header, 1'048'576);
    CHECK(outcome.status == FrameStatus::error);
    CHECK(outcome.error == DecodeError::packet_too_large);
    CHECK(reason_code(outcome.error) == ReasonCode::packet_too_large);
}

TEST_CASE("the limit counts the whole packet") {
    const ByteVector packet = wire("30 05 0003'a/b'");
    CHECK(read_frame(packet, 7).status == FrameStatus::frame);
    CHECK(read_frame(packet, 6).error == DecodeError::packet_too_large);
    // Known from the second byte on, not only when all is there.
    CHECK(read_frame(Bytes{packet}.first(2), 6).status == FrameStatus::error);
    CHECK(read_frame(Bytes{packet}.first(2), 7).status == FrameStatus::need_more);
}

TEST_CASE("a wrong first byte is refused before anything else came") {
    for (int value = 0; value < 256; ++value) {
        CAPTURE(value);
        const auto byte = static_cast<std::uint8_t>(value);
        const int type = value >> 4;
        const int flags = value & 0x0f;
        const bool has_fixed_2 = type == 6 || type == 8 || type == 10;
        const bool is_good =
            type == 3 ? (flags & 6) != 6 : type != 0 && flags == (has_fixed_2 ? 2 : 0);
        for (const Version version : {Version::v3_1_1, Version::v5}) {
            const FrameOutcome outcome = read_frame({&byte, 1}, 100, version);
            CHECK((outcome.status == FrameStatus::need_more) == is_good);
            CHECK((outcome.status == FrameStatus::error) == !is_good);
        }
        const bool is_repeat_of_3_1 = has_fixed_2 && flags == 0x0a;
        const FrameOutcome outcome = read_frame({&byte, 1}, 100, Version::v3_1);
        CHECK((outcome.status == FrameStatus::need_more) == (is_good || is_repeat_of_3_1));
    }
}

TEST_CASE("packets that follow each other are cut apart") {
    const ByteVector stream = wire("c000 30 05 0003'a/b' e000");
    Bytes rest{stream};
    std::vector<PacketType> types;
    while (!rest.empty()) {
        const FrameOutcome outcome = read_frame(rest, 100, Version::v3_1_1);
        REQUIRE(outcome.status == FrameStatus::frame);
        types.push_back(outcome.frame.type());
        rest = rest.subspan(outcome.frame.packet_bytes);
    }
    CHECK(types == std::vector{PacketType::pingreq, PacketType::publish, PacketType::disconnect});
}

TEST_CASE("packet types have the specification's names") {
    CHECK(std::string_view{packet_type_name(PacketType::connect)} == "CONNECT");
    CHECK(std::string_view{packet_type_name(PacketType::unsuback)} == "UNSUBACK");
    CHECK(std::string_view{packet_type_name(PacketType::auth)} == "AUTH");
    CHECK(std::string_view{packet_type_name(static_cast<PacketType>(0))} == "reserved");
}

}  // namespace
}  // namespace gw::mqtt
