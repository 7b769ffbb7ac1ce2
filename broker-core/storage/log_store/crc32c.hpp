#pragma once

#include "broker-core/base/bytes.hpp"

#include <cstdint>

namespace gw {

/// CRC-32C (Castagnoli, reflected polynomial 0x82f63b78, as in RFC 3720, B.4) of `bytes`, going on
/// from `before`: the check value of what came in front, 0 at the start. Any thread.
std::uint32_t crc32c(Bytes bytes, std::uint32_t before = 0);

}  // namespace gw
