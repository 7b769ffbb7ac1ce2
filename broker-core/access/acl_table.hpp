#pragma once

#include "broker-core/access/access.hpp"
#include "broker-core/access/acl_rule.hpp"
#include "broker-core/base/hash.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gw {

/// What decided about a request.
enum class AclSource : std::uint8_t {
    rule,        // of the file
    token_rule,  // that the client's proof of identity brought
    token_end,   // the proof lists its rights, and this is none of them
    no_match,    // acl_nomatch, or for $SYS that the client is an administrator
};

struct AclVerdict {
    AccessDecision decision = AccessDecision::deny;
    AclSource source = AclSource::no_match;
    std::uint32_t index = 0;  // of the rule, or of the token's rule
};

class AclTable;
using AclTablePtr = std::shared_ptr<const AclTable>;

/// The rules that concern one client, in order, made ready for fast answers. Shared by all clients
/// whom the same rules of the file concern, as far as no token brings more. Never changed.
class AclProfile final : public AccessFindings {
public:
    AclVerdict publish(std::string_view topic, const ClientIdentity& client) const;
    AclVerdict subscribe(std::string_view filter, const ClientIdentity& client) const;
    AclVerdict receive(std::string_view topic, const ClientIdentity& client) const;
    AclVerdict judge(AccessAction action, std::string_view topic,
                     const ClientIdentity& client) const;
    /// Whether a rule that speaks of $SYS itself allows it.
    bool opens_sys(AccessAction action, std::string_view topic, const ClientIdentity& client) const;
    /// Whether receive() can refuse anything that belongs to a subscription that was allowed.
    bool filters_deliveries() const { return filters_deliveries_; }
    /// The rules that would keep messages back from a subscription that subscribe() allows.
    std::vector<AclVerdict> filtered_by(std::string_view filter,
                                        const ClientIdentity& client) const;

private:
    friend class AclTable;

    /// One topic of one rule; `topic` null stands for every topic.
    struct Entry {
        std::uint64_t prefix = 0;  // first bytes of every topic that can match, under `mask`
        std::uint64_t mask = 0;
        const AclTopic* topic = nullptr;
        std::uint32_t index = 0;
        bool is_allow = true;
        AclSource source = AclSource::rule;
    };
    using Entries = std::vector<Entry>;

    explicit AclProfile(AclTablePtr table) : table_(std::move(table)) {}
    void add(const AclRule& rule, std::uint32_t index, AclSource source);
    static Entry make_entry(const AclTopic* topic, const AclRule& rule, std::uint32_t index,
                            AclSource source);
    static const Entry* find_topic(const Entries& entries, std::string_view topic,
                                   const ClientIdentity& client, bool is_delivery);
    static const Entry* find_filter(const Entries& entries, std::string_view filter,
                                    const ClientIdentity& client);
    AclVerdict verdict(const Entry* found, std::string_view topic) const;

    const AclTablePtr table_;         // holds the rules of the file
    std::vector<AclRule> own_rules_;  // of the token
    Entries publish_, subscribe_, receive_;
    bool ends_with_token_ = false;
    bool filters_deliveries_ = false;
};

using AclProfilePtr = IntrusivePtr<const AclProfile>;

/// The rules of an acl.conf, never changed. Any thread.
class AclTable : public std::enable_shared_from_this<AclTable> {
public:
    static AclTablePtr create(std::vector<AclRule> rules, AccessDecision no_match);

    /// The rules of the file that concern the client, by index, ascending.
    std::vector<std::uint32_t> rules_for(const ClientIdentity& client) const;
    /// What they and the client's token, if it has rules, come to.
    AclProfilePtr make_profile(const std::vector<std::uint32_t>& rules,
                               const AuthGrants* grants) const;
    AclProfilePtr make_profile(const ClientIdentity& client) const {
        return make_profile(rules_for(client), client.grants.get());
    }

    /// Whether some client may be refused messages of this topic that it has subscribed to. Some
    /// nanoseconds for each such rule of the file; tokens are not looked at.
    bool filters_topic(std::string_view topic) const;
    /// Whether a subscription may be refused at all.
    bool refuses_subscriptions() const { return refuses_subscriptions_; }

    const std::vector<AclRule>& rules() const { return rules_; }
    AccessDecision no_match() const { return no_match_; }

private:
    AclTable(std::vector<AclRule> rules, AccessDecision no_match);

    const std::vector<AclRule> rules_;
    const AccessDecision no_match_;
    /// Rules for one user or one client id are looked up; the others are tried one by one.
    NameTable<std::vector<std::uint32_t>> by_user_, by_client_;
    std::vector<std::uint32_t> others_;
    std::vector<AclProfile::Entry> delivery_denies_;
    bool refuses_subscriptions_ = false;
};

}  // namespace gw
