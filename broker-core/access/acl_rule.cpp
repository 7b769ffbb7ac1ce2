#include "broker-core/access/acl_rule.hpp"

#include <algorithm>

namespace gw {

bool AclCondition::fits(std::string_view value) const {
    return !value.empty() && std::any_of(texts.begin(), texts.end(), [value](const Text& one) {
        return one.is_prefix ? value.starts_with(one.text) : value == one.text;
    });
}

bool AclCondition::has_value(const ClientIdentity& client) const {
    switch (subject) {
        case AclSubject::user:
            return fits(client.principal());
        case AclSubject::client:
            return fits(client.client_id);
        case AclSubject::address:
            // A Unix socket has no address, so it is in no range, not even in ::/0.
            return client.ip != IpAddress{} &&
                   std::any_of(ranges.begin(), ranges.end(), [&client](const IpRange& range) {
                       return range.contains(client.ip);
                   });
        case AclSubject::group:
            return client.grants &&
                   std::any_of(client.grants->groups.begin(), client.grants->groups.end(),
                               [this](const std::string& group) { return fits(group); });
        case AclSubject::attribute:
            return client.grants &&
                   std::any_of(client.grants->attributes.begin(), client.grants->attributes.end(),
                               [this](const std::pair<std::string, std::string>& one) {
                                   return one.first == attribute && fits(one.second);
                               });
        case AclSubject::protocol:
            return std::find(protocols.begin(), protocols.end(), client.protocol->family) !=
                   protocols.end();
        case AclSubject::anonymous:
            return client.is_anonymous;
        case AclSubject::authenticated:
            return !client.is_anonymous;
        case AclSubject::administrator:
            return client.is_administrator;
    }
    GW_UNREACHABLE();
}

bool AclCondition::holds(const ClientIdentity& client) const {
    return has_value(client) != is_negated;
}

bool AclRule::applies_to(const ClientIdentity& client) const {
    return std::all_of(
        conditions.begin(), conditions.end(),
        [&client](const AclCondition& condition) { return condition.holds(client); });
}

}  // namespace gw
