#pragma once

#include "broker-core/base/clock.hpp"
#include "broker-core/message/qos.hpp"

#include <string>

namespace gw {

/// A will message and when to publish it (MQTT 5.0, 3.1.2.5 and 3.1.3.2).
struct Will {
    std::string topic;
    std::string payload;
    std::string properties;  // block of broker-core/message/properties.hpp
    Qos qos = Qos::at_most_once;
    bool retain = false;
    Seconds delay{0};
    Seconds expiry_interval{0};  // message expiry; 0 with has_expiry: expires at once
    bool has_expiry = false;
};

}  // namespace gw
