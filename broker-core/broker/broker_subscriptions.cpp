// Subscriptions and the retained messages that they bring.
#include "broker-core/broker/broker.hpp"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

namespace gw {

namespace {

/// The filter as the broker has it; `scratch` holds it where it is another. Null: it is too long.
const TopicFilter* mounted_filter(const ClientIdentity& client, const TopicFilter& filter,
                                  std::optional<TopicFilter>& scratch) {
    const std::string_view mountpoint = client.mountpoint.view();
    if (mountpoint.empty()) {
        return &filter;
    }
    std::string text = filter.text;
    text.insert(filter.filter_offset, mountpoint);
    auto mounted =
        parse_topic_filter(text, {.bytes_max = 65535 + mountpoint.size(), .levels_max = 65535});
    if (!mounted) {
        return nullptr;
    }
    scratch = std::move(*mounted);
    return &*scratch;
}

/// A filter of the broker as the client knows it.
std::string own_filter(const ClientIdentity& client, const std::string& text) {
    if (client.mountpoint.view().empty()) {
        return text;
    }
    const auto filter = parse_topic_filter(text, {.bytes_max = 200000, .levels_max = 65536});
    if (!filter) {
        return text;
    }
    return text.substr(0, filter->filter_offset) + std::string{client.own_topic(filter->filter())};
}

}  // namespace

SubscribeAnswer Broker::subscribe(Session& session, const SubscribeRequest& request) {
    std::optional<TopicFilter> scratch;
    const TopicFilter* const filter = mounted_filter(*session.identity, request.filter, scratch);
    if (filter == nullptr) {
        return {.reason = ReasonCode::topic_filter_invalid};
    }
    SubscribeAnswer answer =
        judge_subscribe(*session.identity, filter->filter(), request.options.max_qos());
    if (!answer.is_pending && !is_error(answer.reason)) {
        answer.reason = add_subscription(session, request, *filter, answer.is_new);
    }
    return answer;
}

SubscribeAnswer Broker::judge_subscribe(const ClientIdentity& client, std::string_view filter,
                                        Qos qos) {
    SubscribeAnswer answer;
    switch (authorize(client, {.client = client,
                               .action = AccessAction::subscribe,
                               .topic = filter,
                               .qos = qos,
                               .retain = false})) {
        case AccessDecision::allow:
            break;
        case AccessDecision::deny:
            answer.reason = ReasonCode::not_authorized;
            break;
        case AccessDecision::pending:
            answer.is_pending = true;
            break;
    }
    return answer;
}

SubscribeAnswer Broker::check_subscribe(const Session& session, std::string_view filter, Qos qos) {
    std::string scratch;
    return judge_subscribe(*session.identity, mounted(*session.identity, filter, scratch), qos);
}

std::optional<SubscriptionOptions> Broker::find_subscription(const Session& session,
                                                             const TopicFilter& filter) const {
    std::optional<TopicFilter> scratch;
    const TopicFilter* const known = mounted_filter(*session.identity, filter, scratch);
    return known != nullptr ? shared_.router.find_subscription(session.ref(), *known)
                            : std::nullopt;
}

std::size_t Broker::list_filters(const Session& session, std::size_t first, std::size_t count,
                                 std::vector<std::string>& out) const {
    std::vector<SubscriptionInfo> page;
    shared_.router.list_subscriptions(session.subscriptions, session.ref(), first, count, page);
    for (const SubscriptionInfo& one : page) {
        out.push_back(own_filter(*session.identity, one.filter));
    }
    return page.size();
}

ReasonCode Broker::unsubscribe(Session& session, const TopicFilter& filter) {
    std::optional<TopicFilter> scratch;
    const TopicFilter* const known = mounted_filter(*session.identity, filter, scratch);
    return known != nullptr ? remove_subscription(session, *known)
                            : ReasonCode::no_subscription_existed;
}

void Broker::end_subscription(Session& session, const TopicFilter& filter) {
    remove_subscription(session, filter);
    if (session.link != nullptr) {
        session.link->on_subscription_lost(own_filter(*session.identity, filter.text));
    }
}

/// `filter` as the broker has it.
ReasonCode Broker::add_subscription(Session& session, const SubscribeRequest& request,
                                    const TopicFilter& filter, bool& is_new) {
    if (filter.has_wildcard && !options_.wildcard_subscriptions) {
        return ReasonCode::wildcard_subscriptions_not_supported;
    }
    if (filter.kind == FilterKind::shared) {
        if (!options_.shared_subscriptions) {
            return ReasonCode::shared_subscriptions_not_supported;
        }
        if (!session.load) {
            session.load = SessionLoadPtr{new SessionLoad};
            session.load->online.store(session.link != nullptr, std::memory_order_relaxed);
            count_load(session);
        }
    }
    if (options_.subscriptions_max != 0 &&
        session.subscriptions.size() >= options_.subscriptions_max &&
        !shared_.router.find_subscription(session.ref(), filter)) {
        return ReasonCode::quota_exceeded;
    }
    if (session.replays && session.replays->size() > 2 * session.subscriptions.size() + 64) {
        // The same filters again and again without reading what is retained.
        return ReasonCode::quota_exceeded;
    }
    // Many clients subscribe again on each connection: what does not change is not written.
    const bool is_stored_already =
        is_stored(session) &&
        shared_.router.find_subscription(session.ref(), filter) == request.options;
    const SubscribeOutcome outcome = shared_.router.subscribe(
        session.subscriptions, session.ref(), filter, request.options,
        filter.kind == FilterKind::shared ? session.load : SessionLoadPtr{});
    is_new = outcome == SubscribeOutcome::created;
    const auto passing = passing_.find(&session);
    const bool was_passing = passing != passing_.end() && passing->second.contains(filter.text);
    if (is_stored(session) && !request.is_passing && (!is_stored_already || was_passing)) {
        storage_.put_subscription(session.store_id, filter.text,
                                  std::bit_cast<std::uint32_t>(request.options));
    } else if (is_stored(session) && request.is_passing && !was_passing &&
               outcome == SubscribeOutcome::replaced) {
        storage_.remove_subscription(session.store_id, filter.text);
    }
    note_passing(session, filter, request.is_passing);
    for (const auto& hook : shared_.hooks) {
        hook->on_session_subscribed(*session.identity, filter.text);
    }
    using Retained = SubscribeRequest::Retained;
    const bool due =
        request.retained == Retained::send ||
        (request.retained == Retained::send_if_new && outcome == SubscribeOutcome::created);
    // No retained messages for shared subscriptions (MQTT 5.0, 4.8.2).
    if (due && filter.kind != FilterKind::shared && options_.retain_available &&
        shared_.retained.count() != 0) {
        if (!session.replays) {
            session.replays = std::make_unique<Ring<RetainedReplay>>();
        }
        RetainedReplay replay;
        replay.filter = std::string{filter.filter()};
        replay.options = request.options;
        session.replays->push_back(std::move(replay));
    }
    return static_cast<ReasonCode>(request.options.max_qos());
}

ReasonCode Broker::remove_subscription(Session& session, const TopicFilter& filter) {
    if (!shared_.router.unsubscribe(session.subscriptions, session.ref(), filter)) {
        return ReasonCode::no_subscription_existed;
    }
    if (session.replays) {
        // What is retained for a filter that is gone is not sent any more.
        Ring<RetainedReplay> others;
        while (!session.replays->empty()) {
            RetainedReplay replay = session.replays->pop_front();
            if (replay.filter != filter.filter()) {
                others.push_back(std::move(replay));
            }
        }
        *session.replays = std::move(others);
        if (session.replays->empty()) {
            session.replays.reset();
        }
    }
    note_passing(session, filter, false);
    if (is_stored(session)) {
        storage_.remove_subscription(session.store_id, filter.text);
    }
    for (const auto& hook : shared_.hooks) {
        hook->on_session_unsubscribed(*session.identity, filter.text);
    }
    return ReasonCode::success;
}

bool Broker::is_subscribed(const Session& session, std::string_view topic) {
    const MatchPtr match = shared_.router.match(worker_, topic);
    const auto targets = match->targets(worker_);
    return std::any_of(targets.begin(), targets.end(), [&session](const RouteTarget& target) {
        return target.session == session.ref();
    });
}

void Broker::note_passing(Session& session, const TopicFilter& filter, bool is_passing) {
    if (is_passing) {
        passing_[&session].insert_or_assign(filter.text, filter);
    } else if (const auto found = passing_.find(&session); found != passing_.end()) {
        found->second.erase(filter.text);
    }
}

std::size_t Broker::passing_subscription_count(const Session& session) const {
    const auto found = passing_.find(&session);
    return found == passing_.end() ? 0 : found->second.size();
}

void Broker::end_passing_subscriptions(Session& session) {
    if (const auto ended = passing_.extract(&session)) {
        for (const auto& [text, filter] : ended.mapped()) {
            remove_subscription(session, filter);
        }
    }
}

}  // namespace gw
