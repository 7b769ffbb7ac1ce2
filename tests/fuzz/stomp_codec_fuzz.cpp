// Any bytes as a stream of frames. Properties:
//   1. where a frame ends, and whether it is broken, does not depend on the pieces it comes in (a
//      line that is wrong in two ways may be refused for either);
//   2. what an error says of the limits is right: nothing larger than them is ever a frame;
//   3. what decodes is written so that it decodes to the same;
//   4. the texts of values are read without reading past them.
#include "adapters/stomp/codec/frame_writer.hpp"
#include "adapters/stomp/codec/values.hpp"

#include <cstddef>
#include <cstdint>

namespace {

using namespace gw;
using namespace gw::stomp;

constexpr FrameLimits limits_of(std::uint8_t settings) {
    return {.header_count_max = 5,
            .line_bytes_max = 40,
            .body_bytes_max = 60,
            .connect_only = (settings & 4) != 0};
}

/// Reads one frame that comes `step` octets at a time.
FrameStatus read_in_pieces(FrameReader& reader, Bytes bytes, const FrameLimits& limits,
                           std::size_t step) {
    for (std::size_t size = 0; size < bytes.size();) {
        size = std::min(size + step, bytes.size());
        const FrameStatus status = reader.read(bytes.first(size), limits);
        if (status != FrameStatus::need_more) {
            return status;
        }
    }
    return FrameStatus::need_more;
}

void check_values(const Frame& frame) {
    for (const Header& header : frame.headers) {
        GW_ASSERT(frame.find(header.name).has_value());
        parse_number(header.value);
        parse_flag(header.value);
        const auto beat = parse_heart_beat(header.value);
        GW_ASSERT(!beat || (beat->sends >= Milliseconds{0} && beat->wants >= Milliseconds{0}));
        choose_version(header.value);
    }
}

/// Writes the frame again and reads it back.
void check_round_trip(const Frame& frame, Version version) {
    ByteBuffer out;
    FrameWriter writer{out, version, frame.command};
    for (const Header& header : frame.headers) {
        writer.header(header.name, header.value);
    }
    writer.end_head();
    const std::size_t head_bytes = out.size();
    out.append(frame.body);
    writer.end_frame();
    FrameScratch scratch;
    const auto again = decode_head(frame.command, version, out.view().first(head_bytes), scratch);
    GW_ASSERT(again.has_value() && again->size() == frame.headers.size());
    for (std::size_t i = 0; i < again->size(); ++i) {
        GW_ASSERT((*again)[i].name == frame.headers[i].name);
        // A CR at the end of a line belongs to the line's end where it has no escape.
        const bool has_escape = version == Version::v1_2 && is_escaped(frame.command);
        const bool ends_with_cr = frame.headers[i].value.ends_with('\r') && !has_escape;
        GW_ASSERT(ends_with_cr || (*again)[i].value == frame.headers[i].value);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    const FrameLimits limits = limits_of(data[0]);
    const auto version = static_cast<Version>(data[0] % 3);
    const std::size_t step = data[1] % 16U + 1;
    Bytes rest{data + 2, size - 2};
    while (true) {
        rest = rest.subspan(count_line_ends(rest));
        FrameReader whole;
        const FrameStatus status = whole.read(rest, limits);
        FrameReader pieces;
        GW_ASSERT(read_in_pieces(pieces, rest, limits, step) == status || rest.empty());
        if (status == FrameStatus::error) {
            GW_ASSERT(!decode_error_text(pieces.error()).empty());
            GW_ASSERT(!decode_error_text(whole.error()).empty());
            find_raw(rest.first(whole.known_bytes()), "receipt");
        }
        if (status != FrameStatus::frame) {
            return 0;
        }
        GW_ASSERT(pieces.frame_bytes() == whole.frame_bytes());
        GW_ASSERT(whole.frame_bytes() <= rest.size() &&
                  whole.body_bytes() <= limits.body_bytes_max);
        const Bytes head = rest.first(whole.head_bytes());
        FrameScratch scratch;
        if (const auto headers = decode_head(whole.command(), version, head, scratch)) {
            GW_ASSERT(headers->size() <= limits.header_count_max);
            const Frame frame{.command = whole.command(),
                              .headers = *headers,
                              .body = rest.subspan(whole.head_bytes(), whole.body_bytes())};
            check_values(frame);
            check_round_trip(frame, version);
        }
        rest = rest.subspan(whole.frame_bytes());
    }
}
