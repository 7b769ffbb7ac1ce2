#include "broker-core/broker/core_restorer.hpp"

#include "broker-core/base/hash.hpp"
#include "broker-core/storage/log_storage.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <optional>
#include <utility>

namespace gw {

namespace {

/// Which sessions a message was held for, as Broker::worker_text() says it.
struct HeldFor {
    std::uint64_t worker = 0;
    std::uint64_t worker_count = 0;
    std::uint64_t hash_key = 0;
    bool is_of_first_version = false;  // 0.1.0 spread clients by what is stored_hash() now

    static std::optional<HeldFor> parse(std::string_view text) {
        HeldFor found;
        if (!text.starts_with('\1') && !text.starts_with('\2')) {
            return std::nullopt;
        }
        found.is_of_first_version = text.starts_with('\1');
        const char* at = text.data();
        const char* const end = text.data() + text.size();
        for (std::uint64_t* number : {&found.worker, &found.worker_count, &found.hash_key}) {
            if (at == end) {
                return std::nullopt;
            }
            const auto [next, error] = std::from_chars(at + 1, end, *number);
            if (error != std::errc{}) {
                return std::nullopt;
            }
            at = next;
        }
        return found.worker_count != 0 ? std::optional{found} : std::nullopt;
    }
    bool operator()(std::string_view client_id) const {
        const std::uint64_t partition =
            is_of_first_version ? stored_hash(client_id, hash_key) % BrokerShared::partition_count
                                : BrokerShared::partition_of(client_id, hash_key);
        return partition % worker_count == worker;
    }
};

/// The one that has come furthest is the first.
void add_replay(StoredSession& session, const std::string& filter, SubscriptionOptions options) {
    RetainedReplay replay;
    replay.filter = filter;
    replay.options = options;
    replay.is_restored = true;
    const std::optional<StoredReplay>& first = session.state.replay;
    replay.is_given_stored = first && first->filter == filter;
    if (replay.is_given_stored) {
        replay.cursor = replay.given = first->given;
    }
    session.replays.insert(replay.is_given_stored ? session.replays.begin() : session.replays.end(),
                           std::move(replay));
}

}  // namespace

CoreRestorer::CoreRestorer(std::span<Broker* const> brokers, BrokerShared& shared, Log& log,
                           Now now)
    : brokers_(brokers), shared_(shared), log_(log), now_(now) {
    for (Broker* const broker : brokers_) {
        broker->set_now(now_);
    }
}

void CoreRestorer::on_session(RestoredSession& stored) {
    if (!stored.client_id.empty() && stored.client_id.front() == '\0') {
        held_.push_back(std::move(stored));
        return;
    }
    auto state = decode_session_state(as_bytes(stored.state));
    if (!state) {
        // An unreadable session must not lock its client out, nor stop the others.
        log_.error("store.session_unreadable",
                   {{"client_id", stored.client_id}, {"error", state.error().text()}});
        return;
    }
    StoredSession session;
    session.store_id = stored.sid;
    session.client_id = stored.client_id;
    session.state = std::move(*state);
    session.state.last_sequence = std::max(session.state.last_sequence, stored.next_sequence - 1);
    for (const RestoredSubscription& subscription : stored.subscriptions) {
        auto filter = parse_topic_filter(subscription.filter, {.levels_max = 65535});
        if (filter) {
            const auto options = std::bit_cast<SubscriptionOptions>(
                static_cast<std::uint32_t>(subscription.options));
            if ((static_cast<std::uint64_t>(subscription.options) & brings_retained) != 0) {
                add_replay(session, filter->text, options);
            }
            session.subscriptions.emplace_back(std::move(*filter), options);
        }
    }
    add_deliveries(stored, session);
    session.released = std::move(stored.released);
    session.unreleased = std::move(stored.inbound);
    brokers_[shared_.worker_of(session.client_id)]->restore_session(std::move(session));
}

void CoreRestorer::on_retained(std::string_view topic, const MessageRecord& record) {
    MessageRecord message = record;
    message.topic = topic;
    shared_.retained.set(message_of(message, shared_.protocols, now_));
}

void CoreRestorer::finish(const Fetch& fetch) {
    for (Broker* const broker : brokers_) {
        broker->finish_restore();
    }
    for (const RestoredSession& held : held_) {
        std::vector<std::uint64_t> ids;
        for (const RestoredDelivery& delivery : held.deliveries) {
            ids.push_back(delivery.message);
        }
        const std::vector<LoadedMessage> bodies = fetch(std::move(ids));
        auto extra = held.extras.begin();
        for (std::size_t i = 0; i < bodies.size(); ++i) {
            const std::string_view group =
                held.deliveries[i].has_extra ? std::string_view{(extra++)->group} : "";
            if (bodies[i].state == LoadedMessage::State::loaded) {
                resume_publish(bodies[i], group);
            }
        }
        brokers_.front()->forget_stored_session(held.sid);
    }
    // Deliveries to the store before what held them so far is let go.
    for (auto broker = brokers_.rbegin(); !held_.empty() && broker != brokers_.rend(); ++broker) {
        (*broker)->flush();
    }
}

void CoreRestorer::resume_publish(const LoadedMessage& body, std::string_view whom) {
    const MessagePtr message = message_of(body.record, shared_.protocols, now_);
    message->claim_store_id(body.id);
    if (const auto workers = HeldFor::parse(whom)) {
        const MatchPtr match = shared_.router.match(0, message->topic());
        for (Broker* const broker : brokers_) {
            broker->resume_publish(message, *match, *workers);
        }
        return;
    }
    const auto filter = parse_topic_filter(whom, {.levels_max = 65535});
    const SharedGroupPtr group = filter ? shared_.router.find_group(*filter) : SharedGroupPtr{};
    if (!group) {
        return;  // has no members any more
    }
    for (const RouteTarget& member : group->members()) {
        if (brokers_[member.session.worker()]->owes_message(member.session, body.id)) {
            return;
        }
    }
    if (const auto target = group->pick(*message, brokers_.front()->random())) {
        brokers_[target->session.worker()]->resume_shared(message, group, *target);
    }
}

void CoreRestorer::add_deliveries(RestoredSession& stored, StoredSession& session) {
    constexpr std::uint32_t usual_footprint = 200;  // not known without the body
    std::size_t extra = 0;
    session.deliveries.reserve(stored.deliveries.size());
    for (const RestoredDelivery& restored : stored.deliveries) {
        Delivery delivery;
        delivery.sequence = restored.sequence;
        delivery.message_id = restored.message;
        delivery.identifier = restored.identifier;
        delivery.footprint = usual_footprint;
        delivery.qos = restored.qos;
        delivery.retain = restored.retain;
        while (extra < stored.extras.size() && stored.extras[extra].sequence < restored.sequence) {
            ++extra;
        }
        if (restored.has_extra && extra < stored.extras.size() &&
            stored.extras[extra].sequence == restored.sequence) {
            RestoredExtra& more = stored.extras[extra];
            if (more.identifiers.size() > 1) {
                delivery.extra = std::make_unique<DeliveryExtra>();
                delivery.extra->identifiers = std::move(more.identifiers);
            }
            if (!more.group.empty()) {
                session.groups.emplace_back(restored.sequence, std::move(more.group));
            }
        }
        session.deliveries.push_back(std::move(delivery));
    }
}

}  // namespace gw
