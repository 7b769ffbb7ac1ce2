#pragma once

/// Assertions for this program's own mistakes. They stay on in release builds; no byte from
/// outside may ever reach one (the fuzz targets look for one that does).
namespace gw {
/// Prints the expression and its place to stderr and aborts. Any thread.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;
}  // namespace gw

#define GW_ASSERT(condition)                                        \
    do {                                                            \
        if (!(condition)) [[unlikely]] {                            \
            ::gw::assertion_failed(#condition, __FILE__, __LINE__); \
        }                                                           \
    } while (false)

#define GW_UNREACHABLE() ::gw::assertion_failed("unreachable", __FILE__, __LINE__)
