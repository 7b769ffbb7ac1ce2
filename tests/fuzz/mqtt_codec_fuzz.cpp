// Properties, for any bytes in any version from either side:
//   1. how TCP cuts the stream does not change what we read;
//   2. what we decode, encoded again, decodes to the same packet, and from there on the bytes stay;
//   3. the size functions tell the size (asserted where the packets are encoded).
// That no byte outside a packet is touched is for the sanitizers to see: each body gets memory of
// exactly its size.
#include "broker-core/base/assert.hpp"
#include "tests/support/mqtt_packet_text.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace gw::mqtt {
namespace {

using testing::ByteVector;
using testing::Link;

constexpr std::size_t packet_bytes_max = 1024 * 1024;

struct DecodedPacket {
    std::uint8_t first_byte = 0;
    ByteVector body;
    std::string text;
};

struct DecodedStream {
    std::vector<DecodedPacket> packets;
    std::string end;  // why no more was read
    bool operator==(const DecodedStream&) const = default;
};

bool operator==(const DecodedPacket& a, const DecodedPacket& b) {
    return a.first_byte == b.first_byte && a.body == b.body && a.text == b.text;
}

Frame frame_of(const DecodedPacket& packet) {
    return {packet.first_byte, packet.body, 0};
}

/// Reads all complete packets off the front of `buffer`; false when the stream is at its end.
bool take_packets(ByteBuffer& buffer, Link link, DecodedStream& stream) {
    while (true) {
        const FrameOutcome outcome = read_frame(buffer.view(), packet_bytes_max, link.version);
        GW_ASSERT(outcome.announced_bytes <= packet_bytes_max);
        if (outcome.status == FrameStatus::error) {
            stream.end = decode_error_text(outcome.error);
            return false;
        }
        if (outcome.status == FrameStatus::need_more) {
            stream.end = "need more";
            return true;
        }
        DecodedPacket& packet = stream.packets.emplace_back();
        packet.first_byte = outcome.frame.first_byte;
        packet.body.assign(outcome.frame.body.begin(), outcome.frame.body.end());
        packet.text = describe(frame_of(packet), link);
        buffer.consume(outcome.frame.packet_bytes);
    }
}

DecodedStream decode_in_pieces(Bytes input, std::size_t piece_bytes, Link link) {
    DecodedStream stream;
    ByteBuffer buffer;
    while (!input.empty()) {
        const Bytes piece = input.first(std::min(piece_bytes, input.size()));
        buffer.append(piece);
        if (!take_packets(buffer, link, stream)) {
            return stream;
        }
        input = input.subspan(piece.size());
    }
    return stream;
}

void check_round_trip(const DecodedPacket& packet, Link link) {
    if (decode_failure(frame_of(packet), link)) {
        return;
    }
    const ByteVector once = encode_again(frame_of(packet), link);
    const Frame frame = testing::whole_frame(once, link.version);
    GW_ASSERT(describe(frame, link) == packet.text);
    const ByteVector twice = encode_again(frame, link);
    GW_ASSERT(once == twice);
}

}  // namespace
}  // namespace gw::mqtt

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gw::mqtt;
    constexpr std::size_t header_bytes = 2;
    if (size < header_bytes) {
        return 0;
    }
    constexpr Version versions[] = {Version::v3_1, Version::v3_1_1, Version::v5};
    const testing::Link link{versions[data[0] % 3],
                             (data[0] & 0x80) != 0 ? Sender::server : Sender::client};
    const std::size_t piece_bytes = data[1] + std::size_t{1};  // chosen by the fuzzer, so it learns
    const gw::Bytes input{data + header_bytes, size - header_bytes};

    const DecodedStream whole = decode_in_pieces(input, input.size() + 1, link);
    const DecodedStream pieces = decode_in_pieces(input, piece_bytes, link);
    GW_ASSERT(whole == pieces);
    for (const DecodedPacket& packet : whole.packets) {
        check_round_trip(packet, link);
    }
    return 0;
}
