// Ordered rules: who, what, where; and what of it is judged at delivery. The last test compares
// with a model that knows nothing but the rule of docs/access-control.md.
#include "broker-core/access/acl_table.hpp"

#include "broker-core/base/random.hpp"
#include "broker-core/topic/topic.hpp"
#include "config/acl/acl_parser.hpp"
#include "gateway/protocols/known_protocols.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

using namespace gw;

namespace {

constexpr AccessAction publish = AccessAction::publish;
constexpr AccessAction subscribe = AccessAction::subscribe;
constexpr AccessAction receive = AccessAction::deliver;

AclTablePtr table_of(std::string_view text, AccessDecision no_match = AccessDecision::allow) {
    auto parsed = config::parse_acl("acl", text);
    REQUIRE_MESSAGE(parsed.diagnostics.empty(), parsed.diagnostics.front().line_text());
    return AclTable::create(std::move(parsed.rules), no_match);
}

ClientIdentity client_of(std::string user, std::string client_id = "c",
                         std::string_view ip = "10.0.0.1") {
    ClientIdentity client;
    client.username = std::move(user);
    client.client_id = std::move(client_id);
    client.is_anonymous = client.username.empty();
    client.ip = *IpAddress::parse(ip);
    return client;
}

bool may(const AclTablePtr& table, const ClientIdentity& client, AccessAction action,
         std::string_view topic) {
    return table->make_profile(client)->judge(action, topic, client).decision ==
           AccessDecision::allow;
}

}  // namespace

TEST_CASE("rules are for those whom all their conditions fit") {
    struct Row {
        const char* who;
        bool ann, bob, stranger, local;
    };
    // ann: group ops, site berlin, 10.0.0.1. bob: 192.168.0.1, STOMP. stranger: shows the name ann
    // without proof. local: a Unix socket, administrator.
    static constexpr Row rows[] = {
        {"all", true, true, true, true},
        {"user=ann", true, false, false, false},
        {"user!=ann", false, true, true, true},
        {"user=ann|bob", true, true, false, false},
        {"user=a*", true, false, false, false},
        {"user=*", true, true, false, false},
        {"user=\"a*\"", false, false, false, false},
        {"client=dev-*", true, true, false, false},
        {"client=dev-2", false, true, false, false},
        {"ip=10.0.0.0/8", true, false, true, false},
        {"ip=::/0", true, true, true, false},
        {"ip!=10.0.0.0/8", false, true, false, true},
        {"ip=10.0.0.1|192.168.0.1", true, true, true, false},
        {"group=ops", true, false, false, false},
        {"group!=ops", false, true, true, true},
        {"attr.site=berlin", true, false, false, false},
        {"attr.site!=berlin", false, true, true, true},
        {"attr.none=x", false, false, false, false},
        {"protocol=stomp", false, true, false, false},
        {"protocol=mqtt|stomp", true, true, true, true},
        {"anonymous", false, false, true, true},
        {"authenticated", true, true, false, false},
        {"administrator", false, false, false, true},
        {"!administrator", true, true, true, false},
        {"!anonymous ip=::/0", true, true, false, false},
        {"user=ann ip=10.0.0.0/8 group=ops", true, false, false, false},
        {"user=ann ip=192.168.0.0/16", false, false, false, false},
    };
    ClientIdentity ann = client_of("ann", "dev-1");
    auto grants = std::make_shared<AuthGrants>();
    grants->groups = {"staff", "ops"};
    grants->attributes = {{"site", "berlin"}};
    ann.grants = grants;
    ann.protocol = &mqtt::protocol_5;
    ClientIdentity bob = client_of("bob", "dev-2", "192.168.0.1");
    bob.protocol = &stomp::protocol;
    ClientIdentity stranger = client_of("ann", "x", "10.0.0.1");
    stranger.is_anonymous = true;
    stranger.protocol = &mqtt::protocol_3_1_1;
    ClientIdentity local = client_of("", "l");
    local.ip = {};
    local.is_administrator = true;
    local.protocol = &mqtt::protocol_3_1;
    for (const Row& row : rows) {
        CAPTURE(row.who);
        const AclTablePtr table =
            table_of("allow = " + std::string{row.who} + " publish t\ndeny = all\n");
        CHECK(may(table, ann, publish, "t") == row.ann);
        CHECK(may(table, bob, publish, "t") == row.bob);
        CHECK(may(table, stranger, publish, "t") == row.stranger);
        CHECK(may(table, local, publish, "t") == row.local);
    }
}

TEST_CASE("the first rule that matches decides, and acl_nomatch what none does") {
    const AclTablePtr table = table_of(
        "deny = user=ann publish a/secret\n"
        "allow = user=ann publish a/#\n"
        "deny = all publish a/#\n");
    CHECK_FALSE(may(table, client_of("ann"), publish, "a/secret"));
    CHECK(may(table, client_of("ann"), publish, "a/x"));
    CHECK_FALSE(may(table, client_of("bob"), publish, "a/x"));
    CHECK(may(table, client_of("bob"), publish, "b"));
    CHECK(may(table, client_of("bob"), subscribe, "a/#"));  // the rules are about publishing
    const AclTablePtr closed = table_of("allow = all publish a\n", AccessDecision::deny);
    CHECK(may(closed, client_of("bob"), publish, "a"));
    CHECK_FALSE(may(closed, client_of("bob"), publish, "b"));
    CHECK_FALSE(may(closed, client_of("bob"), subscribe, "a"));
}

TEST_CASE("a filter is allowed only by a rule that covers it, and a narrower deny filters it") {
    const ClientIdentity client = client_of("ann");
    const AclTablePtr table = table_of(
        "deny = all subscribe a/secret/#\n"
        "allow = all subscribe a/#, b/+\n"
        "deny = all subscribe b/#\n",
        AccessDecision::deny);
    CHECK(may(table, client, subscribe, "a/#"));
    CHECK(may(table, client, subscribe, "a/+/x"));
    CHECK_FALSE(may(table, client, subscribe, "a/secret"));
    CHECK_FALSE(may(table, client, subscribe, "a/secret/+"));
    CHECK_FALSE(may(table, client, subscribe, "+/x"));  // wider than any allow
    CHECK_FALSE(may(table, client, subscribe, "#"));
    CHECK(may(table, client, subscribe, "b/x"));
    CHECK_FALSE(may(table, client, subscribe, "b/#"));
    CHECK_FALSE(may(table, client, receive, "a/secret/1"));
    CHECK(may(table, client, receive, "a/1"));
    CHECK(table->filters_topic("a/secret"));
    CHECK(table->filters_topic("a/secret/1"));
    CHECK_FALSE(table->filters_topic("a/1"));
    const auto filtered = table->make_profile(client)->filtered_by("a/#", client);
    REQUIRE(filtered.size() == 1);
    CHECK(table->rules()[filtered[0].index].line == 1);
    CHECK(table->make_profile(client)->filtered_by("a/x/#", client).empty());
}

TEST_CASE("the default rules judge no delivery, and keep $SYS and # from all but administrators") {
    const AclTablePtr table = table_of(config::default_acl_text());
    const ClientIdentity client = client_of("ann");
    ClientIdentity administrator = client_of("ann");
    administrator.is_administrator = true;
    CHECK_FALSE(may(table, client, subscribe, "#"));
    CHECK(may(table, client, subscribe, "+/#"));  // as in EMQ: the text alone is denied
    CHECK(may(table, client, subscribe, "a/#"));
    CHECK_FALSE(may(table, client, subscribe, "$SYS/brokers"));
    CHECK(may(table, administrator, subscribe, "#"));
    CHECK(may(table, administrator, subscribe, "$SYS/#"));
    CHECK(may(table, client, publish, "a"));
    CHECK_FALSE(table->filters_topic("a/b"));
    CHECK_FALSE(table->make_profile(client)->filters_deliveries());
    // `allow = all` does not open $SYS; a rule that names it does.
    CHECK_FALSE(table->make_profile(client)->opens_sys(subscribe, "$SYS/#", client));
    const ClientIdentity dashboard = client_of("dashboard");
    CHECK(table->make_profile(dashboard)->opens_sys(subscribe, "$SYS/#", dashboard));
    CHECK(table->make_profile(dashboard)->opens_sys(receive, "$SYS/x", dashboard));
    const AclTablePtr open = table_of("allow = all\n");
    CHECK_FALSE(open->make_profile(client)->opens_sys(subscribe, "$SYS/#", client));
    const AclTablePtr narrow = table_of("allow = all subscribe $SYS/a/#\n");
    CHECK(narrow->make_profile(client)->opens_sys(subscribe, "$SYS/a/b", client));
    CHECK_FALSE(narrow->make_profile(client)->opens_sys(subscribe, "$SYS/#", client));
}

TEST_CASE("who may subscribe to one text may have what it brings") {
    const AclTablePtr table = table_of(
        "allow = all subscribe eq a/#\n"
        "deny = all subscribe eq b/#\n"
        "deny = all\n");
    const ClientIdentity client = client_of("ann");
    CHECK(may(table, client, subscribe, "a/#"));
    CHECK_FALSE(may(table, client, subscribe, "a/b"));
    CHECK(may(table, client, receive, "a/b"));
    CHECK_FALSE(may(table, client, receive, "b/x"));
}

TEST_CASE("a token's rules come first, and with a list of rights they are all there is") {
    const AclTablePtr table = table_of("deny = all publish t\nallow = all\n");
    ClientIdentity client = client_of("ann");
    auto grants = std::make_shared<AuthGrants>();
    grants->rules.push_back({true, true, false, "t"});
    grants->rules.push_back({true, false, true, "%u/#"});
    grants->rules.push_back({false, false, true, "s/+/x"});
    grants->rules.push_back({true, true, true, "not/#/valid"});
    client.grants = grants;
    CHECK(may(table, client, publish, "t"));
    CHECK(may(table, client, publish, "other"));
    CHECK(may(table, client, subscribe, "ann/x"));
    CHECK_FALSE(may(table, client, receive, "s/1/x"));
    CHECK(table->make_profile(client)->filters_deliveries());
    auto listed = std::make_shared<AuthGrants>(*grants);
    listed->has_rules = true;
    client.grants = listed;
    CHECK(may(table, client, publish, "t"));
    CHECK_FALSE(may(table, client, publish, "other"));
    CHECK_FALSE(may(table, client, publish, "not/x"));
    CHECK(table->make_profile(client)->publish("other", client).source == AclSource::token_end);
    // A denial that cannot be read denies everything.
    auto broken = std::make_shared<AuthGrants>();
    broken->rules.push_back({false, true, true, "dev-%c"});
    client.grants = broken;
    CHECK_FALSE(may(table, client, publish, "other"));
    CHECK_FALSE(may(table, client, subscribe, "other"));
}

namespace {

/// One rule of the model: an effect, filters, and whether each is a text alone.
struct ModelRule {
    bool is_allow;
    bool for_publish, for_subscribe;
    std::vector<std::pair<std::string, bool>> topics;
};

/// The rule in docs/access-control.md and nothing else, over all topics there are.
class Model {
public:
    Model(std::vector<ModelRule> rules, bool no_match)
        : rules_(std::move(rules)), no_match_(no_match) {
        static constexpr const char* letters[] = {"a", "b", "z", "$x"};
        std::vector<std::string> last{""};
        for (int level = 0; level < 4; ++level) {
            std::vector<std::string> next;
            for (const std::string& one : last) {
                for (const char* const letter : letters) {
                    next.push_back(one.empty() ? letter : one + "/" + letter);
                }
            }
            topics.insert(topics.end(), next.begin(), next.end());
            last = std::move(next);
        }
    }
    bool publish(const std::string& topic) const {
        for (const ModelRule& rule : rules_) {
            for (const auto& [filter, is_text] : rule.topics) {
                if (rule.for_publish &&
                    (is_text ? filter == topic : filter_matches(filter, topic))) {
                    return rule.is_allow;
                }
            }
        }
        return no_match_;
    }
    bool subscribe(const std::string& wanted) const {
        for (const ModelRule& rule : rules_) {
            for (const auto& [filter, is_text] : rule.topics) {
                if (rule.for_subscribe && (is_text ? filter == wanted : covers(filter, wanted))) {
                    return rule.is_allow;
                }
            }
        }
        return no_match_;
    }
    bool receive(const std::string& topic) const {
        for (const ModelRule& rule : rules_) {
            for (const auto& [filter, is_text] : rule.topics) {
                const bool as_text = is_text && !rule.is_allow;
                if (rule.for_subscribe &&
                    (as_text ? filter == topic : filter_matches(filter, topic))) {
                    return rule.is_allow;
                }
            }
        }
        return no_match_;
    }
    std::vector<std::string> topics;

private:
    bool covers(const std::string& outer, const std::string& inner) const {
        for (const std::string& topic : topics) {
            if (filter_matches(inner, topic) && !filter_matches(outer, topic)) {
                return false;
            }
        }
        return true;
    }
    std::vector<ModelRule> rules_;
    bool no_match_;
};

}  // namespace

TEST_CASE("random rules decide as the model does, and no message gets past the shortcuts") {
    Random random{77};
    const auto draw_filter = [&random] {
        static constexpr const char* levels[] = {"a", "b", "+", "$x"};
        std::string filter;
        const std::uint64_t count = 1 + random.below(3);
        for (std::uint64_t i = 0; i < count; ++i) {
            filter += (i == 0 ? "" : "/") + std::string{levels[random.below(4)]};
        }
        return random.below(4) == 0 ? (random.below(3) == 0 ? "#" : filter + "/#") : filter;
    };
    const ClientIdentity client = client_of("ann");
    int allowed_count = 0;
    int filtered_count = 0;
    for (int round = 0; round < 300; ++round) {
        std::string text;
        std::vector<ModelRule> rules;
        for (std::uint64_t i = 1 + random.below(5); i != 0; --i) {
            ModelRule rule;
            rule.is_allow = random.below(2) == 0;
            const std::uint64_t kind = random.below(3);
            rule.for_publish = kind != 1;
            rule.for_subscribe = kind != 0;
            text += rule.is_allow ? "allow = all " : "deny = all ";
            text += kind == 0 ? "publish " : kind == 1 ? "subscribe " : "pubsub ";
            for (std::uint64_t n = 1 + random.below(2); n != 0; --n) {
                const bool is_text = random.below(4) == 0;
                rule.topics.emplace_back(draw_filter(), is_text);
                text += (is_text ? "eq " : "") + rule.topics.back().first + (n > 1 ? ", " : "\n");
            }
            rules.push_back(std::move(rule));
        }
        const bool no_match = random.below(2) == 0;
        const Model model{std::move(rules), no_match};
        const AclTablePtr table =
            table_of(text, no_match ? AccessDecision::allow : AccessDecision::deny);
        const AclProfilePtr profile = table->make_profile(client);
        CAPTURE(text);
        CAPTURE(no_match);
        for (const std::string& topic : model.topics) {
            CAPTURE(topic);
            REQUIRE((profile->publish(topic, client).decision == AccessDecision::allow) ==
                    model.publish(topic));
            REQUIRE((profile->receive(topic, client).decision == AccessDecision::allow) ==
                    model.receive(topic));
        }
        for (int n = 0; n < 10; ++n) {
            const std::string filter = draw_filter();
            CAPTURE(filter);
            const bool is_allowed = model.subscribe(filter);
            REQUIRE((profile->subscribe(filter, client).decision == AccessDecision::allow) ==
                    is_allowed);
            if (!is_allowed) {
                continue;
            }
            ++allowed_count;
            // What a subscriber gets when deliveries are asked about only where they must be.
            bool has_filtered = false;
            for (const std::string& topic : model.topics) {
                if (filter_matches(filter, topic)) {
                    CAPTURE(topic);
                    const bool is_refused = !model.receive(topic);
                    has_filtered = has_filtered || is_refused;
                    REQUIRE((!is_refused ||
                             (table->filters_topic(topic) && profile->filters_deliveries())));
                }
            }
            filtered_count += has_filtered ? 1 : 0;
            REQUIRE((!has_filtered || !profile->filtered_by(filter, client).empty()));
        }
    }
    CHECK(allowed_count > 300);
    CHECK(filtered_count > 50);
}
