#pragma once

#include <cstdint>

namespace gw {

/// Delivery guarantee of a message or a subscription (MQTT 5.0, 4.3).
enum class Qos : std::uint8_t { at_most_once = 0, at_least_once = 1, exactly_once = 2 };

inline Qos min(Qos a, Qos b) {
    return a < b ? a : b;
}

}  // namespace gw
