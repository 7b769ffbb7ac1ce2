#pragma once

#include "config/parse/loader.hpp"

namespace gw::config {

/// Checks what no key can check alone: values that must fit together. Each diagnostic points to
/// the setting that would have to change.
void check_rules(const Loaded& loaded, Diagnostics& diagnostics);

}  // namespace gw::config
