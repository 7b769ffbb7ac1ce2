#pragma once

#include "config/parse/loader.hpp"

#include <string>

namespace gw::config {

/// The effective values as a configuration file that would give them again; behind each where it
/// came from. What `mangrove config show` prints.
std::string show_text(const Loaded& loaded);

/// docs/config-reference.md, whole.
std::string reference_page();

/// The reference of one key, for a terminal; empty when there is none under this name or alias.
std::string explain_key(std::string_view name);

}  // namespace gw::config
