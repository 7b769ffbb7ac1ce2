#pragma once

#include "broker-core/base/rate_limit.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace gw {

/// Measures what one connection sends against mqtt.client.max_publish_rate (messages/s) and
/// mqtt.client.max_byte_rate (bytes/s). Each says from when on more may be read; `now` while
/// nothing has to wait. The limits must not be 0. Worker thread.
class ReadingRates {
public:
    /// One message. It is taken if nothing has to wait, else it must be given again.
    MonotonicTime take_message(std::uint32_t publish_rate_max, MonotonicTime now) {
        if (bucket(messages_, publish_rate_max, now).try_take(now)) {
            return now;
        }
        return now + std::max(Milliseconds{1}, Milliseconds{1000} / publish_rate_max);
    }

    /// Bytes that were dealt with: what comes after them waits.
    MonotonicTime take_bytes(std::size_t count, std::uint64_t byte_rate_max, MonotonicTime now) {
        RateLimit& bytes = bucket(bytes_, byte_rate_max, now);
        bytes.take(count, now);
        return bytes.ready_at(now);
    }

private:
    static RateLimit& bucket(std::optional<RateLimit>& rate, std::uint64_t rate_max,
                             MonotonicTime now) {
        return rate ? *rate : rate.emplace(rate_max, now);
    }

    std::optional<RateLimit> messages_;
    std::optional<RateLimit> bytes_;
};

}  // namespace gw
