#pragma once

#include "adapters/coap/codec/content_format.hpp"
#include "adapters/coap/codec/response.hpp"
#include "broker-core/base/clock.hpp"
#include "broker-core/message/message.hpp"
#include "broker-core/message/properties.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace gw::coap {

/// What an answer is about, borrowed for the call.
struct Content {
    Bytes payload;
    std::optional<std::uint16_t> format;
    std::uint32_t max_age = 0;  // seconds
    Etag etag;
};

/// The Content-Format of a message; nothing when it has no content type, or one without a number.
inline std::optional<std::uint16_t> format_of(const Message& message) {
    PropertyReader properties{message.properties()};
    while (const auto property = properties.next()) {
        if (property->id == MessageProperty::content_type) {
            return content_format_of(property->value);
        }
    }
    return std::nullopt;
}

/// Seconds that a message still has; nothing when it does not expire.
inline std::optional<std::uint32_t> max_age_of(const Message& message, MonotonicTime now) {
    if (message.expires_at() == never) {
        return std::nullopt;
    }
    const auto left = std::chrono::duration_cast<Seconds>(message.expires_at() - now);
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(left.count(), 0, 0xffffffff));
}

}  // namespace gw::coap
