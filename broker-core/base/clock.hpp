#pragma once

#include <chrono>
#include <cstdint>

namespace gw {

using Milliseconds = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;

/// Tag of the monotonic time that drivers pass into the core and the machines. Nothing below the
/// drivers reads a clock, so there is no now() here.
struct MonotonicClock {
    using duration = Milliseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<MonotonicClock>;
    static constexpr bool is_steady = true;
};

/// Milliseconds since an arbitrary start; never goes back.
using MonotonicTime = MonotonicClock::time_point;

/// "Never": later than any deadline.
inline constexpr MonotonicTime never = MonotonicTime::max();

/// Wall-clock time in milliseconds since 1970, for what people read and what survives a restart.
using WallTime = std::chrono::time_point<std::chrono::system_clock, Milliseconds>;

/// The two clocks read at one moment; drivers take it once a turn.
struct Now {
    MonotonicTime monotonic;
    WallTime wall;
};

}  // namespace gw
