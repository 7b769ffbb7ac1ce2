#pragma once

#include "config/acl/mosquitto_acl.hpp"

#include <string_view>

namespace gw::config {

/// Whether a text looks like EMQ's Erlang terms: its first character outside of comments is `{`.
bool is_emq_acl(std::string_view text);

/// Translates EMQ 2's etc/acl.conf: `{allow, {user, "ann"}, subscribe, ["a/#", {eq, "#"}]}.` with
/// all, user, client, ipaddr, 'and' and 'or'. What cannot be said here is an error, since a rule
/// that is left out may be one that denies.
ImportedAcl import_emq_acl(std::string_view source, std::string_view text);

}  // namespace gw::config
