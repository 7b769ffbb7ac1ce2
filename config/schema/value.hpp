#pragma once

#include "broker-core/base/result.hpp"
#include "config/schema/key.hpp"

#include <string>
#include <string_view>

namespace gw::config {

/// Turns a written value into a checked one. The failure is one sentence for the person who wrote
/// it, without the key's name and without a full stop.
Result<Value, std::string> parse_value(const Key& key, std::string_view written);

/// What the type is called in the reference page and in errors: "byte size".
std::string_view type_name(ValueType type);

}  // namespace gw::config
