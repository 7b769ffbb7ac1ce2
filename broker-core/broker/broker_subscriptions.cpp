// Subscriptions and the retained messages that they bring.
#include "broker-core/broker/broker.hpp"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

namespace gw {

namespace {

/// What the broker has made of filters: longer than a client may write them.
constexpr TopicLimits in_force_limits{.bytes_max = 200000, .levels_max = 65536};

/// `filter` with another text behind `$share/<group>/` and the like. Nothing: that is no filter, or
/// a topic of MQTT has no room for it.
std::optional<TopicFilter> with_text(const TopicFilter& filter, std::string_view text,
                                     std::size_t bytes_max) {
    auto other = parse_topic_filter(filter.text.substr(0, filter.filter_offset) + std::string{text},
                                    {.bytes_max = bytes_max, .levels_max = 65535});
    return other ? std::optional{std::move(*other)} : std::nullopt;
}

/// The same options with another QoS.
SubscriptionOptions at_qos(SubscriptionOptions options, Qos qos) {
    if (options.is_private()) {
        return SubscriptionOptions::with_private_identifier(options.identifier, qos);
    }
    options.qos = static_cast<std::uint32_t>(qos) & 3U;
    return options;
}

}  // namespace

// --------------------------------------------------------- what clients write, what is in force

/// From what the client wrote to what is to be in force: rewriting, mount point, filters. Without
/// any effect.
SubscribeAnswer Broker::resolve_filter(const ClientIdentity& client, AskedFilter& asked) const {
    std::optional<std::string> text;
    if (hooks_->wants(HookPoint::rewrite_subscribe)) [[unlikely]] {
        rewrite_text(client, HookPoint::rewrite_subscribe, asked.text, text);
        asked.is_rewritten = text && *text != asked.text;
    }
    if (const std::string_view mountpoint = client.mountpoint.view(); text || !mountpoint.empty()) {
        asked.changed = mountpoint;
        asked.changed += text ? std::string_view{*text} : asked.text;
        asked.text = asked.changed;
    }
    return hooks_->wants(HookPoint::filter_subscribe) ? filter_subscribe(client, asked)
                                                      : SubscribeAnswer{};
}

SubscribeAnswer Broker::filter_subscribe(const ClientIdentity& client, AskedFilter& asked) const {
    SubscribeDraft draft{std::string{asked.text}, asked.qos};
    SubscribeAnswer answer;
    hooks_->ask(HookPoint::filter_subscribe, [&](MessageFilter& filter) {
        const FilterAnswer said = filter.on_subscribe(client, draft);
        if (said.kind == FilterAnswer::Kind::pending) {
            answer.is_pending = true;
        } else if (said.kind != FilterAnswer::Kind::pass) {
            answer.reason = said.error();
        }
        return said.kind == FilterAnswer::Kind::pass;
    });
    if (draft.filter != asked.text) {
        asked.is_rewritten = true;
        asked.changed = std::move(draft.filter);
        asked.text = asked.changed;
    }
    asked.qos = std::min(asked.qos, draft.qos);
    return answer;
}

/// The filter in force for one that the client wrote; `scratch` holds it where it is another. Null:
/// there cannot be one.
const TopicFilter* Broker::filter_in_force(const Session& session, const TopicFilter& filter,
                                           std::optional<TopicFilter>& scratch) const {
    if (const auto of_session = rewritten_.find(&session); of_session != rewritten_.end()) {
        if (const auto found = of_session->second.find(filter.text);
            found != of_session->second.end()) {
            auto parsed = parse_topic_filter(found->second, in_force_limits);
            GW_ASSERT(parsed.has_value());  // it was, when it was subscribed
            scratch = std::move(*parsed);
            return &*scratch;
        }
    }
    const std::string_view mountpoint = session.identity->mountpoint.view();
    if (mountpoint.empty()) {
        return &filter;
    }
    scratch = with_text(filter, std::string{mountpoint} + std::string{filter.filter()},
                        65535 + mountpoint.size());
    return scratch ? &*scratch : nullptr;
}

/// What the client wrote for a filter in force.
std::string Broker::written_filter(const Session& session, const std::string& text) const {
    if (const auto of_session = rewritten_.find(&session); of_session != rewritten_.end()) {
        for (const auto& [written, in_force] : of_session->second) {
            if (in_force == text) {
                return written;
            }
        }
    }
    if (session.identity->mountpoint.view().empty()) {
        return text;
    }
    const auto filter = parse_topic_filter(text, in_force_limits);
    if (!filter) {
        return text;
    }
    return text.substr(0, filter->filter_offset) +
           std::string{session.identity->own_topic(filter->filter())};
}

/// Keeps what the client wrote where rules have made another filter of it. What they made of the
/// same before is not subscribed to any more.
void Broker::note_written(Session& session, const TopicFilter& written, const TopicFilter& in_force,
                          bool is_rewritten) {
    std::optional<TopicFilter> scratch;
    const TopicFilter* const before = filter_in_force(session, written, scratch);
    if (before != nullptr && before->text != in_force.text) {
        forget_written(session, written);
        remove_in_force(session, *before);
    }
    if (is_rewritten) {
        rewritten_[&session].insert_or_assign(written.text, in_force.text);
    } else {
        forget_written(session, written);
    }
}

void Broker::forget_written(Session& session, const TopicFilter& written) {
    if (const auto of_session = rewritten_.find(&session); of_session != rewritten_.end()) {
        of_session->second.erase(written.text);
        if (of_session->second.empty()) {
            rewritten_.erase(of_session);
        }
    }
}

/// A filter in force has ended: nothing that the client wrote stands for it any more.
void Broker::forget_in_force(Session& session, const std::string& text) {
    const auto of_session = rewritten_.find(&session);
    if (of_session == rewritten_.end()) {
        return;
    }
    std::erase_if(of_session->second, [&text](const auto& one) { return one.second == text; });
    if (of_session->second.empty()) {
        rewritten_.erase(of_session);
    }
    keep_state(session);
}

/// Unless something else that the client wrote has become the same filter.
ReasonCode Broker::remove_in_force(Session& session, const TopicFilter& filter) {
    const auto of_session = rewritten_.find(&session);
    const bool is_needed =
        of_session != rewritten_.end() &&
        std::any_of(of_session->second.begin(), of_session->second.end(),
                    [&filter](const auto& one) { return one.second == filter.text; });
    return is_needed ? ReasonCode::success : remove_subscription(session, filter);
}

// -------------------------------------------------------------------------- for adapters

SubscribeAnswer Broker::subscribe(Session& session, const SubscribeRequest& request) {
    AskedFilter asked{.text = request.filter.filter(), .qos = request.options.max_qos()};
    SubscribeAnswer answer = judge_subscribe(*session.identity, asked);
    if (answer.is_pending || is_error(answer.reason)) {
        return answer;
    }
    std::optional<TopicFilter> changed;
    if (asked.text.data() == asked.changed.data()) {
        changed = with_text(request.filter, asked.text,
                            65535 + session.identity->mountpoint.view().size());
        if (!changed) {
            return {.reason = ReasonCode::topic_filter_invalid};
        }
    }
    const TopicFilter& filter = changed ? *changed : request.filter;
    SubscribeRequest wanted = request;
    if (asked.qos != request.options.max_qos()) {
        wanted.options = at_qos(request.options, asked.qos);
    }
    answer.reason = add_subscription(session, wanted, filter, answer.is_new);
    if (!is_error(answer.reason) && (asked.is_rewritten || rewritten_.contains(&session))) {
        note_written(session, request.filter, filter, asked.is_rewritten);
        keep_state(session);
    }
    return answer;
}

/// Leaves in `asked` what is to be in force.
SubscribeAnswer Broker::judge_subscribe(const ClientIdentity& client, AskedFilter& asked) {
    SubscribeAnswer answer = resolve_filter(client, asked);
    if (answer.is_pending || is_error(answer.reason)) {
        return answer;
    }
    switch (authorize(client, {.client = client,
                               .action = AccessAction::subscribe,
                               .topic = asked.text,
                               .qos = asked.qos,
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
    AskedFilter asked{.text = filter, .qos = qos};
    return judge_subscribe(*session.identity, asked);
}

std::optional<SubscriptionOptions> Broker::find_subscription(const Session& session,
                                                             const TopicFilter& filter) const {
    std::optional<TopicFilter> scratch;
    const TopicFilter* const known = filter_in_force(session, filter, scratch);
    return known != nullptr ? shared_.router.find_subscription(session.ref(), *known)
                            : std::nullopt;
}

bool Broker::is_for(const Session& session, std::string_view filter, std::size_t filter_offset,
                    std::string_view topic) const {
    if (!rewritten_.contains(&session)) [[likely]] {
        return filter_matches(filter.substr(filter_offset), topic);
    }
    const auto written = parse_topic_filter(filter, in_force_limits);
    std::optional<TopicFilter> scratch;
    const TopicFilter* const known =
        written ? filter_in_force(session, *written, scratch) : nullptr;
    return known != nullptr && filter_matches(session.identity->own_topic(known->filter()), topic);
}

std::size_t Broker::list_filters(const Session& session, std::size_t first, std::size_t count,
                                 std::vector<std::string>& out) const {
    std::vector<SubscriptionInfo> page;
    shared_.router.list_subscriptions(session.subscriptions, session.ref(), first, count, page);
    for (const SubscriptionInfo& one : page) {
        out.push_back(written_filter(session, one.filter));
    }
    return page.size();
}

ReasonCode Broker::unsubscribe(Session& session, const TopicFilter& filter) {
    std::optional<TopicFilter> scratch;
    const TopicFilter* const known = filter_in_force(session, filter, scratch);
    if (known == nullptr) {
        return ReasonCode::no_subscription_existed;
    }
    if (rewritten_.contains(&session)) [[unlikely]] {
        forget_written(session, filter);
        keep_state(session);
    }
    return remove_in_force(session, *known);
}

/// A filter in force that the client has lost its right to.
void Broker::end_subscription(Session& session, const TopicFilter& filter) {
    const std::string written = written_filter(session, filter.text);
    forget_in_force(session, filter.text);
    remove_subscription(session, filter);
    if (session.link != nullptr) {
        session.link->on_subscription_lost(written);
    }
}

// ------------------------------------------------------------------------------- in force

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
    const bool brings = begin_replay(session, request, filter, is_new);
    const auto passing = passing_.find(&session);
    const bool was_passing = passing != passing_.end() && passing->second.contains(filter.text);
    if (is_stored(session) && !request.is_passing &&
        (!is_stored_already || was_passing || brings)) {
        storage_.put_subscription(session.store_id, filter.text,
                                  stored_options(session, filter, request.options));
    } else if (is_stored(session) && request.is_passing && !was_passing &&
               outcome == SubscribeOutcome::replaced) {
        storage_.remove_subscription(session.store_id, filter.text);
    }
    note_passing(session, filter, request.is_passing);
    tell(HookPoint::session_subscribed,
         [&](Observer& one) { one.on_session_subscribed(*session.identity, filter.text); });
    return static_cast<ReasonCode>(request.options.max_qos());
}

// ----------------------------------------------------------------------- retained messages to come

/// False: the subscription brings none.
bool Broker::begin_replay(Session& session, const SubscribeRequest& request,
                          const TopicFilter& filter, bool is_new) {
    using Retained = SubscribeRequest::Retained;
    const bool is_asked =
        request.retained == Retained::send || (request.retained == Retained::send_if_new && is_new);
    // No retained messages for shared subscriptions (MQTT 5.0, 4.8.2).
    if (!is_asked || filter.kind == FilterKind::shared || !options_.retain_available) {
        return false;
    }
    RetainedCursor cursor;
    std::vector<MessagePtr> first;
    if (!shared_.retained.next(filter.filter(), cursor, 1, now_.monotonic, first) &&
        first.empty()) {
        return false;
    }
    if (!session.replays) {
        session.replays = std::make_unique<Ring<RetainedReplay>>();
    }
    RetainedReplay replay;
    replay.filter = std::string{filter.filter()};
    replay.options = request.options;
    replay.is_passing = request.is_passing;
    session.replays->push_back(std::move(replay));
    return true;
}

/// Whether SUBACK has promised what it brings, also over a restart.
bool Broker::is_kept(const Session& session, const RetainedReplay& replay) const {
    return is_stored(session) && !replay.is_passing &&
           (replay.options.max_qos() != Qos::at_most_once || options_.upgrade_qos);
}

std::uint64_t Broker::stored_options(const Session& session, const TopicFilter& filter,
                                     SubscriptionOptions options) const {
    std::uint64_t stored = std::bit_cast<std::uint32_t>(options);
    for (std::size_t i = 0; session.replays && i < session.replays->size(); ++i) {
        const RetainedReplay& replay = (*session.replays)[i];
        if (replay.filter == filter.text && is_kept(session, replay)) {
            stored |= brings_retained;
        }
    }
    return stored;
}

/// The first subscription that brings retained messages has brought them all.
void Broker::end_replay(Session& session) {
    const RetainedReplay over = session.replays->pop_front();
    const bool was_kept = is_kept(session, over);
    if (session.replays->empty()) {
        session.replays.reset();
    }
    if (!was_kept) {
        return;
    }
    const auto filter = parse_topic_filter(over.filter, {.bytes_max = 200000, .levels_max = 65536});
    const auto options =
        filter ? shared_.router.find_subscription(session.ref(), *filter) : std::nullopt;
    if (options) {
        storage_.put_subscription(session.store_id, filter->text,
                                  stored_options(session, *filter, *options));
    }
    if (over.is_given_stored) {
        keep_state(session);
    }
}

ReasonCode Broker::remove_subscription(Session& session, const TopicFilter& filter) {
    if (!shared_.router.unsubscribe(session.subscriptions, session.ref(), filter)) {
        return ReasonCode::no_subscription_existed;
    }
    if (session.replays) {
        // What is retained for a filter that is gone is not sent any more.
        Ring<RetainedReplay> others;
        bool is_to_forget = false;
        while (!session.replays->empty()) {
            RetainedReplay replay = session.replays->pop_front();
            if (replay.filter != filter.filter()) {
                others.push_back(std::move(replay));
            } else {
                is_to_forget = is_to_forget || replay.is_given_stored;
            }
        }
        *session.replays = std::move(others);
        if (session.replays->empty()) {
            session.replays.reset();
        }
        if (is_to_forget) {
            keep_state(session);
        }
    }
    note_passing(session, filter, false);
    if (is_stored(session)) {
        storage_.remove_subscription(session.store_id, filter.text);
    }
    tell(HookPoint::session_unsubscribed,
         [&](Observer& one) { one.on_session_unsubscribed(*session.identity, filter.text); });
    return ReasonCode::success;
}

bool Broker::is_subscribed(const Session& session, std::string_view topic) {
    const MatchPtr match = shared_.router.match(worker_, topic);
    const auto targets = match->targets(worker_);
    return std::any_of(targets.begin(), targets.end(), [&session](const RouteTarget& target) {
        return target.session == session.ref();
    });
}

bool Broker::is_wanted(const Session& session, std::string_view topic) {
    if (is_subscribed(session, topic)) {
        return true;
    }
    if (!session.load) {
        return false;  // it is in no group
    }
    constexpr std::size_t page_count = 100;
    std::vector<SubscriptionInfo> page;
    for (std::size_t first = 0;; first += page_count) {
        page.clear();
        shared_.router.list_subscriptions(session.subscriptions, session.ref(), first, page_count,
                                          page);
        for (const SubscriptionInfo& one : page) {
            const auto filter = parse_topic_filter(one.filter, in_force_limits);
            if (filter && filter->kind == FilterKind::shared &&
                filter_matches(filter->filter(), topic)) {
                return true;
            }
        }
        if (page.size() < page_count) {
            return false;
        }
    }
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
            forget_in_force(session, text);
            remove_subscription(session, filter);
        }
    }
}

}  // namespace gw
