#include "gateway/access/acl_question.hpp"

#include "broker-core/topic/topic.hpp"
#include "gateway/origin_rules.hpp"
#include "gateway/protocols/known_protocols.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace gw {

namespace {

std::string field(const ManageFields& fields, const std::string& name) {
    const auto at = fields.find(name);
    return at == fields.end() ? std::string{} : at->second;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::string_view rest = text;
    while (!rest.empty()) {
        const std::size_t end = rest.find('\n');
        lines.emplace_back(rest.substr(0, end));
        rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    }
    return lines;
}

Error bad(std::string text) {
    return Error{Errc::invalid_argument, std::move(text)};
}

Result<ClientIdentity> client_of(const config::Config& config, const ManageFields& fields) {
    ClientIdentity client;
    client.username = field(fields, "user");
    client.is_anonymous = client.username.empty();
    client.client_id = field(fields, "client");
    client.is_superuser = !field(fields, "superuser").empty();
    const std::string ip = field(fields, "ip");
    if (ip.empty()) {
        const config::Administrators& administrators = config.sys.administrators;
        client.is_administrator = administrators.unix_sockets || administrators.is_automatic;
    } else {
        const auto address = IpAddress::parse(ip);
        if (!address) {
            return bad("`" + ip + "` is no address");
        }
        client.ip = *address;
        const bool is_built_in =
            !config.tcp_listeners.empty() && config.tcp_listeners.front().is_built_in;
        const auto ranges = administrator_ranges(config.sys.administrators, is_built_in);
        client.is_administrator =
            std::any_of(ranges.begin(), ranges.end(),
                        [&client](const IpRange& range) { return range.contains(client.ip); });
    }
    const std::string family = field(fields, "protocol");
    const ProtocolTraits* const protocol =
        known_protocols().of_family(family.empty() ? "mqtt" : family);
    if (protocol == nullptr) {
        return bad("the protocols are mqtt, mqtt-sn, coap and stomp");
    }
    client.protocol = protocol;
    auto grants = std::make_shared<AuthGrants>();
    grants->groups = lines_of(field(fields, "group"));
    for (const std::string& line : lines_of(field(fields, "attr"))) {
        const std::size_t equals = line.find('=');
        if (equals == std::string::npos) {
            return bad("an attribute is given as name=value");
        }
        grants->attributes.emplace_back(line.substr(0, equals), line.substr(equals + 1));
    }
    client.grants = std::move(grants);
    return client;
}

class Answer {
public:
    Answer(const AclTable& table, const ClientIdentity& client)
        : table_(table), client_(client), profile_(table.make_profile(client)) {}

    /// As Broker::authorize() judges.
    std::string text(AccessAction action, std::string_view topic) const {
        const bool is_sys = topic.starts_with("$SYS") && (topic.size() == 4 || topic[4] == '/');
        if (is_sys && action == AccessAction::publish) {
            return "denied\n  only the broker itself publishes below $SYS\n";
        }
        if (client_.is_superuser) {
            return "allowed\n  a superuser: no rule is asked\n";
        }
        if (is_sys && !client_.is_administrator && !profile_->opens_sys(action, topic, client_)) {
            return "denied\n  no administrator (sys.administrators), and no rule that names $SYS "
                   "allows it first\n";
        }
        const AclVerdict verdict = profile_->judge(action, topic, client_);
        std::string answer = verdict.decision == AccessDecision::allow ? "allowed" : "denied";
        answer += "\n  by " + describe(verdict) + "\n";
        if (verdict.decision == AccessDecision::allow && action == AccessAction::subscribe) {
            const auto filters = profile_->filtered_by(topic, client_);
            answer += filters.empty() ? "" : "  of what it brings, this is kept back:\n";
            for (const AclVerdict& one : filters) {
                answer += "    " + describe(one) + "\n";
            }
        }
        return answer;
    }

private:
    std::string describe(const AclVerdict& verdict) const {
        if (verdict.source == AclSource::rule) {
            return table_.rules()[verdict.index].describe();
        }
        return table_.no_match() == AccessDecision::allow ? "acl_nomatch = allow: no rule matches"
                                                          : "acl_nomatch = deny: no rule matches";
    }

    const AclTable& table_;
    const ClientIdentity& client_;
    AclProfilePtr profile_;
};

}  // namespace

Result<std::string> answer_acl_question(const AclTable& table, const config::Config& config,
                                        const ManageFields& fields) {
    const auto client = client_of(config, fields);
    if (!client) {
        return client.error();
    }
    const std::string action = field(fields, "action");
    const std::string topic = field(fields, "topic");
    const Answer answer{table, *client};
    if (action == "subscribe") {
        const auto filter = parse_topic_filter(topic, TopicLimits{});
        if (!filter) {
            return bad(std::string{topic_error_text(filter.error())});
        }
        return answer.text(AccessAction::subscribe, filter->filter());
    }
    if (const auto checked = check_topic_name(topic, TopicLimits{}); !checked) {
        return bad(std::string{topic_error_text(checked.error())});
    }
    if (action == "publish" || action == "receive") {
        return answer.text(action == "publish" ? AccessAction::publish : AccessAction::deliver,
                           topic);
    }
    return bad("the actions are publish, subscribe and receive");
}

}  // namespace gw
