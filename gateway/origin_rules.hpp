#pragma once

#include "broker-core/message/origin.hpp"
#include "config/model/config.hpp"

#include <vector>

namespace gw {

/// What is known of a listener's address.
struct ListenerPlace {
    bool is_loopback = false;  // bound to a loopback address, or a Unix socket
    bool is_unix = false;
    bool is_built_in = false;  // nobody has configured it
};

/// What a listener says of the places that its clients speak from: the one reading of
/// `.access.<N>`, `allow_anonymous` and `sys.administrators`, for listeners of every kind.
OriginRulesPtr origin_rules(const config::Config& config, const config::ListenerLimits& limits,
                            const std::vector<config::AccessRule>& access,
                            const ListenerPlace& place);

/// Whom sys.administrators means by its address.
std::vector<IpRange> administrator_ranges(const config::Administrators& administrators,
                                          bool is_built_in);

}  // namespace gw
