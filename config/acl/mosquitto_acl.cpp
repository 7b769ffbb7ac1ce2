#include "config/acl/mosquitto_acl.hpp"

#include "broker-core/access/acl_topic.hpp"
#include "broker-core/base/bytes.hpp"
#include "broker-core/base/utf8.hpp"
#include "config/acl/acl_parser.hpp"

#include <algorithm>
#include <vector>

namespace gw::config {

namespace {

enum class Right { read, write, both, none };

/// The lines that belong to one user, to anonymous clients, or to patterns.
struct Section {
    std::string who;  // a condition
    std::vector<std::string> denials;
    std::vector<std::string> allowances;
};

class Importer {
public:
    explicit Importer(std::string_view source) : source_(source) {
        sections_.push_back({"anonymous", {}, {}});
        patterns_.who = "all";
    }

    void take(std::size_t line, std::string_view text) {
        line_ = line;
        const std::string_view keyword = next_word(text);
        if (keyword == "user") {
            take_user(text);
        } else if (keyword == "topic") {
            take_topic(text, false);
        } else if (keyword == "pattern") {
            take_topic(text, true);
        } else {
            tell(Severity::error, "expected `user`, `topic` or `pattern`");
        }
    }
    void tell(Severity severity, std::string what) {
        imported_.diagnostics.push_back({.severity = severity,
                                         .source = std::string{source_},
                                         .line = line_,
                                         .column = 0,
                                         .text = std::move(what)});
    }
    void set_line(std::size_t line) { line_ = line; }

    ImportedAcl finish() {
        imported_.text = "# From mosquitto's " + printable(source_) +
                         ". As there, subscriptions are granted and deliveries judged.\n";
        for (const Section& section : sections_) {
            write(section);
        }
        write(patterns_);
        imported_.text +=
            "deny = all publish\n"
            "deny = all receive\n"
            "allow = all subscribe\n";
        return std::move(imported_);
    }

private:
    static std::string printable(std::string_view text) {
        std::string line;
        for (const char c : text) {
            line += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
        }
        return line;
    }
    static std::string_view next_word(std::string_view& text) {
        text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
        const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
        const std::string_view word = text.substr(0, end);
        text.remove_prefix(end);
        text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
        return word;
    }

    void take_user(std::string_view name) {
        if (name.empty()) {
            tell(Severity::error, "the user's name is missing");
            return;
        }
        const std::string who = "user=" + acl_word(name);
        const auto same = std::find_if(sections_.begin(), sections_.end(),
                                       [&who](const Section& one) { return one.who == who; });
        if (same != sections_.end()) {
            current_ = static_cast<std::size_t>(same - sections_.begin());
            return;
        }
        current_ = sections_.size();
        sections_.push_back({who, {}, {}});
    }

    void take_topic(std::string_view rest, bool is_pattern) {
        std::string_view topic = rest;
        std::string_view after = rest;
        const std::string_view first = next_word(after);
        Right right = Right::both;
        // Without an access word the whole rest is the topic, which may hold spaces.
        if (!after.empty() &&
            (first == "read" || first == "write" || first == "readwrite" || first == "deny")) {
            right = first == "read"    ? Right::read
                    : first == "write" ? Right::write
                    : first == "deny"  ? Right::none
                                       : Right::both;
            topic = after;
        }
        if (topic.empty()) {
            tell(Severity::error, "the topic is missing");
            return;
        }
        const std::string written = as_written_here(topic, is_pattern);
        const auto parsed = AclTopic::parse(written);
        if (!parsed) {
            // Without an allowance somebody has less than there, without a denial more.
            const bool is_denial = right == Right::none;
            tell(is_denial ? Severity::error : Severity::warning,
                 (is_denial ? "a denial cannot be left out: " : "left out: ") + parsed.error());
            return;
        }
        Section& section = is_pattern ? patterns_ : sections_[current_];
        add(section, right, acl_word(written));
    }

    /// Only patterns have placeholders there, and only %u and %c.
    static std::string as_written_here(std::string_view topic, bool is_pattern) {
        std::string text;
        for (std::size_t i = 0; i < topic.size(); ++i) {
            const char next = i + 1 < topic.size() ? topic[i + 1] : '\0';
            const bool is_placeholder = is_pattern && (next == 'u' || next == 'c');
            text += topic[i] == '%' && !is_placeholder ? "%%" : std::string(1, topic[i]);
        }
        return text;
    }

    static void add(Section& section, Right right, const std::string& topic) {
        switch (right) {
            case Right::none:
                section.denials.push_back("publish " + topic);
                section.denials.push_back("receive " + topic);
                return;
            case Right::read:
                section.allowances.push_back("subscribe " + topic);
                return;
            case Right::write:
                section.allowances.push_back("publish " + topic);
                return;
            case Right::both:
                section.allowances.push_back("pubsub " + topic);
                return;
        }
    }

    void write(const Section& section) {
        for (const std::string& denial : section.denials) {
            imported_.text += "deny = " + section.who + " " + denial + "\n";
        }
        for (const std::string& allowance : section.allowances) {
            imported_.text += "allow = " + section.who + " " + allowance + "\n";
        }
    }

    std::string_view source_;
    std::size_t line_ = 0;
    std::vector<Section> sections_;
    std::size_t current_ = 0;
    Section patterns_;
    ImportedAcl imported_;
};

}  // namespace

ImportedAcl import_mosquitto_acl(std::string_view source, std::string_view text) {
    Importer importer{source};
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
        // Blanks at either end mean nothing there.
        line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
        line = line.substr(0, line.find_last_not_of(" \t\r") + 1);
        if (line.empty() || line.starts_with('#')) {
            continue;
        }
        importer.set_line(number);
        const bool has_control = std::any_of(line.begin(), line.end(), [](char c) {
            const auto byte = static_cast<unsigned char>(c);
            return (byte < 0x20 && c != '\t') || byte == 0x7F;
        });
        if (has_control || !is_valid_utf8(as_bytes(line))) {
            importer.tell(Severity::error, "not UTF-8 text, or with control characters");
            continue;
        }
        importer.take(number, line);
    }
    return importer.finish();
}

}  // namespace gw::config
