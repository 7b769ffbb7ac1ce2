#include "config/model/address.hpp"

#include "config/model/config.hpp"

namespace gw::config {

std::string ListenAddress::text() const {
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool access_allows(const std::vector<AccessRule>& rules, const IpAddress& address) {
    for (const AccessRule& rule : rules) {
        if (!rule.range || rule.range->contains(address)) {
            return rule.allow;
        }
    }
    return true;
}

}  // namespace gw::config
