#pragma once

#include "broker-core/base/bytes.hpp"

#include <cstdint>

namespace gw::websocket {

/// Checks UTF-8 that comes in pieces, and says no at the first byte that cannot be right (RFC 3629:
/// shortest form, no surrogates, at most U+10FFFF). U+0000 is allowed, unlike in MQTT's strings.
class Utf8Validator {
public:
    /// Takes the next piece; false from the first wrong byte on.
    bool add(Bytes bytes) {
        for (const std::uint8_t byte : bytes) {
            if (!add(byte)) {
                return false;
            }
        }
        return true;
    }
    /// Whether what came so far ends between two characters.
    bool is_complete() const { return missing_ == 0; }
    void reset() { *this = {}; }

private:
    bool add(std::uint8_t byte) {
        if (missing_ == 0) {
            return byte < 0x80 || begin(byte);
        }
        if (byte < low_ || byte > high_) {
            low_ = 0xff;  // nothing fits any more
            high_ = 0;
            return false;
        }
        low_ = 0x80;
        high_ = 0xbf;
        --missing_;
        return true;
    }

    /// The first byte bounds the second: that excludes long forms, surrogates and what lies beyond
    /// U+10FFFF (RFC 3629, 4).
    bool begin(std::uint8_t byte) {
        low_ = 0x80;
        high_ = 0xbf;
        if (byte >= 0xc2 && byte <= 0xdf) {
            missing_ = 1;
        } else if (byte >= 0xe0 && byte <= 0xef) {
            missing_ = 2;
            low_ = byte == 0xe0 ? 0xa0 : 0x80;
            high_ = byte == 0xed ? 0x9f : 0xbf;
        } else if (byte >= 0xf0 && byte <= 0xf4) {
            missing_ = 3;
            low_ = byte == 0xf0 ? 0x90 : 0x80;
            high_ = byte == 0xf4 ? 0x8f : 0xbf;
        } else {
            missing_ = 1;
            low_ = 0xff;
            high_ = 0;
            return false;
        }
        return true;
    }

    std::uint8_t missing_ = 0;  // bytes of the present character still to come
    std::uint8_t low_ = 0;      // bounds of the next of them
    std::uint8_t high_ = 0;
};

}  // namespace gw::websocket
