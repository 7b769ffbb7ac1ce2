#include "gateway/auth/jwt_claims.hpp"

#include "broker-core/topic/topic.hpp"
#include "gateway/auth/user_store.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <cmath>
#include <optional>

namespace gw::auth {

namespace json = boost::json;

namespace {

constexpr std::size_t rules_max = 1000;
constexpr std::size_t attributes_max = 100;
constexpr std::size_t text_bytes_max = 4096;

/// A claim that may be missing, and must have its type when it is there.
struct Times {
    std::optional<WallTime> expires, not_before, issued;
};

std::string_view view(const json::string& text) {
    return {text.data(), text.size()};
}

/// NumericDate (RFC 7519, 2): seconds, perhaps with a fraction.
std::optional<WallTime> time_of(const json::value& value) {
    double seconds = 0;
    if (const auto* whole = value.if_int64()) {
        seconds = static_cast<double>(*whole);
    } else if (const auto* large = value.if_uint64()) {
        seconds = static_cast<double>(*large);
    } else if (const auto* real = value.if_double()) {
        seconds = *real;
    } else {
        return std::nullopt;
    }
    constexpr double far = 253402300800.0;  // the year 10000
    if (!std::isfinite(seconds) || seconds < 0) {
        return std::nullopt;
    }
    return seconds >= far ? WallTime::max()
                          : WallTime{Milliseconds{static_cast<std::int64_t>(seconds * 1000)}};
}

/// False: the claim is there and is no time.
bool read_time(const json::object& claims, std::string_view name, std::optional<WallTime>& time) {
    if (const json::value* const claim = claims.if_contains(name)) {
        time = time_of(*claim);
        return time.has_value();
    }
    return true;
}

std::optional<JwtError> check_times(const Times& times, const JwtRules& rules, WallTime now) {
    if (rules.requires_expiry && !times.expires) {
        return JwtError::expired;
    }
    if (times.expires && *times.expires != WallTime::max() &&
        now >= *times.expires + rules.leeway) {
        return JwtError::expired;
    }
    for (const auto& start : {times.not_before, times.issued}) {
        if (start && *start > now + rules.leeway) {
            return JwtError::not_yet_valid;
        }
    }
    return std::nullopt;
}

/// Whether a claim that is a text, or a list of texts, holds this one.
bool holds(const json::value* claim, std::string_view wanted) {
    if (claim == nullptr) {
        return false;
    }
    if (const json::string* const text = claim->if_string()) {
        return view(*text) == wanted;
    }
    const json::array* const list = claim->if_array();
    return list != nullptr && std::any_of(list->begin(), list->end(), [&](const json::value& one) {
               return one.is_string() && view(one.get_string()) == wanted;
           });
}

/// The name that the token gives: the one that the client shows when a claim says it, else the
/// first there is.
std::optional<std::string> name_of(const json::object& claims, const JwtRules& rules,
                                   std::string_view shown) {
    std::optional<std::string> name;
    for (const std::string& claim : rules.name_claims) {
        const json::value* const value = claims.if_contains(claim);
        const json::string* const text = value == nullptr ? nullptr : value->if_string();
        if (text == nullptr || !is_user_name(view(*text))) {
            continue;
        }
        if (view(*text) == shown) {
            return std::string{shown};
        }
        if (!name) {
            name = std::string{view(*text)};
        }
    }
    return name;
}

/// Whether a name may stand for a level of a rule: one that would make the rule mean more, or
/// another place of the tree, may not. As access rules of the file have it.
bool is_level(std::string_view name, bool is_first) {
    return !name.empty() && name.find_first_of("+#/") == std::string_view::npos &&
           !(is_first && name.starts_with('$'));
}

/// A name as a rule's level has it: "%%" is a percent sign, and no name is a placeholder.
void append_escaped(std::string& filter, std::string_view name) {
    for (const char c : name) {
        filter += c == '%' ? "%%" : std::string{c};
    }
}

/// Puts names in the place of placeholders that are whole levels. Nothing: the name cannot stand
/// there, so that no topic can be meant. The text of a literal rule is not read again: a percent
/// sign stays one.
std::optional<std::string> fill_in(std::string_view filter, bool is_literal,
                                   std::string_view username, std::string_view client_id) {
    std::string filled;
    for (bool is_first = true;; is_first = false) {
        const std::size_t end = std::min(filter.find('/'), filter.size());
        const std::string_view level = filter.substr(0, end);
        filled += is_first ? "" : "/";
        const bool is_user = level == "${username}" || level == "%u";
        if (is_user || level == "${clientid}" || level == "%c") {
            const std::string_view name = is_user ? username : client_id;
            if (!is_level(name, is_first)) {
                return std::nullopt;
            }
            if (is_literal) {
                filled += name;
            } else {
                append_escaped(filled, name);
            }
        } else {
            filled += level;
        }
        if (end == filter.size()) {
            return filled;
        }
        filter.remove_prefix(end + 1);
    }
}

/// Reads the claim with the rights.
class RightsReader {
public:
    RightsReader(AuthGrants& grants, std::string_view username, std::string_view client_id)
        : grants_(grants), username_(username), client_id_(client_id) {}

    bool read(const json::value& claim) {
        grants_.has_rules = true;
        if (const json::object* const lists = claim.if_object()) {
            return read_lists(*lists);
        }
        const json::array* const rules = claim.if_array();
        return rules != nullptr &&
               std::all_of(rules->begin(), rules->end(),
                           [this](const json::value& one) { return read_rule(one); });
    }

private:
    bool read_lists(const json::object& lists) {
        for (const auto& [key, filters] : lists) {
            const std::string_view name{key.data(), key.size()};
            const bool is_all = name == "all" || name == "pubsub";
            GrantedRule rule;
            rule.for_publish = is_all || name == "pub" || name == "publish";
            rule.for_subscribe = is_all || name == "sub" || name == "subscribe";
            const json::array* const list = filters.if_array();
            if ((!rule.for_publish && !rule.for_subscribe) || list == nullptr) {
                return false;
            }
            for (const json::value& one : *list) {
                if (!add(rule, one)) {
                    return false;
                }
            }
        }
        return true;
    }

    bool read_rule(const json::value& value) {
        const json::object* const object = value.if_object();
        if (object == nullptr) {
            return false;
        }
        const auto text = [&](std::string_view name) {
            const json::value* const member = object->if_contains(name);
            return member != nullptr && member->is_string() ? view(member->get_string())
                                                            : std::string_view{};
        };
        const std::string_view permission = text("permission");
        const std::string_view action = text("action");
        GrantedRule rule;
        rule.is_allow = permission == "allow";
        const bool is_all = action == "all" || action == "pubsub";
        rule.for_publish = is_all || action == "publish" || action == "pub";
        rule.for_subscribe = is_all || action == "subscribe" || action == "sub";
        if ((!rule.is_allow && permission != "deny") ||
            (!rule.for_publish && !rule.for_subscribe)) {
            return false;
        }
        const json::value* const one = object->if_contains("topic");
        const json::value* const several = object->if_contains("topics");
        if (one != nullptr) {
            return several == nullptr && add(rule, *one);
        }
        const json::array* const list = several == nullptr ? nullptr : several->if_array();
        return list != nullptr &&
               std::all_of(list->begin(), list->end(),
                           [&](const json::value& filter) { return add(rule, filter); });
    }

    bool add(GrantedRule rule, const json::value& filter) {
        if (!filter.is_string() || grants_.rules.size() == rules_max) {
            return false;
        }
        std::string_view text = view(filter.get_string());
        const bool is_literal = text.starts_with("eq ");
        text.remove_prefix(is_literal ? 3 : 0);
        if (!parse_topic_filter(text, {}).has_value()) {
            return false;
        }
        if (const auto filled = fill_in(text, is_literal, username_, client_id_)) {
            rule.filter = (is_literal ? "eq " : "") + *filled;
            grants_.rules.push_back(std::move(rule));
        }
        return true;
    }

    AuthGrants& grants_;
    std::string_view username_;
    std::string_view client_id_;
};

/// A list of texts, or one text with the names separated by spaces or commas.
bool read_groups(const json::value& claim, std::vector<std::string>& groups) {
    const auto add = [&](std::string_view name) {
        if (!is_group_name(name) || groups.size() == attributes_max) {
            return false;
        }
        groups.emplace_back(name);
        return true;
    };
    if (const json::string* const text = claim.if_string()) {
        std::string_view rest = view(*text);
        while (!rest.empty()) {
            const std::size_t end = std::min(rest.find_first_of(", "), rest.size());
            if (end != 0 && !add(rest.substr(0, end))) {
                return false;
            }
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
        return true;
    }
    const json::array* const list = claim.if_array();
    return list != nullptr && std::all_of(list->begin(), list->end(), [&](const json::value& one) {
               return one.is_string() && add(view(one.get_string()));
           });
}

bool read_attributes(const json::value& claim, AuthGrants& grants) {
    const json::object* const object = claim.if_object();
    if (object == nullptr || object->size() > attributes_max) {
        return false;
    }
    for (const auto& [name, value] : *object) {
        std::string text;
        if (value.is_string()) {
            text = std::string{view(value.get_string())};
        } else if (value.is_number() || value.is_bool()) {
            text = json::serialize(value);
        } else {
            return false;
        }
        if (text.size() > text_bytes_max) {
            return false;
        }
        grants.attributes.emplace_back(std::string{name.data(), name.size()}, std::move(text));
    }
    return true;
}

const json::value* claim_of(const json::object& claims, const std::string& name) {
    return name.empty() ? nullptr : claims.if_contains(name);
}

}  // namespace

Result<JwtIdentity, JwtError> read_claims(const json::object& claims, const JwtRules& rules,
                                          const JwtBearer& bearer, WallTime now) {
    Times times;
    if (!read_time(claims, "exp", times.expires) || !read_time(claims, "nbf", times.not_before) ||
        !read_time(claims, "iat", times.issued)) {
        return JwtError::wrong_claim;
    }
    if (const auto error = check_times(times, rules, now)) {
        return *error;
    }
    if (!rules.audience.empty() && !holds(claims.if_contains("aud"), rules.audience)) {
        return JwtError::audience;
    }
    if (!rules.issuer.empty() && !holds(claims.if_contains("iss"), rules.issuer)) {
        return JwtError::issuer;
    }
    if (const json::value* const id = claim_of(claims, rules.client_id_claim);
        !rules.client_id_claim.empty() && (id == nullptr || !holds(id, bearer.client_id))) {
        return JwtError::client_id;
    }
    auto name = name_of(claims, rules, bearer.shown_name);
    if (!name) {
        return JwtError::no_name;
    }
    JwtIdentity identity;
    auto grants = std::make_shared<AuthGrants>();
    if (times.expires && *times.expires != WallTime::max()) {
        // Who was let in within the leeway keeps it; all others end when the token does.
        grants->expires_at = *times.expires <= now ? *times.expires + rules.leeway : *times.expires;
    }
    if (const json::value* const claim = claim_of(claims, rules.acl_claim)) {
        if (!RightsReader{*grants, *name, bearer.client_id}.read(*claim)) {
            return JwtError::wrong_claim;
        }
    }
    if (const json::value* const claim = claim_of(claims, rules.superuser_claim)) {
        if (!claim->is_bool()) {
            return JwtError::wrong_claim;
        }
        identity.is_superuser = claim->get_bool();
    }
    if (const json::value* const claim = claim_of(claims, rules.groups_claim);
        claim != nullptr && !read_groups(*claim, grants->groups)) {
        return JwtError::wrong_claim;
    }
    if (const json::value* const claim = claim_of(claims, rules.attributes_claim);
        claim != nullptr && !read_attributes(*claim, *grants)) {
        return JwtError::wrong_claim;
    }
    identity.username = std::move(*name);
    identity.grants = std::move(grants);
    return identity;
}

}  // namespace gw::auth
