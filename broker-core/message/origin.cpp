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

}  // namespace gw
