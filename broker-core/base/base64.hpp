#pragma once

#include "broker-core/base/result.hpp"

#include <string>
#include <string_view>

namespace gw {

/// RFC 4648, section 4, with padding.
std::string to_base64(std::string_view bytes);
Result<std::string> from_base64(std::string_view text);

}  // namespace gw
