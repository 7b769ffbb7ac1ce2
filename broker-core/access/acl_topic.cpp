#include "broker-core/access/acl_topic.hpp"

#include "broker-core/topic/topic.hpp"

#include <algorithm>
#include <optional>

namespace gw {

namespace {

constexpr std::size_t prefix_bytes_max = 8;

/// Walks over the levels of a topic or filter.
class Levels {
public:
    explicit Levels(std::string_view text) : rest_(text) {}

    bool at_end() const { return is_over_; }
    std::string_view next() {
        const std::size_t end = rest_.find('/');
        const std::string_view level = rest_.substr(0, end);
        if (end == std::string_view::npos) {
            is_over_ = true;
        } else {
            rest_.remove_prefix(end + 1);
        }
        return level;
    }

private:
    std::string_view rest_;
    bool is_over_ = false;
};

bool is_wildcard(std::string_view level) {
    return level == "+" || level == "#";
}

bool starts_with_wildcard(std::string_view filter) {
    return filter.starts_with('+') || filter.starts_with('#');
}

}  // namespace

/// What a level stands for, for one client.
class AclTopic::Resolved {
public:
    explicit Resolved(const ClientIdentity& client) : client_(client) {}

    /// The literal text of a level that is no wildcard; nothing when the topic matches nothing for
    /// this client.
    std::optional<std::string_view> operator()(const Level& level, bool is_first) {
        switch (level.kind) {
            case Kind::text:
                return level.text;
            case Kind::user:
                return checked(client_.principal(), is_first);
            case Kind::client:
                return checked(client_.own_client_id(), is_first);
            case Kind::address:
                if (client_.ip == IpAddress{}) {
                    return std::nullopt;  // a Unix socket has none
                }
                address_ = client_.ip.text();
                return checked(address_, is_first);
            case Kind::attribute:
                return checked(attribute(level.text), is_first);
            case Kind::one:
            case Kind::rest:
                break;
        }
        GW_UNREACHABLE();
    }

private:
    static std::optional<std::string_view> checked(std::string_view value, bool is_first) {
        const bool is_bad = value.empty() || value.find_first_of("+#/") != std::string_view::npos ||
                            (is_first && value.starts_with('$'));
        return is_bad ? std::nullopt : std::optional{value};
    }
    std::string_view attribute(std::string_view name) const {
        if (client_.grants) {
            for (const auto& [key, value] : client_.grants->attributes) {
                if (key == name) {
                    return value;
                }
            }
        }
        return {};
    }

    const ClientIdentity& client_;
    std::string address_;
};

// ------------------------------------------------------------------------------------- parsing

Result<void, std::string> AclTopic::check(std::string_view text) {
    const auto filter = parse_topic_filter(text, TopicLimits{});
    if (!filter) {
        return std::string{topic_error_text(filter.error())};
    }
    if (filter->filter_offset != 0) {
        return std::string{
            "rules speak of the filter itself: leave `$share/<group>/`, `$queue/` and `$local/` "
            "out"};
    }
    return {};
}

Result<AclTopic::Level, std::string> AclTopic::parse_level(std::string_view text) {
    if (text == "+") {
        return Level{Kind::one, {}};
    }
    if (text == "#") {
        return Level{Kind::rest, {}};
    }
    if (text == "%u") {
        return Level{Kind::user, {}};
    }
    if (text == "%c") {
        return Level{Kind::client, {}};
    }
    if (text == "%a") {
        return Level{Kind::address, {}};
    }
    if (text.starts_with("%a{") && text.size() > 4 && text.find('}') == text.size() - 1) {
        return Level{Kind::attribute, std::string{text.substr(3, text.size() - 4)}};
    }
    Level level;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 1 < text.size()) {
            const char next = text[i + 1];
            if (next == 'u' || next == 'c' || next == 'a') {
                return std::string{"a placeholder must fill its level; `%%"} + next +
                       "` is the text `%" + next + "`";
            }
            i += next == '%' ? 1 : 0;
        }
        level.text += text[i];
    }
    return level;
}

Result<AclTopic, std::string> AclTopic::parse(std::string_view text) {
    if (auto checked = check(text); !checked) {
        return std::move(checked).error();
    }
    AclTopic topic;
    topic.text_ = text;
    Levels levels{text};
    while (!levels.at_end()) {
        auto level = parse_level(levels.next());
        if (!level) {
            return std::move(level).error();
        }
        topic.levels_.push_back(std::move(*level));
    }
    topic.find_prefix();
    return topic;
}

Result<AclTopic, std::string> AclTopic::parse_literal(std::string_view text) {
    if (auto checked = check(text); !checked) {
        return std::move(checked).error();
    }
    AclTopic topic;
    topic.text_ = text;
    topic.is_literal_ = true;
    Levels levels{text};
    while (!levels.at_end()) {
        const std::string_view level = levels.next();
        topic.levels_.push_back({level == "+"   ? Kind::one
                                 : level == "#" ? Kind::rest
                                                : Kind::text,
                                 std::string{level}});
    }
    topic.find_prefix();
    return topic;
}

void AclTopic::find_prefix() {
    std::string text;
    for (std::size_t i = 0; i < levels_.size(); ++i) {
        if (levels_[i].kind == Kind::rest && !text.empty()) {
            text.pop_back();  // "a/#" also matches "a"
        }
        if (levels_[i].kind != Kind::text) {
            break;
        }
        text += levels_[i].text;
        text += i + 1 < levels_.size() ? "/" : "";
    }
    prefix_ = text.substr(0, prefix_bytes_max);
}

std::string AclTopic::text() const {
    return is_literal_ ? "eq " + text_ : text_;
}

bool AclTopic::names_sys() const {
    return levels_.front().kind == Kind::text && levels_.front().text == "$SYS";
}

bool AclTopic::can_be_covered_in_part() const {
    const bool has_wildcard = std::any_of(levels_.begin(), levels_.end(), [](const Level& level) {
        return level.kind == Kind::one || level.kind == Kind::rest;
    });
    if (is_literal_ && has_wildcard) {
        return false;  // no topic name is this text
    }
    if (levels_.back().kind != Kind::rest || levels_.size() > 2) {
        return true;
    }
    // "#" and "+/#" are all there is, and nothing but "$x/..." overlaps "$x/#", since wildcards at
    // the root pass over "$".
    const Level& first = levels_.front();
    const bool is_all = levels_.size() == 1 || first.kind == Kind::one;
    return !is_all && !(first.kind == Kind::text && first.text.starts_with('$'));
}

// ------------------------------------------------------------------------------------ matching

bool AclTopic::matches(std::string_view topic, const ClientIdentity& client) const {
    return is_literal_ ? topic == text_ : matches_as_filter(topic, client);
}

bool AclTopic::matches_as_filter(std::string_view topic, const ClientIdentity& client) const {
    if (topic.starts_with('$') && starts_with_wildcard()) {
        return false;
    }
    Resolved resolve{client};
    Levels levels{topic};
    for (std::size_t i = 0; i < levels_.size(); ++i) {
        if (levels_[i].kind == Kind::rest) {
            return true;  // what is left, and the parent (MQTT 5.0, 4.7.1.2)
        }
        if (levels.at_end()) {
            return false;
        }
        const std::string_view level = levels.next();
        if (levels_[i].kind != Kind::one && resolve(levels_[i], i == 0) != level) {
            return false;
        }
    }
    return levels.at_end();
}

bool AclTopic::may_match(std::string_view topic) const {
    if (topic.starts_with('$') && starts_with_wildcard()) {
        return false;
    }
    Levels levels{topic};
    for (const Level& mine : levels_) {
        if (mine.kind == Kind::rest) {
            return true;
        }
        if (levels.at_end()) {
            return false;
        }
        const std::string_view level = levels.next();
        if (mine.kind == Kind::text && mine.text != level) {
            return false;
        }
    }
    return levels.at_end();
}

bool AclTopic::covers(std::string_view filter, const ClientIdentity& client) const {
    if (is_literal_) {
        return filter == text_;
    }
    if (filter.starts_with('$') && starts_with_wildcard()) {
        return false;
    }
    Resolved resolve{client};
    Levels levels{filter};
    for (std::size_t i = 0; i < levels_.size(); ++i) {
        if (levels_[i].kind == Kind::rest) {
            return true;
        }
        if (levels.at_end()) {
            return false;
        }
        const std::string_view level = levels.next();
        if (level == "#") {
            // It also matches its parent, which no further level of ours can; but there is nothing
            // above the root.
            return i == 0 && levels_[0].kind == Kind::one && levels_.size() == 2 &&
                   levels_[1].kind == Kind::rest;
        }
        if (levels_[i].kind != Kind::one && resolve(levels_[i], i == 0) != level) {
            return false;
        }
    }
    return levels.at_end();
}

bool AclTopic::overlaps(std::string_view filter, const ClientIdentity& client) const {
    if (is_literal_) {
        return filter == text_ ||
               (text_.find_first_of("+#") == std::string::npos && filter_matches(filter, text_));
    }
    const bool ours_is_open = starts_with_wildcard();
    if ((filter.starts_with('$') && ours_is_open) ||
        (gw::starts_with_wildcard(filter) && levels_.front().kind == Kind::text &&
         levels_.front().text.starts_with('$'))) {
        return false;
    }
    Resolved resolve{client};
    // A placeholder without a value, further on, makes the topic match nothing at all.
    for (std::size_t i = 0; i < levels_.size(); ++i) {
        if (levels_[i].kind != Kind::one && levels_[i].kind != Kind::rest &&
            !resolve(levels_[i], i == 0)) {
            return false;
        }
    }
    Levels levels{filter};
    for (std::size_t i = 0; i < levels_.size(); ++i) {
        if (levels_[i].kind == Kind::rest) {
            return true;
        }
        if (levels.at_end()) {
            return false;
        }
        const std::string_view level = levels.next();
        if (level == "#") {
            return true;
        }
        if (levels_[i].kind != Kind::one && !is_wildcard(level) &&
            resolve(levels_[i], i == 0) != level) {
            return false;
        }
    }
    return levels.at_end() || levels.next() == "#";
}

}  // namespace gw
