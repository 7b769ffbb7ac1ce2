#include "broker-core/message/origin.hpp"

namespace gw {

bool OriginRules::lets_in(const IpAddress& ip) const {
    for (const Access& entry : access) {
        if (!entry.range || entry.range->contains(ip)) {
            return entry.is_allowed;
        }
    }
    return true;
}

std::string core_client_id(const OriginRules* rules, std::string_view own) {
    std::string id;
    if (rules != nullptr) {
        id = rules->mountpoint;
    }
    id += own;
    return id;
}

}  // namespace gw
