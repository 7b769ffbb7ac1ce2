#pragma once

#include "broker-core/base/ip_address.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gw {

/// What a listener says of the places that its clients speak from. Shared, never changed.
struct OriginRules {
    struct Access {
        bool is_allowed = true;
        std::optional<IpRange> range;  // none: everybody
    };

    /// Whether the access list lets this address in: the first entry that matches decides, and an
    /// address that none matches is let in.
    bool lets_in(const IpAddress& ip) const;

    std::vector<Access> access;
    std::vector<IpRange> administrators;
    bool has_unix_administrators = false;
    bool allows_anonymous = false;        // from wherever
    bool allows_local_anonymous = false;  // from this machine
    /// Put before every topic, filter and client id of those who come here; empty: nothing.
    std::string mountpoint;
};

using OriginRulesPtr = std::shared_ptr<const OriginRules>;

/// A text behind a mount point; `scratch` holds it where there is one.
inline std::string_view behind(std::string_view mountpoint, std::string_view text,
                               std::string& scratch) {
    if (mountpoint.empty()) [[likely]] {
        return text;
    }
    scratch.reserve(mountpoint.size() + text.size());
    scratch = mountpoint;
    scratch += text;
    return scratch;
}

/// An id behind the mount point of these rules, so that equal ids behind two of them are two
/// clients. Null: no rules, no mount point. `scratch` as above.
inline std::string_view mounted_client_id(const OriginRules* rules, std::string_view own,
                                          std::string& scratch) {
    return behind(rules != nullptr ? std::string_view{rules->mountpoint} : std::string_view{}, own,
                  scratch);
}

/// Where somebody speaks from, borrowed for a call, as found out where his bytes were accepted.
/// What he may do because of it is for Broker::judge_origin() alone to say.
struct Origin {
    IpAddress ip{};  // zero for Unix sockets
    std::uint16_t port = 0;
    bool is_unix = false;
    bool is_relayed = false;             // as PeerInfo's
    const OriginRules* rules = nullptr;  // borrowed; null: they keep nobody out and give no rights
};

}  // namespace gw
