#pragma once

#include "broker-core/base/bytes.hpp"

namespace gw {

/// Whether the bytes are a UTF-8 string that MQTT allows: well formed (shortest form, no
/// surrogates, at most U+10FFFF) and without U+0000 (MQTT 5.0, 1.5.4).
bool is_valid_utf8(Bytes bytes);

}  // namespace gw
