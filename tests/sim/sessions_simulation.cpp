#include "tests/sim/sessions_simulation.hpp"

#include "broker-core/topic/topic.hpp"

#include <algorithm>

namespace gw::test {

// ------------------------------------------------------------------------------------ witness

void SimWitness::on_client_connected(const ClientIdentity& client, bool /*session_present*/) {
    if (!online_.insert(client.client_id).second) {
        failures_.push_back("two live connections of " + client.client_id);
    }
}

void SimWitness::on_client_disconnected(const ClientIdentity& client, ReasonCode reason) {
    takeover_count += reason == ReasonCode::session_taken_over ? 1 : 0;
    if (online_.erase(client.client_id) == 0) {
        failures_.push_back("a connection ended twice: " + client.client_id);
    }
}

void SimWitness::on_message_published(const Message& message) {
    const std::string topic{message.topic()};
    if (message.retain()) {
        if (message.payload().empty()) {
            retained.erase(topic);
        } else {
            retained[topic] = std::string{as_text(message.payload())};
        }
    }
    if (topic.starts_with("s/") && message.qos() != Qos::at_most_once) {
        ++group_routed[std::string{as_text(message.payload())}];
    }
}

void SimWitness::on_message_acked(const ClientIdentity& receiver, const Message& message) {
    const std::string payload{as_text(message.payload())};
    if (message.topic().starts_with("s/") && ++group_acks[payload] > group_routed[payload] &&
        !may_restart) {
        failures_.push_back("two members acknowledged " + std::string{as_text(message.payload())} +
                            ", the second is " + receiver.client_id);
    }
}

// -------------------------------------------------------------------------------------- world

SimOptions SessionsSimulation::make_options(std::uint64_t seed, Trouble trouble) {
    Random random{seed * 77};
    const auto up_to = [&random](std::uint64_t max) {
        return Milliseconds{random.below(max + 1)};
    };
    SimOptions options;
    options.seed = seed;
    options.worker_count = 1U << random.below(3);
    if (std::getenv("ONEW") != nullptr)
        options.worker_count = 1;
    options.network_delay_max = up_to(40);
    options.exchange_delay_max = up_to(10);
    options.storage_delay_max = random.below(2) == 0 ? Milliseconds{0} : up_to(60);
    if (trouble == Trouble::crashes) {
        options.storage_delay_max = Milliseconds{1} + up_to(60);
    }
    options.loss_notice_max = up_to(500);
    options.splits_bytes = random.below(2) == 0;
    options.share_strategy = static_cast<ShareStrategy>(random.below(6));
    options.broker.inflight_max = static_cast<std::uint16_t>(1 + random.below(20));
    options.broker.presence_events = random.below(2) == 0;
    if (trouble == Trouble::tight) {
        options.broker.queue_limits.count_max = static_cast<std::uint32_t>(1 + random.below(12));
        options.broker.queue_limits.bytes_max = 200 + random.below(2000);
        options.broker.queue_limits.drop = static_cast<DropPolicy>(random.below(3));
        options.machine.unsent_bytes_max = 1 + random.below(500);
    }
    return options;
}

SessionsSimulation::SessionsSimulation(std::uint64_t seed, Trouble trouble)
    : trouble_(trouble),
      is_tight_(trouble == Trouble::tight),
      world_(make_options(seed, trouble)),
      witness_(std::make_shared<SimWitness>(failures_)) {
    witness_->may_restart = trouble == Trouble::crashes;
    world_.add_observer(witness_);
    world_.on_turn_end = [this](std::uint32_t worker) {
        check_bounds(worker);
    };
}

std::vector<std::string> SessionsSimulation::run() {
    make_clients();
    subscribe_all();
    for (int step = 0; step < 150; ++step) {
        disturb();
        world_.run_for(Milliseconds{world_.random().below(40)});
    }
    quiet();
    for (const Member& member : members_) {
        check_arrivals(member);
        if (!is_tight_) {
            check_deliveries(member);
        }
    }
    check_group();
    check_retained();
    takeover_count = witness_->takeover_count;
    dropped_count = world_.sum([](const Metrics& m) {
        return m.messages_dropped_by_reason[static_cast<std::size_t>(DropReason::queue_full)]
            .value();
    });
    return failures_;
}

void SessionsSimulation::make_clients() {
    constexpr mqtt::Version versions[] = {mqtt::Version::v3_1, mqtt::Version::v3_1_1,
                                          mqtt::Version::v5, mqtt::Version::v5};
    Random& random = world_.random();
    const std::size_t count = 4 + random.below(8);
    for (std::size_t i = 0; i < count; ++i) {
        SimClientOptions options;
        options.client_id = "c" + std::to_string(i);
        options.version = versions[random.below(4)];
        options.receive_maximum = static_cast<std::uint16_t>(1 + random.below(20));
        options.unacknowledged_max = 1 + random.below(10);
        options.keep_alive = random.below(3) == 0 ? 60 : 0;
        Member member;
        member.is_persistent = random.below(4) != 0;
        if (!member.is_persistent) {
            options.clean_start = true;
            options.session_expiry = 0;
        }
        const auto any_qos = [&random] {
            return static_cast<Qos>(random.below(3));
        };
        if (random.below(3) == 0 && member.is_persistent) {
            member.group = static_cast<Qos>(1 + random.below(2));
        } else {
            static constexpr std::string_view filters[] = {"t/#", "t/1", "t/+", "+/2", "r/#"};
            for (const std::string_view filter : filters) {
                if (random.below(2) == 0) {
                    member.filters[std::string{filter}] = any_qos();
                }
            }
        }
        member.client = std::make_unique<SimClient>(world_, options);
        member.client->on_acknowledged = [this](const std::string& payload) {
            if (const auto found = sent_.find(payload); found != sent_.end()) {
                found->second.is_acknowledged = true;
            }
        };
        members_.push_back(std::move(member));
    }
}

void SessionsSimulation::subscribe_all() {
    for (Member& member : members_) {
        member.client->connect(any_worker());
        for (const auto& [filter, qos] : member.filters) {
            member.client->subscribe(filter, qos);
        }
        if (member.group) {
            member.client->subscribe("$share/g/s/#", *member.group);
        }
    }
    world_.run_for(Milliseconds{2000});
    for (const Member& member : members_) {
        if (!member.client->is_online()) {
            fail("could not connect: " + member.client->options().client_id);
        }
    }
}

// -------------------------------------------------------------------------------------- steps

void SessionsSimulation::publish_one(std::size_t publisher) {
    Random& random = world_.random();
    SimClient& client = *members_[publisher].client;
    const std::uint64_t kind = random.below(10);
    std::string topic;
    if (kind < 6) {
        topic = "t/" + std::to_string(random.below(4));
    } else if (kind < 8) {
        topic = "s/" + std::to_string(random.below(2));
    } else {
        topic = "r/" + client.options().client_id + "/" + std::to_string(random.below(2));
    }
    const bool is_retained = kind >= 8;
    const auto qos = static_cast<Qos>(is_retained ? 1 + random.below(2) : random.below(3));
    if (is_retained && random.below(4) == 0) {
        client.publish(topic, "", qos, true);
        return;
    }
    Sent sent;
    sent.publisher = publisher;
    sent.topic = topic;
    sent.qos = qos;
    sent.sequence = next_sequence_[client.options().client_id + " " + topic]++;
    std::string payload = "m" + std::to_string(next_number_++);
    if (random.below(8) == 0) {
        payload += "-" + std::string(random.below(300), 'x');
    }
    sent_[payload] = sent;
    client.publish(topic, payload, qos, is_retained);
}

void SessionsSimulation::disturb() {
    Random& random = world_.random();
    const std::size_t index = random.below(members_.size());
    SimClient& client = *members_[index].client;
    const std::uint64_t action = random.below(20);
    if (!client.has_link() && action < 12) {
        client.connect(any_worker());
    } else if (action < 14) {
        const std::uint64_t count = 1 + random.below(10);
        for (std::uint64_t i = 0; i < count; ++i) {
            publish_one(index);
        }
    } else if (action < 16) {
        cut_count += client.has_link() ? 1 : 0;
        client.cut();
    } else if (action == 16) {
        client.disconnect();
    } else if (trouble_ == Trouble::crashes && action == 18 && random.below(3) == 0) {
        ++crash_count;
        witness_->forget_connections();
        world_.crash();
    } else if (action == 17) {
        client.connect(any_worker());  // while the old link lives
    } else if (is_tight_ && client.has_link()) {
        const LinkId link = client.link();
        world_.set_reading(link, false);
        world_.after(Milliseconds{random.below(400)},
                     [this, link] { world_.set_reading(link, true); });
    }
}

/// Whether the client's session still has messages on their way to it.
bool SessionsSimulation::owes(const Member& member) {
    const std::string& id = member.client->options().client_id;
    Session* const session = world_.broker(world_.broker().worker_of(id)).find_session(id);
    return session == nullptr || !session->queue.empty() || !session->inflight.empty();
}

/// No disturbance any more: all connect and everything under way comes to its end.
void SessionsSimulation::quiet() {
    world_.run_for(Milliseconds{1000});
    bool is_quiet = false;
    for (int round = 0; round < 100 && !is_quiet; ++round) {
        is_quiet = true;
        for (Member& member : members_) {
            if (!member.client->has_link()) {
                member.client->connect(any_worker());
            }
            is_quiet = is_quiet && member.client->is_idle() && !owes(member);
        }
        world_.run_for(Milliseconds{1000});
    }
    world_.run_for(Milliseconds{5000});
    for (const Member& member : members_) {
        if (!member.client->is_idle()) {
            fail("does not come to rest: " + member.client->options().client_id);
        }
        if (owes(member)) {
            fail("the broker still owes something to " + member.client->options().client_id);
        }
    }
}

// ------------------------------------------------------------------------------------- checks

void SessionsSimulation::check_bounds(std::uint32_t worker) {
    Broker& broker = world_.broker(worker);
    const QueueLimits& limits = broker.options().queue_limits;
    broker.for_each_session([&](Session& session) {
        if (session.queue.count() > limits.count_max || session.queue.bytes() > limits.bytes_max) {
            fail("queue over its bound: " + session.client_id());
        }
        if (session.inflight.count() > std::max<std::size_t>(broker.options().inflight_max, 20)) {
            fail("in flight over the bound: " + session.client_id());
        }
    });
}

bool SessionsSimulation::is_sure(const Sent& sent) const {
    return members_[sent.publisher].is_persistent;
}

Qos SessionsSimulation::granted(const Member& member, const std::string& topic) const {
    Qos best = Qos::at_most_once;
    for (const auto& [filter, qos] : member.filters) {
        if (filter_matches(filter, topic)) {
            best = std::max(best, qos);
        }
    }
    return best;
}

/// Order, and QoS 2 at most once; what the client itself has found.
void SessionsSimulation::check_arrivals(const Member& member) {
    const SimClient& client = *member.client;
    for (const std::string& violation : client.violations) {
        fail(violation);
    }
    if (member.is_persistent && client.session_lost_count > 1) {
        fail("session lost: " + client.options().client_id);
    }
    std::map<std::string, std::uint64_t> last;  // by publisher and topic: first arrivals ascend
    std::map<std::string, int> seen;
    for (const SimArrival& arrival : client.arrivals) {
        ++arrival_count;
        const auto found = sent_.find(arrival.payload);
        if (found == sent_.end()) {
            if (!arrival.payload.empty()) {
                fail("nobody has sent " + arrival.payload);
            }
            continue;
        }
        const Sent& sent = found->second;
        if (sent.topic != arrival.topic) {
            fail("wrong topic: " + arrival.payload);
        }
        // What is retained comes again with each subscription: not a matter of order.
        if (arrival.retain) {
            continue;
        }
        if (++seen[arrival.payload] > 1) {
            ++duplicate_count;
            // A session that is not stored may get again, in the next process, what its publisher
            // had not been told of.
            if (arrival.qos == Qos::exactly_once && is_sure(sent) &&
                (member.is_persistent || trouble_ != Trouble::crashes)) {
                fail("QoS 2 twice: " + arrival.payload + " to " + client.options().client_id);
            }
            continue;
        }
        // Where messages may be lost, the first sending may have been and the second not.
        const bool may_be_lost =
            is_tight_ || !member.is_persistent || granted(member, sent.topic) == Qos::at_most_once;
        const bool may_be_late =
            may_be_lost && members_[sent.publisher].client->resent.contains(arrival.payload);
        if (!member.group && !may_be_late) {
            std::string key = std::to_string(sent.publisher) + " " + sent.topic;
            if (trouble_ == Trouble::crashes) {
                // QoS 2 goes on by itself where it was, QoS 1 is sent again: order is for messages
                // of one QoS (MQTT 5.0, 4.6).
                key += " " + std::to_string(static_cast<int>(sent.qos));
            }
            if (const auto before = last.find(key);
                before != last.end() && before->second >= sent.sequence) {
                fail("out of order: " + arrival.payload + " on " + key + " to " +
                     client.options().client_id);
            }
            last[key] = sent.sequence;
        }
    }
}

/// Every message that the broker has taken is there.
void SessionsSimulation::check_deliveries(const Member& member) {
    if (!member.is_persistent || member.group) {
        return;
    }
    std::set<std::string> arrived;
    for (const SimArrival& arrival : member.client->arrivals) {
        arrived.insert(arrival.payload);
    }
    for (const auto& [payload, sent] : sent_) {
        if (sent.is_acknowledged && granted(member, sent.topic) != Qos::at_most_once &&
            !arrived.contains(payload)) {
            fail("lost: " + payload + " on " + sent.topic + " for " +
                 member.client->options().client_id);
        }
        if (!sent.is_acknowledged && sent.qos != Qos::at_most_once && is_sure(sent)) {
            fail("never acknowledged: " + payload);
        }
    }
}

void SessionsSimulation::check_group() {
    // QoS 2 that one member has seen must never come to another (MQTT 5.0, 4.8.2).
    std::map<std::string, int> exactly_once;
    for (const Member& member : members_) {
        for (const SimArrival& arrival : member.client->arrivals) {
            if (member.group && arrival.qos == Qos::exactly_once &&
                is_sure(sent_.at(arrival.payload)) && ++exactly_once[arrival.payload] > 1) {
                fail("QoS 2 to two members: " + arrival.payload);
            }
        }
    }
    const auto is_member = [](const Member& member) {
        return member.group.has_value();
    };
    if (is_tight_ || std::none_of(members_.begin(), members_.end(), is_member)) {
        return;
    }
    if (trouble_ == Trouble::crashes) {
        check_group_arrivals();
        return;
    }
    for (const auto& [payload, count] : witness_->group_routed) {
        if (witness_->group_acks[payload] != count) {
            fail("no member of the group has acknowledged " + payload);
        }
    }
}

/// Restarts forget which acknowledgement was stored; but somebody must have got each message.
void SessionsSimulation::check_group_arrivals() {
    std::set<std::string> arrived;
    for (const Member& member : members_) {
        for (const SimArrival& arrival : member.client->arrivals) {
            arrived.insert(arrival.payload);
        }
    }
    for (const auto& [payload, sent] : sent_) {
        if (sent.topic.starts_with("s/") && sent.is_acknowledged && sent.qos != Qos::at_most_once &&
            !arrived.contains(payload)) {
            fail("lost: " + payload + " for the group");
        }
    }
}

void SessionsSimulation::check_retained() {
    SimClientOptions options;
    options.client_id = "reader";
    SimClient reader{world_, options};
    reader.connect(any_worker());
    reader.subscribe("r/#", Qos::at_least_once);
    world_.run_for(Milliseconds{5000});
    std::map<std::string, std::string> found;
    for (const SimArrival& arrival : reader.arrivals) {
        if (!found.emplace(arrival.topic, arrival.payload).second) {
            fail("retained twice: " + arrival.topic);
        }
    }
    if (found != witness_->retained) {
        fail("retained messages differ from what was published last");
    }
}

}  // namespace gw::test
