#pragma once

#include "adapters/websocket/frame.hpp"

#include <string>
#include <string_view>

namespace gw::test {

/// A frame as a client sends it: masked. `first` is the whole first byte.
inline std::string client_frame(unsigned first, std::string_view payload) {
    std::string frame{static_cast<char>(first)};
    if (payload.size() < 126) {
        frame += static_cast<char>(0x80 | payload.size());
    } else if (payload.size() <= 0xffff) {
        frame += static_cast<char>(0x80 | 126);
        frame += static_cast<char>(payload.size() >> 8);
        frame += static_cast<char>(payload.size() & 0xff);
    } else {
        frame += static_cast<char>(0x80 | 127);
        for (int shift = 56; shift >= 0; shift -= 8) {
            frame += static_cast<char>(payload.size() >> shift & 0xff);
        }
    }
    constexpr std::string_view mask = "\x37\xfa\x21\x3d";
    frame += mask;
    for (std::size_t i = 0; i < payload.size(); ++i) {
        frame += static_cast<char>(payload[i] ^ mask[i % 4]);
    }
    return frame;
}

inline std::string text_frame(std::string_view payload) {
    return client_frame(0x81, payload);
}
inline std::string binary_frame(std::string_view payload) {
    return client_frame(0x82, payload);
}
inline std::string close_frame(unsigned code, std::string_view reason = {}) {
    std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
    payload += reason;
    return client_frame(0x88, payload);
}

}  // namespace gw::test
