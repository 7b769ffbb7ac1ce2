#include "broker-core/base/printable.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace gw;

namespace {

std::string shown(std::string_view text) {
    std::string out;
    append_printable(out, text);
    return out;
}

}  // namespace

TEST_CASE("what a person reads is what is there") {
    for (const char* const text : {"", "plain", "a b=c\"\\", "gr\u00FC\u00DF", "\u00A0\u00AD",
                                   "\u4E2D\u6587", "\U0001F600", "\u05E9\u05DC\u05D5\u05DD"}) {
        CAPTURE(text);
        CHECK(shown(text) == text);
    }
    struct Row {
        std::string_view text, shown;
    };
    constexpr Row rows[] = {
        {"\x1b[31m", "\\x1b[31m"},
        {"a\r\nb\t", "a\\x0d\\x0ab\\x09"},
        {"\x7f", "\\x7f"},
        {"\xc2\x9b", "\\xc2\\x9b"},
        {"\xff", "\\xff"},
        {"\xc3", "\\xc3"},
        {"\xe2\x80", "\\xe2\\x80"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},  // a surrogate
        {"\xc0\xaf", "\\xc0\\xaf"},           // not the shortest form
        {"\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80"},
    };
    for (const Row& row : rows) {
        CHECK(shown(row.text) == row.shown);
    }
    CHECK(shown(std::string_view{"\0", 1}) == "\\x00");
}

TEST_CASE("what turns or hides other characters is shown by its bytes") {
    const auto hidden = [](char32_t code) {
        return code == 0x61c || (code >= 0x200b && code <= 0x200f) ||
               (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
               code == 0xfeff;
    };
    for (char32_t code = 0x600; code <= 0xffff; ++code) {
        if (code >= 0xd800 && code <= 0xdfff) {
            continue;
        }
        std::string text;
        if (code < 0x800) {
            text += static_cast<char>(0xc0 | code >> 6);
        } else {
            text += static_cast<char>(0xe0 | code >> 12);
            text += static_cast<char>(0x80 | (code >> 6 & 0x3f));
        }
        text += static_cast<char>(0x80 | (code & 0x3f));
        const bool is_shown = shown(text) == text;
        if (is_shown == hidden(code)) {
            FAIL_CHECK("U+" << static_cast<unsigned>(code));
        }
    }
}
