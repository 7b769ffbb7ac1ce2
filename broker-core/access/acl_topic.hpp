#pragma once

#include "broker-core/base/result.hpp"
#include "broker-core/message/identity.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gw {

/// The topics that a rule speaks of: a filter whose levels may be placeholders, or one text.
///
/// Placeholders fill a level: `%u` the proven user name, `%c` the client id, `%a` the address,
/// `%a{name}` an attribute of the client. `%%` is a percent sign. A placeholder that is not set for
/// a client, or whose value holds `+`, `#` or `/`, or begins with `$` in the first level, makes the
/// whole topic match nothing: a name that a client chose never widens a rule.
///
/// With `eq` before it the text is meant as it stands, without wildcards and placeholders.
class AclTopic {
public:
    /// Parses what stands behind an optional `eq`. The failure is one sentence without a full stop.
    static Result<AclTopic, std::string> parse(std::string_view text);
    static Result<AclTopic, std::string> parse_literal(std::string_view text);

    /// Whether the topic name is one of these. Iterative, no allocation.
    bool matches(std::string_view topic, const ClientIdentity& client) const;
    /// As matches(), for what an `eq` allows: the topics of the filter that its text is.
    bool matches_as_filter(std::string_view topic, const ClientIdentity& client) const;
    /// Whether matches_as_filter() could say yes for some client.
    bool may_match(std::string_view topic) const;
    /// Whether every topic that `filter` (without prefix) matches is one of these; of an `eq`
    /// topic, whether it is this text.
    bool covers(std::string_view filter, const ClientIdentity& client) const;
    /// Whether some topic that `filter` matches is one of these.
    bool overlaps(std::string_view filter, const ClientIdentity& client) const;

    bool is_literal() const { return is_literal_; }
    /// Whether a filter that this does not cover may still overlap it: then deliveries must be
    /// looked at.
    bool can_be_covered_in_part() const;
    /// Whether it names `$SYS` itself, and is not just wide enough for it.
    bool names_sys() const;
    /// Bytes that every topic it matches begins with, whoever the client is; at most 8.
    std::string_view fixed_prefix() const { return prefix_; }
    /// As in the file, with `eq`.
    std::string text() const;

private:
    enum class Kind : std::uint8_t { text, one, rest, user, client, address, attribute };
    struct Level {
        Kind kind = Kind::text;
        std::string text;  // of `text`; the name of an `attribute`
    };
    class Resolved;

    static Result<void, std::string> check(std::string_view text);
    static Result<Level, std::string> parse_level(std::string_view text);
    void find_prefix();
    bool starts_with_wildcard() const {
        return levels_.front().kind == Kind::one || levels_.front().kind == Kind::rest;
    }

    std::string text_;
    std::vector<Level> levels_;  // of an `eq` topic: those of the filter that its text is
    std::string prefix_;
    bool is_literal_ = false;
};

}  // namespace gw
