#include "config/acl/acl_parser.hpp"

#include "broker-core/base/bytes.hpp"
#include "broker-core/base/utf8.hpp"

#include <algorithm>
#include <optional>

namespace gw::config {

namespace {

constexpr std::string_view blanks = " \t";
constexpr std::size_t rule_count_max = 100000;

std::size_t column_of(std::string_view line, std::size_t offset) {
    const std::string_view before = line.substr(0, offset);
    const auto starts = std::count_if(before.begin(), before.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    });
    return static_cast<std::size_t>(starts) + 1;
}

/// Part of a line as it was written.
struct Word {
    std::string text;  // without quotes
    std::size_t offset = 0;
    bool is_quoted = false;

    bool is(std::string_view keyword) const { return !is_quoted && text == keyword; }
};

/// Reads one line from left to right; after the first mistake everything fails.
class LineReader {
public:
    explicit LineReader(std::string_view line) : line_(line) {}

    bool has_failed() const { return error_.has_value(); }
    const std::string& error() const { return *error_; }
    std::size_t error_offset() const { return error_offset_; }
    void fail(std::size_t offset, std::string text) {
        if (!error_) {
            error_ = std::move(text);
            error_offset_ = offset;
        }
    }

    std::size_t offset() const { return at_; }
    void skip_blanks() { at_ = std::min(line_.find_first_not_of(blanks, at_), line_.size()); }
    bool at_end() {
        skip_blanks();
        return at_ == line_.size() || has_failed();
    }
    /// Takes `text` when the line goes on with it.
    bool take(std::string_view text) {
        if (has_failed() || !line_.substr(at_).starts_with(text)) {
            return false;
        }
        at_ += text.size();
        return true;
    }
    /// A word in quotes, or up to a blank or one of `stops`.
    Word word(std::string_view stops) {
        Word word;
        word.offset = at_;
        if (at_ < line_.size() && line_[at_] == '"') {
            word.is_quoted = true;
            word.text = quoted();
            return word;
        }
        const std::size_t end =
            std::min(line_.find_first_of(std::string{blanks}.append(stops), at_), line_.size());
        word.text = line_.substr(at_, end - at_);
        at_ = end;
        return word;
    }

private:
    std::string quoted() {
        const std::size_t start = at_++;
        std::string text;
        while (at_ < line_.size() && line_[at_] != '"') {
            if (line_[at_] == '\\') {
                ++at_;
                if (at_ == line_.size() || (line_[at_] != '"' && line_[at_] != '\\')) {
                    fail(at_ - 1, "only \\\" and \\\\ are known after a backslash in quotes");
                    return text;
                }
            }
            text += line_[at_++];
        }
        if (at_ == line_.size()) {
            fail(start, "the closing quote is missing");
            return text;
        }
        ++at_;
        return text;
    }

    std::string_view line_;
    std::size_t at_ = 0;
    std::optional<std::string> error_;
    std::size_t error_offset_ = 0;
};

std::optional<AclSubject> subject_of(std::string_view name) {
    struct Row {
        std::string_view name;
        AclSubject subject;
    };
    static constexpr Row rows[] = {
        {"user", AclSubject::user},         {"client", AclSubject::client},
        {"ip", AclSubject::address},        {"group", AclSubject::group},
        {"protocol", AclSubject::protocol},
    };
    for (const Row& row : rows) {
        if (row.name == name) {
            return row.subject;
        }
    }
    return std::nullopt;
}

std::optional<AclSubject> flag_of(const Word& word) {
    if (word.is("anonymous")) {
        return AclSubject::anonymous;
    }
    if (word.is("authenticated")) {
        return AclSubject::authenticated;
    }
    if (word.is("administrator")) {
        return AclSubject::administrator;
    }
    return std::nullopt;
}

bool is_protocol(std::string_view text) {
    return text == "mqtt" || text == "mqtt-sn" || text == "coap" || text == "stomp";
}

class RuleParser {
public:
    explicit RuleParser(LineReader& in) : in_(in) {}

    AclRule parse() {
        const Word effect = in_.word("=");
        if (!effect.is("allow") && !effect.is("deny")) {
            in_.fail(effect.offset,
                     effect.text.starts_with('{')
                         ? "a term of EMQ: `{allow, {user, \"ann\"}, subscribe, [\"a/#\"]}.` is "
                           "written `allow = user=ann subscribe a/#` here; `mangrove acl import` "
                           "translates the file"
                         : "a rule begins with `allow =` or `deny =`");
        }
        rule_.is_allow = effect.is("allow");
        in_.skip_blanks();
        if (!in_.take("=")) {
            in_.fail(in_.offset(), "expected `=` behind `" + effect.text + "`");
        }
        parse_who();
        if (!in_.at_end()) {
            parse_topics();
        }
        return std::move(rule_);
    }

private:
    /// Conditions up to the action, which is taken too.
    void parse_who() {
        bool is_all = false;
        while (true) {
            if (in_.at_end()) {
                if (!is_all && rule_.conditions.empty()) {
                    in_.fail(in_.offset(), "for whom? `all`, or a condition such as `user=alice`");
                }
                return;
            }
            const bool is_negated = in_.take("!");
            const Word word = in_.word("=!");
            if (const auto flag = flag_of(word)) {
                AclCondition& condition = rule_.conditions.emplace_back();
                condition.subject = *flag;
                condition.is_negated = is_negated;
            } else if (is_negated) {
                in_.fail(word.offset,
                         "`!` stands before anonymous, authenticated or administrator; for others "
                         "write `user!=ann`");
                return;
            } else if (word.is("all")) {
                is_all = true;
            } else if (set_action(word)) {
                if (!is_all && rule_.conditions.empty()) {
                    in_.fail(word.offset,
                             "for whom? `all`, or a condition such as `user=alice`, stands before "
                             "`" +
                                 word.text + "`");
                }
                return;
            } else {
                parse_condition(word);
            }
            if (is_all && !rule_.conditions.empty()) {
                in_.fail(word.offset, "`all` stands alone: leave it out beside conditions");
            }
        }
    }

    bool set_action(const Word& word) {
        const bool is_pubsub = word.is("pubsub");
        const bool is_subscribe = word.is("subscribe");
        if (!is_pubsub && !is_subscribe && !word.is("publish") && !word.is("receive")) {
            return false;
        }
        rule_.for_publish = is_pubsub || word.is("publish");
        rule_.for_subscribe = is_pubsub || is_subscribe;
        rule_.for_receive = rule_.for_subscribe || word.is("receive");
        return true;
    }

    void parse_condition(const Word& word) {
        AclCondition condition;
        constexpr std::string_view attribute = "attr.";
        if (!word.is_quoted && word.text.starts_with(attribute) &&
            word.text.size() > attribute.size()) {
            condition.subject = AclSubject::attribute;
            condition.attribute = word.text.substr(attribute.size());
        } else if (const auto subject = subject_of(word.text); subject && !word.is_quoted) {
            condition.subject = *subject;
        } else {
            in_.fail(word.offset, "`" + word.text +
                                      "` is neither a condition (all, user=, client=, ip=, group=, "
                                      "attr.<name>=, protocol=, anonymous, authenticated, "
                                      "administrator) nor an action (publish, subscribe, receive, "
                                      "pubsub)");
            return;
        }
        condition.is_negated = in_.take("!=");
        if (!condition.is_negated && !in_.take("=")) {
            in_.fail(in_.offset(), "expected `=` or `!=` behind `" + word.text + "`");
            return;
        }
        do {
            parse_value(condition);
        } while (in_.take("|"));
        rule_.conditions.push_back(std::move(condition));
    }

    void parse_value(AclCondition& condition) {
        const Word value = in_.word("|");
        if (in_.has_failed()) {
            return;
        }
        if (value.text.empty()) {
            in_.fail(value.offset, "a value is missing");
        } else if (condition.subject == AclSubject::address) {
            const auto range = IpRange::parse(value.text);
            if (!range) {
                in_.fail(value.offset,
                         "`" + value.text + "` is no address and no range such as 10.0.0.0/8");
                return;
            }
            condition.ranges.push_back(*range);
        } else if (condition.subject == AclSubject::protocol) {
            if (!is_protocol(value.text)) {
                in_.fail(value.offset, "the protocols are mqtt, mqtt-sn, coap and stomp");
            }
            condition.protocols.push_back(value.text);
        } else {
            const bool is_prefix = !value.is_quoted && value.text.ends_with('*');
            condition.texts.push_back(
                {value.text.substr(0, value.text.size() - (is_prefix ? 1 : 0)), is_prefix});
        }
    }

    void parse_topics() {
        while (!in_.has_failed()) {
            in_.skip_blanks();
            Word word = in_.word(",");
            const bool is_literal = word.is("eq");
            if (is_literal) {
                in_.skip_blanks();
                word = in_.word(",");
            }
            if (in_.has_failed()) {
                return;
            }
            if (word.text.empty()) {
                in_.fail(word.offset, "a topic filter is missing");
                return;
            }
            auto topic =
                is_literal ? AclTopic::parse_literal(word.text) : AclTopic::parse(word.text);
            if (!topic) {
                in_.fail(word.offset, topic.error());
                return;
            }
            rule_.topics.push_back(std::move(*topic));
            in_.skip_blanks();
            if (!in_.take(",")) {
                if (!in_.at_end()) {
                    in_.fail(in_.offset(),
                             "expected a comma between topics (a comment needs a line of its own)");
                }
                return;
            }
        }
    }

    LineReader& in_;
    AclRule rule_;
};

}  // namespace

ParsedAcl parse_acl(std::string_view source, std::string_view text) {
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
    if (text.starts_with(byte_order_mark)) {
        text.remove_prefix(byte_order_mark.size());
    }
    ParsedAcl parsed;
    const auto tell = [&](std::size_t line, std::size_t column, std::string_view what) {
        parsed.diagnostics.push_back({.severity = Severity::error,
                                      .source = std::string{source},
                                      .line = line,
                                      .column = column,
                                      .text = std::string{what}});
    };
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        if (!is_valid_utf8(as_bytes(line))) {
            tell(number, 0, "not valid UTF-8 text");
            continue;
        }
        const auto control = std::find_if(line.begin(), line.end(), [](char c) {
            const auto byte = static_cast<unsigned char>(c);
            return (byte < 0x20 && c != '\t') || byte == 0x7F;
        });
        if (control != line.end()) {
            tell(number, column_of(line, static_cast<std::size_t>(control - line.begin())),
                 "a control character is not allowed here");
            continue;
        }
        LineReader in{line};
        in.skip_blanks();
        if (in.at_end() || line[in.offset()] == '#') {
            continue;
        }
        const std::size_t start = in.offset();
        AclRule rule = RuleParser{in}.parse();
        if (in.has_failed()) {
            tell(number, column_of(line, in.error_offset()), in.error());
            continue;
        }
        if (parsed.rules.size() == rule_count_max) {
            tell(number, 0, "more than 100,000 rules");
            break;
        }
        rule.source = source;
        rule.line = number;
        rule.text = line.substr(start, line.find_last_not_of(blanks) + 1 - start);
        parsed.rules.push_back(std::move(rule));
    }
    return parsed;
}

std::string_view default_acl_text() {
    return "allow = user=dashboard subscribe $SYS/#\n"
           "deny = !administrator subscribe $SYS/#, eq #\n";
}

std::string acl_word(std::string_view text) {
    const bool is_plain =
        !text.empty() && text != "eq" && text.find_first_of(" \t\",|\\*") == std::string_view::npos;
    if (is_plain) {
        return std::string{text};
    }
    std::string quoted = "\"";
    for (const char c : text) {
        quoted += c == '"' || c == '\\' ? "\\" : "";
        quoted += c;
    }
    return quoted + "\"";
}

}  // namespace gw::config
