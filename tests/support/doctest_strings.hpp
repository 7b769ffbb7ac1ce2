#pragma once

// doctest 2.4.9 prints std::string_view only when it is told how.
#include <doctest/doctest.h>

#include <string_view>

namespace doctest {
template <>
struct StringMaker<std::string_view> {
    static String convert(std::string_view text) {
        return String{text.data(), static_cast<unsigned>(text.size())};
    }
};
}  // namespace doctest
