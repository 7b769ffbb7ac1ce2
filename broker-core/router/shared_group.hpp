#pragma once

#include "broker-core/base/intrusive_ptr.hpp"
#include "broker-core/base/random.hpp"
#include "broker-core/message/message.hpp"
#include "broker-core/router/route_types.hpp"

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gw {

class RouteNode;

/// The members of one `$share/<group>/` or `$queue/` on one filter, in the whole instance (MQTT
/// 5.0, 4.8.2). Messages go to one of them. Made and filled by Router; a MatchResult keeps it
/// alive, so that picking needs no lock of the router, only the group's own, held for the choice.
///
/// `$share/$queue/f` and `$queue/f` are two groups, as are `$share/g/f` and `$local/$share/g/f`.
class SharedGroup final : public RefCounted<SharedGroup> {
public:
    /// `prefix` is what stands in front of the node's filter, as "$share/g/".
    SharedGroup(RouteNode& node, std::string_view prefix, ShareStrategy strategy);

    /// Chooses the member for a message, or nobody when there is none but `exclude`. A member that
    /// is offline is chosen only when all are. Depends on nothing but the calls made, the members
    /// and `random`. Costs up to `scan_max` looks at members while some are online. Any thread.
    ///
    /// `exclude` is for handing on what a member has not acknowledged when it goes.
    std::optional<RouteTarget> pick(const Message& message, Random& random,
                                    std::optional<SessionRef> exclude = std::nullopt);

    /// The member to ask after `member` could not take a message: each in its turn, those online
    /// first. `round` counts from 1; nobody once every member had its chance. Any thread.
    std::optional<RouteTarget> pick_after(SessionRef member, std::uint32_t round) const;

    /// Whether a member other than `exclude` is online. Any thread.
    bool has_online_member(SessionRef exclude) const;

    std::string_view prefix() const { return std::string_view{text_}.substr(0, prefix_bytes_); }
    /// The whole filter, with its prefix. Any thread.
    std::string_view text() const { return text_; }
    /// Its members at this moment. Any thread.
    std::vector<RouteTarget> members() const;
    /// Members at this moment. Any thread.
    std::size_t size() const;

    // The rest is for Router, called under its writer's lock.

    struct Member {
        SessionRef session;
        SubscriptionOptions options;
        std::uint32_t position = 0;  // of its handle in the session's SubscriptionList
        SessionLoadPtr load;         // may be null: then it counts as online and idle
    };

    /// Adds a member that is not there yet.
    void add(Member member);
    /// Gives a member other options.
    void update(SessionRef session, SubscriptionOptions options, SessionLoadPtr load);
    void remove(SessionRef session);
    void set_position(SessionRef session, std::uint32_t position);
    /// The session's entry or null; valid until the next change.
    const Member* find(SessionRef session) const;
    RouteNode& node() const { return node_; }

private:
    /// Groups above this size are looked at in part by least_inflight and random.
    static constexpr std::size_t scan_max = 256;

    using Choice = std::optional<std::size_t>;
    struct Wanted {
        std::optional<SessionRef> exclude;
        bool online = true;  // only members that are online
    };

    static bool fits(const Member& member, const Wanted& wanted);
    std::size_t index_of(SessionRef session) const;
    Choice choose(const Message& message, Random& random, const Wanted& wanted);
    Choice first_from(std::size_t start, const Wanted& wanted) const;
    Choice choose_random(Random& random, const Wanted& wanted) const;
    Choice choose_sticky(Random& random, const Wanted& wanted);
    Choice choose_least_inflight(const Wanted& wanted) const;

    RouteNode& node_;
    const std::string text_;
    const std::size_t prefix_bytes_;
    const ShareStrategy strategy_;

    mutable std::mutex mutex_;
    std::vector<Member> members_;
    std::unordered_map<std::uint64_t, std::uint32_t> places_;  // session key -> index in members_
    std::uint32_t cursor_ = 0;                                 // whose turn it is
    std::optional<SessionRef> sticky_;
};

using SharedGroupPtr = IntrusivePtr<SharedGroup>;

}  // namespace gw
