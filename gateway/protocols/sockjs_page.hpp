#pragma once

#include <string_view>

namespace gw {

/// A page in which one can connect, subscribe, publish and watch; needs nothing from elsewhere.
std::string_view sockjs_page();

}  // namespace gw
