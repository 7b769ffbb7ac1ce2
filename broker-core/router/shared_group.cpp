#include "broker-core/router/shared_group.hpp"

#include "broker-core/base/assert.hpp"
#include "broker-core/base/hash.hpp"
#include "broker-core/router/route_node.hpp"

#include <algorithm>
#include <utility>

namespace gw {

namespace {

// Any fixed number: the choice must be the same on each start, and a client that seeks out one
// member by its own name gains nothing.
constexpr std::uint64_t choice_salt = 0x2545f4914f6cdd1dULL;

bool is_online(const SharedGroup::Member& member) {
    return !member.load || member.load->online.load(std::memory_order_relaxed);
}

std::uint32_t load_of(const SharedGroup::Member& member) {
    return member.load ? member.load->inflight_count.load(std::memory_order_relaxed) : 0;
}

}  // namespace

SharedGroup::SharedGroup(RouteNode& node, std::string_view prefix, ShareStrategy strategy)
    : node_(node),
      text_(std::string{prefix} + std::string{node.filter()}),
      prefix_bytes_(prefix.size()),
      strategy_(strategy) {}

std::vector<RouteTarget> SharedGroup::members() const {
    const std::lock_guard lock{mutex_};
    std::vector<RouteTarget> all;
    for (const Member& member : members_) {
        all.push_back({member.session, member.options});
    }
    return all;
}

std::optional<RouteTarget> SharedGroup::pick(const Message& message, Random& random,
                                             std::optional<SessionRef> exclude) {
    const std::lock_guard lock{mutex_};
    if (members_.empty()) {
        return std::nullopt;
    }
    Choice choice = choose(message, random, {.exclude = exclude, .online = true});
    if (!choice) {
        choice = choose(message, random, {.exclude = exclude, .online = false});
    }
    if (!choice) {
        return std::nullopt;
    }
    cursor_ = static_cast<std::uint32_t>(*choice + 1);
    const Member& member = members_[*choice];
    return RouteTarget{.session = member.session, .options = member.options};
}

std::optional<RouteTarget> SharedGroup::pick_after(SessionRef member, std::uint32_t round) const {
    const std::lock_guard lock{mutex_};
    if (round >= 2 * members_.size()) {
        return std::nullopt;
    }
    const auto place = places_.find(member.key());
    const std::size_t start = place != places_.end() ? place->second + 1 : 0;
    // The first time round those that are online; then all, since it is not known who was asked.
    Choice choice = first_from(start, {.exclude = member, .online = round < members_.size()});
    if (!choice) {
        choice = first_from(start, {.exclude = member, .online = false});
    }
    if (!choice) {
        return std::nullopt;
    }
    return RouteTarget{.session = members_[*choice].session, .options = members_[*choice].options};
}

SharedGroup::Choice SharedGroup::choose(const Message& message, Random& random,
                                        const Wanted& wanted) {
    switch (strategy_) {
        case ShareStrategy::random:
            return choose_random(random, wanted);
        case ShareStrategy::round_robin:
            return first_from(cursor_, wanted);
        case ShareStrategy::sticky:
            return choose_sticky(random, wanted);
        case ShareStrategy::hash_clientid: {
            const IdentityPtr& publisher = message.publisher();
            const std::string_view id = publisher ? publisher->client_id : std::string_view{};
            return first_from(stored_hash(id, choice_salt) % members_.size(), wanted);
        }
        case ShareStrategy::hash_topic:
            return first_from(stored_hash(message.topic(), choice_salt) % members_.size(), wanted);
        case ShareStrategy::least_inflight:
            return choose_least_inflight(wanted);
    }
    GW_UNREACHABLE();
}

bool SharedGroup::fits(const Member& member, const Wanted& wanted) {
    return member.session != wanted.exclude && (!wanted.online || is_online(member));
}

SharedGroup::Choice SharedGroup::first_from(std::size_t start, const Wanted& wanted) const {
    for (std::size_t step = 0; step < members_.size(); ++step) {
        const std::size_t index = (start + step) % members_.size();
        if (fits(members_[index], wanted)) {
            return index;
        }
    }
    return std::nullopt;
}

SharedGroup::Choice SharedGroup::choose_random(Random& random, const Wanted& wanted) const {
    const std::size_t start = random.below(members_.size());
    if (members_.size() > scan_max) {
        return first_from(start, wanted);
    }
    // Each that fits with the same chance: the first one behind `start` would get the share of
    // the offline ones before it.
    Choice choice;
    std::uint64_t fitting = 0;
    for (std::size_t index = 0; index < members_.size(); ++index) {
        if (fits(members_[index], wanted) && random.below(++fitting) == 0) {
            choice = index;
        }
    }
    return choice;
}

SharedGroup::Choice SharedGroup::choose_sticky(Random& random, const Wanted& wanted) {
    if (sticky_ && fits(members_[index_of(*sticky_)], wanted)) {
        return index_of(*sticky_);
    }
    const Choice choice = choose_random(random, wanted);
    if (choice && wanted.online) {  // an offline one must not keep it
        sticky_ = members_[*choice].session;
    }
    return choice;
}

SharedGroup::Choice SharedGroup::choose_least_inflight(const Wanted& wanted) const {
    Choice choice;
    for (std::size_t step = 0; step < members_.size(); ++step) {
        if (choice && step >= scan_max) {
            break;
        }
        const std::size_t index = (cursor_ + step) % members_.size();
        if (fits(members_[index], wanted) &&
            (!choice || load_of(members_[index]) < load_of(members_[*choice]))) {
            choice = index;
        }
    }
    return choice;
}

bool SharedGroup::has_online_member(SessionRef exclude) const {
    const std::lock_guard lock{mutex_};
    return std::any_of(members_.begin(), members_.end(), [exclude](const Member& member) {
        return fits(member, {.exclude = exclude, .online = true});
    });
}

std::size_t SharedGroup::size() const {
    const std::lock_guard lock{mutex_};
    return members_.size();
}

const SharedGroup::Member* SharedGroup::find(SessionRef session) const {
    // Members change only under the router's writer lock, which the caller holds.
    const auto place = places_.find(session.key());
    return place == places_.end() ? nullptr : &members_[place->second];
}

std::size_t SharedGroup::index_of(SessionRef session) const {
    const auto place = places_.find(session.key());
    GW_ASSERT(place != places_.end());
    return place->second;
}

void SharedGroup::add(Member member) {
    const std::lock_guard lock{mutex_};
    const auto index = static_cast<std::uint32_t>(members_.size());
    const bool is_new = places_.emplace(member.session.key(), index).second;
    GW_ASSERT(is_new);
    members_.push_back(std::move(member));
}

void SharedGroup::update(SessionRef session, SubscriptionOptions options, SessionLoadPtr load) {
    const std::lock_guard lock{mutex_};
    Member& member = members_[index_of(session)];
    member.options = options;
    member.load.swap(load);
}

void SharedGroup::remove(SessionRef session) {
    const std::lock_guard lock{mutex_};
    const std::size_t index = index_of(session);
    places_.erase(session.key());
    if (index + 1 != members_.size()) {
        members_[index] = std::move(members_.back());
        places_[members_[index].session.key()] = static_cast<std::uint32_t>(index);
    }
    members_.pop_back();
    if (sticky_ == session) {
        sticky_.reset();
    }
}

void SharedGroup::set_position(SessionRef session, std::uint32_t position) {
    const std::lock_guard lock{mutex_};
    members_[index_of(session)].position = position;
}

}  // namespace gw
