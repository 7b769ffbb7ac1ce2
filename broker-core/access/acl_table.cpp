#include "broker-core/access/acl_table.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace gw {

namespace {

/// The first 8 bytes of a text as one word, zero behind its end.
std::uint64_t first_word(std::string_view text) {
    std::uint64_t word = 0;
    if (text.size() >= sizeof word) [[likely]] {
        std::memcpy(&word, text.data(), sizeof word);
    } else {
        std::memcpy(&word, text.data(), text.size());
    }
    return word;
}

bool is_sys(std::string_view topic) {
    return topic.starts_with("$SYS") && (topic.size() == 4 || topic[4] == '/');
}

/// The one user or client id that a rule is about; nothing when it is about more.
const std::string* only_value(const AclRule& rule, AclSubject subject) {
    for (const AclCondition& condition : rule.conditions) {
        if (condition.subject == subject && !condition.is_negated && condition.texts.size() == 1 &&
            !condition.texts.front().is_prefix) {
            return &condition.texts.front().text;
        }
    }
    return nullptr;
}

/// Whether a rule can keep back messages of a subscription that was allowed. A deny that covers
/// each filter it overlaps refuses the subscription as a whole.
bool can_filter(const AclRule& rule, const AclTopic* topic) {
    return !rule.is_allow && rule.for_receive &&
           (!rule.for_subscribe || (topic != nullptr && topic->can_be_covered_in_part()));
}

/// A token's rule as one of the file. What cannot be read allows nothing and, as a deny, denies
/// everything.
std::optional<AclRule> rule_of(const GrantedRule& granted) {
    AclRule rule;
    rule.is_allow = granted.is_allow;
    rule.for_publish = granted.for_publish;
    rule.for_subscribe = rule.for_receive = granted.for_subscribe;
    const bool is_literal = granted.filter.starts_with("eq ");
    auto topic = is_literal ? AclTopic::parse_literal(granted.filter.substr(3))
                            : AclTopic::parse(granted.filter);
    if (topic) {
        rule.topics.push_back(std::move(*topic));
    } else if (granted.is_allow) {
        return std::nullopt;
    }
    rule.source = "token";
    rule.text = std::string{granted.is_allow ? "allow" : "deny"} + " " + granted.filter;
    return rule;
}

}  // namespace

// ------------------------------------------------------------------------------------- profile

AclProfile::Entry AclProfile::make_entry(const AclTopic* topic, const AclRule& rule,
                                         std::uint32_t index, AclSource source) {
    Entry entry;
    entry.topic = topic;
    entry.index = index;
    entry.is_allow = rule.is_allow;
    entry.source = source;
    if (topic != nullptr) {
        const std::string_view prefix = topic->fixed_prefix();
        entry.prefix = first_word(prefix);
        constexpr char ones[8] = {'\xff', '\xff', '\xff', '\xff', '\xff', '\xff', '\xff', '\xff'};
        entry.mask = first_word({ones, prefix.size()});
    }
    return entry;
}

void AclProfile::add(const AclRule& rule, std::uint32_t index, AclSource source) {
    const auto add_entry = [&](const AclTopic* topic) {
        const Entry entry = make_entry(topic, rule, index, source);
        if (rule.for_publish) {
            publish_.push_back(entry);
        }
        if (rule.for_subscribe) {
            subscribe_.push_back(entry);
        }
        if (rule.for_receive) {
            receive_.push_back(entry);
            filters_deliveries_ = filters_deliveries_ || can_filter(rule, topic);
        }
    };
    if (rule.topics.empty()) {
        add_entry(nullptr);
    }
    for (const AclTopic& topic : rule.topics) {
        add_entry(&topic);
    }
}

const AclProfile::Entry* AclProfile::find_topic(const Entries& entries, std::string_view topic,
                                                const ClientIdentity& client, bool is_delivery) {
    const std::uint64_t word = first_word(topic);
    for (const Entry& entry : entries) {
        if ((word & entry.mask) != entry.prefix) {
            continue;
        }
        // Whoever may subscribe to just this filter may have what it brings; whoever may not is
        // only refused the filter itself.
        const bool as_filter = is_delivery && entry.is_allow;
        if (entry.topic == nullptr || (as_filter ? entry.topic->matches_as_filter(topic, client)
                                                 : entry.topic->matches(topic, client))) {
            return &entry;
        }
    }
    return nullptr;
}

const AclProfile::Entry* AclProfile::find_filter(const Entries& entries, std::string_view filter,
                                                 const ClientIdentity& client) {
    for (const Entry& entry : entries) {
        if (entry.topic == nullptr || entry.topic->covers(filter, client)) {
            return &entry;
        }
    }
    return nullptr;
}

AclVerdict AclProfile::verdict(const Entry* found, std::string_view topic) const {
    if (found != nullptr) {
        return {found->is_allow ? AccessDecision::allow : AccessDecision::deny, found->source,
                found->index};
    }
    if (ends_with_token_) {
        return {AccessDecision::deny, AclSource::token_end, 0};
    }
    // Who may read $SYS at all was judged before.
    return {is_sys(topic) ? AccessDecision::allow : table_->no_match(), AclSource::no_match, 0};
}

AclVerdict AclProfile::publish(std::string_view topic, const ClientIdentity& client) const {
    return verdict(find_topic(publish_, topic, client, false), topic);
}

AclVerdict AclProfile::subscribe(std::string_view filter, const ClientIdentity& client) const {
    return verdict(find_filter(subscribe_, filter, client), filter);
}

AclVerdict AclProfile::receive(std::string_view topic, const ClientIdentity& client) const {
    return verdict(find_topic(receive_, topic, client, true), topic);
}

AclVerdict AclProfile::judge(AccessAction action, std::string_view topic,
                             const ClientIdentity& client) const {
    switch (action) {
        case AccessAction::publish:
            return publish(topic, client);
        case AccessAction::subscribe:
            return subscribe(topic, client);
        case AccessAction::deliver:
            return receive(topic, client);
    }
    GW_UNREACHABLE();
}

bool AclProfile::opens_sys(AccessAction action, std::string_view topic,
                           const ClientIdentity& client) const {
    const Entry* const found = action == AccessAction::subscribe
                                   ? find_filter(subscribe_, topic, client)
                                   : find_topic(receive_, topic, client, true);
    return found != nullptr && found->is_allow && found->topic != nullptr &&
           found->topic->names_sys();
}

std::vector<AclVerdict> AclProfile::filtered_by(std::string_view filter,
                                                const ClientIdentity& client) const {
    std::vector<AclVerdict> filters;
    for (const Entry& entry : receive_) {
        if (entry.topic == nullptr || entry.topic->covers(filter, client)) {
            if (!entry.is_allow) {
                filters.push_back({AccessDecision::deny, entry.source, entry.index});
            }
            break;  // decides for everything that is left
        }
        if (!entry.is_allow && entry.topic->can_be_covered_in_part() &&
            entry.topic->overlaps(filter, client)) {
            filters.push_back({AccessDecision::deny, entry.source, entry.index});
        }
    }
    return filters;
}

// --------------------------------------------------------------------------------------- table

AclTablePtr AclTable::create(std::vector<AclRule> rules, AccessDecision no_match) {
    return AclTablePtr{new AclTable(std::move(rules), no_match)};
}

AclTable::AclTable(std::vector<AclRule> rules, AccessDecision no_match)
    : rules_(std::move(rules)), no_match_(no_match) {
    refuses_subscriptions_ = no_match_ != AccessDecision::allow;
    for (std::uint32_t i = 0; i < rules_.size(); ++i) {
        const AclRule& rule = rules_[i];
        if (const std::string* const user = only_value(rule, AclSubject::user)) {
            by_user_[*user].push_back(i);
        } else if (const std::string* const client = only_value(rule, AclSubject::client)) {
            by_client_[*client].push_back(i);
        } else {
            others_.push_back(i);
        }
        refuses_subscriptions_ =
            refuses_subscriptions_ || (!rule.is_allow && (rule.for_subscribe || rule.for_receive));
        if (rule.topics.empty() && can_filter(rule, nullptr)) {
            delivery_denies_.push_back(AclProfile::make_entry(nullptr, rule, i, AclSource::rule));
        }
        for (const AclTopic& topic : rule.topics) {
            if (can_filter(rule, &topic)) {
                delivery_denies_.push_back(
                    AclProfile::make_entry(&topic, rule, i, AclSource::rule));
            }
        }
    }
}

std::vector<std::uint32_t> AclTable::rules_for(const ClientIdentity& client) const {
    std::vector<std::uint32_t> candidates = others_;
    const auto add = [&candidates](const auto& map, std::string_view name) {
        const auto at = map.find(std::string{name});
        if (at != map.end()) {
            candidates.insert(candidates.end(), at->second.begin(), at->second.end());
        }
    };
    add(by_user_, client.principal());
    add(by_client_, client.client_id);
    std::sort(candidates.begin(), candidates.end());
    std::erase_if(candidates,
                  [&](std::uint32_t index) { return !rules_[index].applies_to(client); });
    return candidates;
}

AclProfilePtr AclTable::make_profile(const std::vector<std::uint32_t>& rules,
                                     const AuthGrants* grants) const {
    auto profile = std::unique_ptr<AclProfile>{new AclProfile(shared_from_this())};
    if (grants != nullptr) {
        profile->ends_with_token_ = grants->has_rules;
        std::vector<std::uint32_t> numbers;
        for (std::uint32_t i = 0; i < grants->rules.size(); ++i) {
            if (auto rule = rule_of(grants->rules[i])) {
                profile->own_rules_.push_back(std::move(*rule));
                numbers.push_back(i);
            }
        }
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            profile->add(profile->own_rules_[i], numbers[i], AclSource::token_rule);
        }
    }
    if (!profile->ends_with_token_) {
        for (const std::uint32_t index : rules) {
            profile->add(rules_[index], index, AclSource::rule);
        }
    }
    return AclProfilePtr{profile.release()};
}

bool AclTable::filters_topic(std::string_view topic) const {
    const std::uint64_t word = first_word(topic);
    for (const AclProfile::Entry& entry : delivery_denies_) {
        if ((word & entry.mask) == entry.prefix &&
            (entry.topic == nullptr || entry.topic->may_match(topic))) {
            return true;
        }
    }
    return false;
}

}  // namespace gw
