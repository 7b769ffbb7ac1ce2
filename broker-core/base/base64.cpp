#include "broker-core/base/base64.hpp"

#include <cstddef>
#include <cstdint>

namespace gw {

namespace {

constexpr std::string_view digits64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string to_base64(std::string_view bytes) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const std::size_t left = bytes.size() - at;
        std::uint32_t group = 0;
        for (std::size_t index = 0; index < 3; ++index) {
            group =
                group << 8 | (index < left ? static_cast<unsigned char>(bytes[at + index]) : 0U);
        }
        for (std::size_t index = 0; index < 4; ++index) {
            out += index <= left ? digits64[group >> (18 - 6 * index) & 63] : '=';
        }
    }
    return out;
}

Result<std::string> from_base64(std::string_view text) {
    const Error wrong{Errc::invalid_argument, "no base64"};
    if (text.size() % 4 != 0) {
        return wrong;
    }
    std::string out;
    out.reserve(text.size() / 4 * 3);
    for (std::size_t at = 0; at < text.size(); at += 4) {
        std::uint32_t group = 0;
        std::size_t count = 0;
        for (; count < 4 && text[at + count] != '='; ++count) {
            const std::size_t digit = digits64.find(text[at + count]);
            if (digit == std::string_view::npos) {
                return wrong;
            }
            group |= static_cast<std::uint32_t>(digit) << (18 - 6 * count);
        }
        const bool is_last = at + 4 == text.size();
        const bool is_padded = text.substr(at + count, 4 - count) ==
                               std::string_view{"=="}.substr(0, count < 2 ? 0 : 4 - count);
        if (count < 2 || (count < 4 && (!is_last || !is_padded))) {
            return wrong;
        }
        for (std::size_t index = 0; index + 1 < count; ++index) {
            out += static_cast<char>(group >> (16 - 8 * index) & 0xff);
        }
    }
    return out;
}

}  // namespace gw
