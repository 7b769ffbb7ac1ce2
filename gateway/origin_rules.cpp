#include "gateway/origin_rules.hpp"

#include <memory>
#include <utility>

namespace gw {

std::vector<IpRange> administrator_ranges(const config::Administrators& administrators,
                                          bool is_built_in) {
    if (!administrators.is_automatic) {
        return administrators.ranges;
    }
    if (!is_built_in) {
        return {};
    }
    return {*IpRange::parse("127.0.0.0/8"), *IpRange::parse("::1")};
}

OriginRulesPtr origin_rules(const config::Config& config, const config::ListenerLimits& limits,
                            const std::vector<config::AccessRule>& access,
                            const ListenerPlace& place) {
    auto rules = std::make_shared<OriginRules>();
    for (const config::AccessRule& rule : access) {
        rules->access.push_back({rule.allow, rule.range});
    }
    const config::Administrators& administrators = config.sys.administrators;
    rules->administrators = administrator_ranges(administrators, place.is_built_in);
    rules->has_unix_administrators = administrators.unix_sockets || administrators.is_automatic;
    rules->mountpoint = limits.mountpoint;
    switch (limits.allow_anonymous.value_or(config.access.allow_anonymous)) {
        case config::Anonymous::no:
            break;
        case config::Anonymous::yes:
            rules->allows_anonymous = true;
            break;
        case config::Anonymous::local:
            rules->allows_local_anonymous = place.is_loopback;
            break;
        case config::Anonymous::automatic:
            rules->allows_local_anonymous =
                place.is_unix || (place.is_built_in && place.is_loopback);
            break;
    }
    return rules;
}

}  // namespace gw
