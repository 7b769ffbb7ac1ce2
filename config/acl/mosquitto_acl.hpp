#pragma once

#include "config/parse/diagnostic.hpp"

#include <string>
#include <string_view>

namespace gw::config {

struct ImportedAcl {
    std::string text;  // an acl.conf
    Diagnostics
        diagnostics;  // warnings: lines that could not be taken over; errors: not understood
};

/// Translates an access file of mosquitto (mosquitto.conf(5), acl_file) so that the same clients
/// may do the same: every subscription is granted and what the client may not read is kept back at
/// delivery, denials of a user or pattern come before what it is allowed, and in the end nothing is
/// allowed that no line names.
///
/// A pattern whose %u or %c does not fill its level has no equal here, since part of a name could
/// then stand for another: told as a warning, and left out.
ImportedAcl import_mosquitto_acl(std::string_view source, std::string_view text);

}  // namespace gw::config
