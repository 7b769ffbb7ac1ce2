#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gw::test {

/// 192.0.2.1:5 to 10.0.0.1:6.
inline const std::string v2_addresses{"\xc0\0\2\1\x0a\0\0\1\0\5\0\6", 12};

inline std::string tlv(std::uint8_t type, std::string_view value) {
    std::string text{static_cast<char>(type)};
    text += static_cast<char>(value.size() >> 8);
    text += static_cast<char>(value.size() & 0xff);
    return text.append(value);
}

inline std::string proxy_v2(std::uint8_t version_and_command, std::uint8_t family,
                            std::string_view rest) {
    std::string text{"\r\n\r\n\0\r\nQUIT\n", 12};
    text += static_cast<char>(version_and_command);
    text += static_cast<char>(family);
    text += static_cast<char>(rest.size() >> 8);
    text += static_cast<char>(rest.size() & 0xff);
    return text.append(rest);
}

/// Puts the CRC-32C of `header`, whose place holds zeros, into its place. By table, as a second
/// opinion on the code under test.
inline std::string with_checksum(std::string header, std::size_t place) {
    std::uint32_t table[256];
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) {
            value = (value & 1) != 0 ? value >> 1 ^ 0x82f63b78U : value >> 1;
        }
        table[i] = value;
    }
    std::uint32_t crc = ~0U;
    for (const char c : header) {
        crc = table[(crc ^ static_cast<unsigned char>(c)) & 0xff] ^ crc >> 8;
    }
    crc = ~crc;
    for (int i = 0; i < 4; ++i) {
        header[place + static_cast<std::size_t>(i)] = static_cast<char>(crc >> (24 - 8 * i));
    }
    return header;
}

}  // namespace gw::test
