#pragma once

#include "broker-core/access/acl_topic.hpp"
#include "broker-core/base/ip_address.hpp"
#include "broker-core/message/identity.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace gw {

/// What a rule looks at in a client. A user name counts only when it was proven.
enum class AclSubject : std::uint8_t {
    user,
    client,
    address,
    group,
    attribute,
    protocol,
    anonymous,      // nothing was proven
    authenticated,  // a name was proven
    administrator,  // by sys.administrators
};

/// One condition of a rule: one of its values must fit; with `!=` none of them.
struct AclCondition {
    struct Text {
        std::string text;
        bool is_prefix = false;  // written with a `*` at its end
    };

    AclSubject subject = AclSubject::user;
    bool is_negated = false;
    std::string attribute;               // name of the attribute
    std::vector<Text> texts;             // of users, clients, groups, attributes
    std::vector<IpRange> ranges;         // of addresses
    std::vector<std::string> protocols;  // "mqtt", "mqtt-sn", "coap", "stomp"

    bool holds(const ClientIdentity& client) const;

private:
    bool has_value(const ClientIdentity& client) const;
    bool fits(std::string_view value) const;
};

/// One rule, in the order of the file. All conditions must hold.
struct AclRule {
    bool is_allow = true;
    bool for_publish = true;
    bool for_subscribe = true;             // which filters may be subscribed
    bool for_receive = true;               // which messages are delivered; `subscribe` sets both
    std::vector<AclCondition> conditions;  // none: all clients
    std::vector<AclTopic> topics;          // none: every topic, but that it opens no $SYS

    std::string source;  // where it stands: "config/acl.conf"
    std::size_t line = 0;
    std::string text;  // as it was written

    bool applies_to(const ClientIdentity& client) const;
    /// "acl.conf:12: deny = all subscribe $SYS/#"
    std::string describe() const { return source + ":" + std::to_string(line) + ": " + text; }
};

}  // namespace gw
