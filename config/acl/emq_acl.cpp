#include "config/acl/emq_acl.hpp"

#include "broker-core/access/acl_topic.hpp"
#include "broker-core/base/bytes.hpp"
#include "broker-core/base/ip_address.hpp"
#include "broker-core/base/utf8.hpp"
#include "config/acl/acl_parser.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <vector>

namespace gw::config {

namespace {

constexpr int depth_max = 16;
constexpr std::size_t alternatives_max = 1000;

bool is_letter(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '@';
}

/// An Erlang term, as far as access rules have them.
struct Term {
    enum class Kind { atom, text, tuple, list };

    Kind kind = Kind::atom;
    std::string text;  // of atoms and texts
    std::vector<Term> parts;
    std::size_t line = 0, column = 0;

    bool is(std::string_view atom) const { return kind == Kind::atom && text == atom; }
    /// A tuple of so many parts that begins with this atom.
    bool is_tuple(std::string_view atom, std::size_t count) const {
        return kind == Kind::tuple && parts.size() == count && parts.front().is(atom);
    }
};

struct Mistake {
    std::size_t line = 0, column = 0;
    std::string text;
};

/// Reads terms, each ended by a full stop. After a mistake it goes on behind the next full stop
/// that ends a line.
class TermReader {
public:
    explicit TermReader(std::string_view text) : rest_(text) {}

    bool at_end() {
        skip();
        return rest_.empty();
    }
    std::optional<Term> next(Mistake& mistake) {
        auto term = read(0);
        if (term && !mistake_) {
            expect('.', "expected a full stop behind the rule");
        }
        if (!mistake_) {
            return term;
        }
        mistake = *std::exchange(mistake_, std::nullopt);
        while (!rest_.empty() && !(rest_.front() == '\n' && last_ == '.')) {
            step();
        }
        return std::nullopt;
    }

private:
    void step() {
        last_ = rest_.front() == ' ' || rest_.front() == '\r' ? last_ : rest_.front();
        column_ = rest_.front() == '\n' ? 1 : column_ + 1;
        line_ += rest_.front() == '\n' ? 1 : 0;
        rest_.remove_prefix(1);
    }
    void skip() {
        while (!rest_.empty()) {
            if (rest_.front() == '%') {
                while (!rest_.empty() && rest_.front() != '\n') {
                    step();
                }
            } else if (std::isspace(static_cast<unsigned char>(rest_.front())) != 0) {
                step();
            } else {
                return;
            }
        }
    }
    void fail(std::string text) {
        if (!mistake_) {
            mistake_ = Mistake{line_, column_, std::move(text)};
        }
    }
    void expect(char wanted, const char* text) {
        skip();
        if (rest_.empty() || rest_.front() != wanted) {
            fail(text);
        } else {
            step();
        }
    }

    std::optional<Term> read(int depth) {
        skip();
        Term term;
        term.line = line_;
        term.column = column_;
        if (rest_.empty() || depth > depth_max) {
            fail(rest_.empty() ? "the rule is not complete" : "too many brackets");
            return std::nullopt;
        }
        const char first = rest_.front();
        if (first == '{' || first == '[') {
            term.kind = first == '{' ? Term::Kind::tuple : Term::Kind::list;
            return read_parts(std::move(term), first == '{' ? '}' : ']', depth);
        }
        if (first == '"' || first == '\'') {
            term.kind = first == '"' ? Term::Kind::text : Term::Kind::atom;
            return read_quoted(std::move(term), first);
        }
        while (!rest_.empty() && is_letter(rest_.front())) {
            term.text += rest_.front();
            step();
        }
        if (term.text.empty()) {
            fail(std::string{"`"} + first + "` is not expected here");
            return std::nullopt;
        }
        return term;
    }
    std::optional<Term> read_parts(Term term, char end, int depth) {
        step();
        skip();
        while (!rest_.empty() && rest_.front() != end) {
            auto part = read(depth + 1);
            if (!part) {
                return std::nullopt;
            }
            term.parts.push_back(std::move(*part));
            skip();
            if (!rest_.empty() && rest_.front() == ',') {
                step();
                skip();
            } else {
                break;
            }
        }
        expect(end, "a closing bracket is missing");
        return term;
    }
    std::optional<Term> read_quoted(Term term, char quote) {
        step();
        while (!rest_.empty() && rest_.front() != quote && rest_.front() != '\n') {
            if (rest_.front() == '\\') {
                step();
            }
            if (!rest_.empty()) {
                term.text += rest_.front();
                step();
            }
        }
        if (rest_.empty() || rest_.front() != quote) {
            mistake_ = Mistake{term.line, term.column, "the closing quote is missing"};
            return std::nullopt;
        }
        step();
        return term;
    }

    std::string_view rest_;
    std::size_t line_ = 1, column_ = 1;
    char last_ = '\0';
    std::optional<Mistake> mistake_;
};

/// Writes one rule as rules of ours.
class RuleWriter {
public:
    /// The lines, or what is wrong with the rule.
    Result<std::string, Mistake> write(const Term& rule) {
        if (rule.kind != Term::Kind::tuple || (rule.parts.size() != 2 && rule.parts.size() != 4) ||
            !(rule.parts[0].is("allow") || rule.parts[0].is("deny"))) {
            return wrong(rule,
                         "a rule is {allow|deny, all}. or {allow|deny, Who, Access, Topics}.");
        }
        const auto who = alternatives_of(rule.parts[1], 0);
        if (!who) {
            return *mistake_;
        }
        std::string what;
        if (rule.parts.size() == 4) {
            const Term& action = rule.parts[2];
            if (!action.is("publish") && !action.is("subscribe") && !action.is("pubsub")) {
                return wrong(action, "the access is publish, subscribe or pubsub");
            }
            auto topics = topics_of(rule.parts[3]);
            if (!topics) {
                return *mistake_;
            }
            what = " " + action.text + " " + *topics;
        }
        std::string lines;
        for (const std::string& one : *who) {
            lines += rule.parts[0].text + " = " + (one.empty() ? "all" : one) + what + "\n";
        }
        return lines;
    }

private:
    /// Conditions that must all hold, joined by blanks; any of these. Empty: everybody.
    using Alternatives = std::vector<std::string>;

    Mistake wrong(const Term& term, std::string text) {
        mistake_ = Mistake{term.line, term.column, std::move(text)};
        return *mistake_;
    }

    std::optional<Alternatives> alternatives_of(const Term& who, int depth) {
        if (who.is("all") || (who.is_tuple("user", 2) && who.parts[1].is("all")) ||
            (who.is_tuple("client", 2) && who.parts[1].is("all"))) {
            return Alternatives{""};
        }
        struct Row {
            std::string_view name, subject;
        };
        static constexpr Row rows[] = {{"user", "user="}, {"client", "client="}, {"ipaddr", "ip="}};
        for (const Row& row : rows) {
            if (who.is_tuple(row.name, 2) && who.parts[1].kind == Term::Kind::text) {
                return condition_of(who.parts[1], row.subject);
            }
        }
        const bool is_and = who.is_tuple("and", 2);
        if ((!is_and && !who.is_tuple("or", 2)) || who.parts[1].kind != Term::Kind::list ||
            who.parts[1].parts.empty() || depth > depth_max) {
            wrong(who,
                  "expected all, {user, ..}, {client, ..}, {ipaddr, ..}, {'and', [..]} or "
                  "{'or', [..]}");
            return std::nullopt;
        }
        Alternatives sum = is_and ? Alternatives{""} : Alternatives{};
        for (const Term& part : who.parts[1].parts) {
            const auto more = alternatives_of(part, depth + 1);
            if (!more) {
                return std::nullopt;
            }
            sum = is_and ? product(sum, *more) : joined(sum, *more);
            if (sum.size() > alternatives_max) {
                wrong(who, "too many alternatives");
                return std::nullopt;
            }
        }
        return sum;
    }
    std::optional<Alternatives> condition_of(const Term& value, std::string_view subject) {
        if (value.text.empty() || (subject == "ip=" && !IpRange::parse(value.text))) {
            wrong(value, subject == "ip=" ? "no address and no range" : "a value is missing");
            return std::nullopt;
        }
        return Alternatives{std::string{subject} + acl_word(value.text)};
    }
    static Alternatives product(const Alternatives& some, const Alternatives& others) {
        Alternatives all;
        for (const std::string& one : some) {
            for (const std::string& other : others) {
                all.push_back(one + (one.empty() || other.empty() ? "" : " ") + other);
            }
        }
        return all;
    }
    static Alternatives joined(Alternatives some, const Alternatives& others) {
        some.insert(some.end(), others.begin(), others.end());
        return some;
    }

    std::optional<std::string> topics_of(const Term& list) {
        if (list.kind != Term::Kind::list || list.parts.empty()) {
            wrong(list, "expected a list of topics");
            return std::nullopt;
        }
        std::string topics;
        for (const Term& one : list.parts) {
            const bool is_literal = one.is_tuple("eq", 2) && one.parts[1].kind == Term::Kind::text;
            if (!is_literal && one.kind != Term::Kind::text) {
                wrong(one, "expected \"topic\" or {eq, \"topic\"}");
                return std::nullopt;
            }
            const std::string text = is_literal ? one.parts[1].text : as_written_here(one.text);
            const auto topic = is_literal ? AclTopic::parse_literal(text) : AclTopic::parse(text);
            if (!topic) {
                wrong(one, topic.error());
                return std::nullopt;
            }
            topics += (topics.empty() ? "" : ", ") + std::string{is_literal ? "eq " : ""} +
                      acl_word(text);
        }
        return topics;
    }
    /// %u and %c count only where they fill a level there; elsewhere they are text.
    static std::string as_written_here(std::string_view topic) {
        std::string text;
        while (true) {
            const std::size_t end = std::min(topic.find('/'), topic.size());
            const std::string_view level = topic.substr(0, end);
            for (const char c : level) {
                text += c == '%' && level != "%u" && level != "%c" ? "%%" : std::string(1, c);
            }
            if (end == topic.size()) {
                return text;
            }
            text += '/';
            topic.remove_prefix(end + 1);
        }
    }

    std::optional<Mistake> mistake_;
};

bool is_text(std::string_view text) {
    return is_valid_utf8(as_bytes(text)) && std::none_of(text.begin(), text.end(), [](char c) {
               const auto byte = static_cast<unsigned char>(c);
               return (byte < 0x20 && std::isspace(byte) == 0) || byte == 0x7F;
           });
}

}  // namespace

bool is_emq_acl(std::string_view text) {
    while (!text.empty()) {
        text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
        if (!text.starts_with('%')) {
            return text.starts_with('{');
        }
        text.remove_prefix(std::min(text.find('\n'), text.size()));
    }
    return false;
}

ImportedAcl import_emq_acl(std::string_view source, std::string_view text) {
    ImportedAcl imported;
    const auto tell = [&](Mistake mistake) {
        imported.diagnostics.push_back({.severity = Severity::error,
                                        .source = std::string{source},
                                        .line = mistake.line,
                                        .column = mistake.column,
                                        .text = std::move(mistake.text)});
    };
    if (!is_text(text)) {
        tell({1, 0, "not UTF-8 text, or with control characters"});
        return imported;
    }
    imported.text = "# From EMQ's access rules. What no rule matches, acl_nomatch decides.\n";
    TermReader reader{text};
    while (!reader.at_end()) {
        Mistake mistake;
        const auto term = reader.next(mistake);
        if (!term) {
            tell(std::move(mistake));
            continue;
        }
        auto lines = RuleWriter{}.write(*term);
        if (!lines) {
            tell(std::move(lines).error());
            continue;
        }
        imported.text += *lines;
    }
    return imported;
}

}  // namespace gw::config
