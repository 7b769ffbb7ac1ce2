#pragma once

#include "broker-core/access/acl_rule.hpp"
#include "config/parse/diagnostic.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gw::config {

struct ParsedAcl {
    std::vector<AclRule> rules;
    Diagnostics diagnostics;  // errors only; with one of them the rules must not be used
};

/// Parses the text of an acl.conf; goes on after a bad line, so that all are told.
///
///     rule      = ("allow" | "deny") "=" who [action [topic *("," topic)]]
///     who       = "all" | 1*condition              ; all of them must hold
///     condition = subject ("=" | "!=") value *("|" value)
///               | ["!"] ("anonymous" | "authenticated" | "administrator")
///     subject   = "user" | "client" | "ip" | "group" | "attr." name | "protocol"
///     action    = "publish" | "subscribe" | "receive" | "pubsub"
///     topic     = ["eq"] filter
///
/// A value or a filter may stand in double quotes, with \" and \\ inside. A `*` at the end of an
/// unquoted value stands for any rest. `#` starts a comment at the beginning of a line only, since
/// it is a topic filter too. What the parts mean: docs/access-control.md.
ParsedAcl parse_acl(std::string_view source, std::string_view text);

/// The rules that count when there is no file: those of the shipped config/acl.conf.
std::string_view default_acl_text();

/// A value or filter as it must be written in a rule: in quotes where needed.
std::string acl_word(std::string_view text);

}  // namespace gw::config
