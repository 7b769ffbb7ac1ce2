#pragma once

#include "adapters/machine/stream_machine.hpp"

#include <cstdint>

namespace gw {

/// Why nothing is read from a connection: reasons of its machine, a bit each. Reading goes on when
/// none is left. 1 byte.
class ReadingPause {
public:
    void add(std::uint8_t why, StreamConnection& connection) {
        const bool was_reading = reasons_ == 0;
        reasons_ = static_cast<std::uint8_t>(reasons_ | why);
        if (was_reading) {
            connection.pause_reading();
        }
    }
    /// Whether reading goes on because of it.
    bool remove(std::uint8_t why, StreamConnection& connection) {
        if (!has(why)) {
            return false;
        }
        reasons_ = static_cast<std::uint8_t>(reasons_ & ~why);
        if (reasons_ != 0) {
            return false;
        }
        connection.resume_reading();
        return true;
    }
    bool has(std::uint8_t why) const { return (reasons_ & why) != 0; }
    bool any() const { return reasons_ != 0; }

private:
    std::uint8_t reasons_ = 0;
};

}  // namespace gw
