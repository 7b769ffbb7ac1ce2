#pragma once

#include <string>
#include <string_view>

namespace gw {

/// Appends `text` as a JSON string with its quotes (RFC 8259, 7). Bytes that are not UTF-8 must not
/// come here.
void append_json_string(std::string& out, std::string_view text);

}  // namespace gw
