#pragma once

#include <string_view>

namespace gw {

/// Version of this program, from project() in the top CMakeLists.txt.
inline constexpr std::string_view version = GW_VERSION;

}  // namespace gw
