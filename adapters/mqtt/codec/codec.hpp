#pragma once

/// The whole codec: bytes to packets and back for MQTT 3.1, 3.1.1 and 5.0.
#include "adapters/mqtt/codec/ack.hpp"              // IWYU pragma: export
#include "adapters/mqtt/codec/connect.hpp"          // IWYU pragma: export
#include "adapters/mqtt/codec/decode_error.hpp"     // IWYU pragma: export
#include "adapters/mqtt/codec/frame.hpp"            // IWYU pragma: export
#include "adapters/mqtt/codec/property.hpp"         // IWYU pragma: export
#include "adapters/mqtt/codec/publish.hpp"          // IWYU pragma: export
#include "adapters/mqtt/codec/session_control.hpp"  // IWYU pragma: export
#include "adapters/mqtt/codec/subscribe.hpp"        // IWYU pragma: export
