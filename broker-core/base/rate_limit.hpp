#pragma once

#include "broker-core/base/clock.hpp"

#include <algorithm>
#include <cstdint>

namespace gw {

/// Token bucket that holds one second's worth. A rate of 0 never limits.
class RateLimit {
public:
    RateLimit(std::uint64_t per_second, MonotonicTime start)
        : per_second_(static_cast<std::int64_t>(per_second)),
          milli_tokens_(per_second_ * 1000),
          filled_(start) {}

    /// Takes tokens; may go below zero, since what was received can't be sent back.
    void take(std::uint64_t count, MonotonicTime now) {
        if (per_second_ != 0) {
            fill(now);
            milli_tokens_ -= static_cast<std::int64_t>(count) * 1000;
        }
    }
    /// Takes one token when there is one.
    bool try_take(MonotonicTime now) {
        if (per_second_ == 0) {
            return true;
        }
        fill(now);
        if (milli_tokens_ < 1000) {
            return false;
        }
        milli_tokens_ -= 1000;
        return true;
    }
    /// When reading may go on: `now` while there are tokens.
    MonotonicTime ready_at(MonotonicTime now) const {
        if (per_second_ == 0 || milli_tokens_ >= 0) {
            return now;
        }
        return now + Milliseconds{(-milli_tokens_ + per_second_ - 1) / per_second_};
    }

private:
    void fill(MonotonicTime now) {
        // A debt may take longer than a second, so elapsed time counts until the bucket is full.
        const std::int64_t missing = per_second_ * 1000 - milli_tokens_;
        const std::int64_t elapsed = (now - filled_).count();
        if (elapsed > missing / per_second_) {
            milli_tokens_ = per_second_ * 1000;
        } else {
            milli_tokens_ += elapsed * per_second_;
        }
        filled_ = now;
    }

    std::int64_t per_second_;
    std::int64_t milli_tokens_;
    MonotonicTime filled_;
};

}  // namespace gw
