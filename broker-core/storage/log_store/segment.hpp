#pragma once

#include "broker-core/base/bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

// One segment of the log is one row: a header with a check value, then records
// (docs/storage-format.md, "Segments"). Pure.
namespace gw {

/// Bytes in front of the first record.
inline constexpr std::size_t segment_header_bytes = 5;
/// The layout of segments that this program writes and the only one that it reads.
inline constexpr std::uint8_t segment_format = 1;

/// Makes `out` an empty segment: room for the header. Records are appended behind it.
void begin_segment(ByteBuffer& out);
/// Fills in the header of the finished segment. The check value covers `id` too, so that a body
/// that stands in a wrong row is noticed.
void seal_segment(ByteBuffer& segment, std::uint64_t id);
/// The records of a segment, or nothing when the header or the check value is wrong.
std::optional<Bytes> open_segment(Bytes segment, std::uint64_t id);

}  // namespace gw
