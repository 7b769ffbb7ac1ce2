#include "tests/support/sim_world.hpp"

#include "broker-core/broker/core_restorer.hpp"
#include "gateway/protocols/known_protocols.hpp"
#include "tests/support/open_origin.hpp"

#include <algorithm>

namespace gw::test {

SimWorld::SimWorld(const SimOptions& options)
    : options_(options),
      random_(options.seed),
      listener_(std::make_shared<mqtt::MachineOptions>(options.machine)) {
    last_exchange_.resize(std::size_t{options.worker_count} * options.worker_count);
    if (options.storage_delay_max != Milliseconds{0}) {
        disk_ = std::make_unique<SimDisk>([this] { return now_; });
        // One writer for all workers: what was submitted first is safe first.
        disk_->on_submit = [this] {
            run_in_process(after_last(last_commit_, options_.storage_delay_max),
                           [this] { commit_one(); });
        };
        disk_->on_read = [this](std::vector<LoadedMessage> messages, StoreReader::Done done) {
            auto taken = std::make_shared<std::vector<LoadedMessage>>(std::move(messages));
            run_in_process(now_ + delay(options_.storage_delay_max),
                           [taken, done = std::move(done)] { done(std::move(*taken)); });
        };
    }
    make_core();
}

void SimWorld::make_core() {
    // Each process draws its own key, so sessions move between workers with each start.
    const std::uint64_t key = options_.seed + life_ - 1;
    shared_ =
        std::make_unique<BrokerShared>(RouterOptions{.worker_count = options_.worker_count,
                                                     .hash_key = key,
                                                     .share_strategy = options_.share_strategy,
                                                     .cache_slot_count = 64},
                                       options_.retained, key);
    shared_->worker_count = options_.worker_count;
    shared_->access = std::make_shared<NoMatchPolicy>(AccessDecision::allow);
    shared_->authenticator = std::make_shared<AnonymousAuthenticator>();
    shared_->protocols = known_protocols();
    shared_->log = &log_;
    for (std::uint32_t worker = 0; worker < options_.worker_count; ++worker) {
        if (disk_) {
            auto storage = std::make_unique<LogStorage>(
                worker, [this, worker](SessionRef ref, const std::vector<LoadedMessage>& messages) {
                    load(worker, ref, messages);
                });
            storage->attach(*disk_);
            storages_.push_back(std::move(storage));
        } else {
            storages_.push_back(std::make_unique<MemoryStorage>());
        }
        Exchange& exchange = *this;
        brokers_.push_back(std::make_unique<Broker>(*shared_, options_.broker, worker, exchange,
                                                    *storages_.back(), clocks(), random_.next()));
    }
}

void SimWorld::put_hooks() {
    const auto hooks = std::make_shared<const HookSet>(filters_, observers_);
    for (const auto& broker : brokers_) {
        broker->set_hooks(hooks);
    }
}

void SimWorld::restore_core() {
    std::vector<Broker*> brokers;
    for (const auto& broker : brokers_) {
        brokers.push_back(broker.get());
    }
    CoreRestorer restorer{brokers, *shared_, log_, clocks()};
    disk_->restore(restorer);
    restorer.finish([this](const std::vector<std::uint64_t>& ids) { return disk_->fetch(ids); });
    for (std::uint32_t worker = 0; worker < options_.worker_count; ++worker) {
        turn(worker, [](Broker&) {});
    }
}

void SimWorld::crash() {
    GW_ASSERT(disk_);
    for (const auto& broker : brokers_) {
        broker->set_hooks(std::make_shared<const HookSet>());  // a dying process tells nobody
    }
    for (const auto& link : links_) {
        if (!link->is_cut) {
            break_link(*link);
        }
        link->machine.reset();
        link->is_moving = false;
        link->connection.written.clear();
        link->connection.closed = CloseMode::abort;
    }
    brokers_.clear();
    storages_.clear();
    disk_->lose_pending();
    ++life_;  // what the dying one has begun above is nobody's any more
    now_ += Milliseconds{1};
    last_commit_ = now_;
    make_core();
    restore_core();
    put_hooks();
}

SimWorld::~SimWorld() {
    on_turn_end = nullptr;
    on_settle_.clear();
    events_.clear();
    links_.clear();  // their machines end their sessions
    brokers_.clear();
}

// ------------------------------------------------------------------------------------ network

Milliseconds SimWorld::delay(Milliseconds max) {
    if (max == Milliseconds{0}) {
        return max;
    }
    return Milliseconds{random_.below(static_cast<std::uint64_t>(max.count()) + 1)};
}

/// Later than what went the same way before, so that order is kept.
MonotonicTime SimWorld::after_last(MonotonicTime& last, Milliseconds max) {
    last = std::max(last, now_ + delay(max));
    return last;
}

void SimWorld::run_at(MonotonicTime time, std::function<void()> action) {
    events_.emplace(time, std::move(action));
}

void SimWorld::run_in_process(MonotonicTime time, std::function<void()> action) {
    run_at(time, [this, life = life_, action = std::move(action)] {
        if (life == life_) {
            action();
        }
    });
}

void SimWorld::at(Milliseconds time, std::function<void()> action) {
    run_at(MonotonicTime{time}, std::move(action));
}

LinkId SimWorld::connect(SimPeer& peer, std::uint32_t worker,
                         std::shared_ptr<const mqtt::MachineOptions> listener,
                         bool is_administrator) {
    Link& link = add_link(peer, worker);
    link.listener = listener ? std::move(listener) : listener_;
    link.is_administrator = is_administrator;
    turn(worker, [&](Broker&) { make_machine(link); });
    return link.id;
}

LinkId SimWorld::connect(SimPeer& peer, std::uint32_t worker, MachineMaker maker) {
    Link& link = add_link(peer, worker);
    link.maker = std::move(maker);
    turn(worker, [&](Broker&) { make_machine(link); });
    return link.id;
}

SimWorld::Link& SimWorld::add_link(SimPeer& peer, std::uint32_t worker) {
    Link& link = *links_.emplace_back(std::make_unique<Link>());
    link.id = static_cast<LinkId>(links_.size() - 1);
    link.worker = worker;
    link.peer = &peer;
    link.mountpoint = mountpoint_;
    return link;
}

void SimWorld::make_machine(Link& link) {
    PeerInfo peer = peer_template_;
    peer.address = "sim:" + std::to_string(link.id);
    peer.rules = open_origin(link.is_administrator, link.mountpoint);
    Broker& broker = *brokers_[link.worker];
    if (link.maker) {
        link.machine = link.maker(broker, link.connection, std::move(peer));
    } else {
        link.machine = std::make_unique<mqtt::ConnectionMachine>(broker, link.connection,
                                                                 link.listener, std::move(peer));
    }
}

void SimWorld::send(LinkId id, Bytes bytes) {
    Link& link = *links_[id];
    while (!bytes.empty() && !link.is_cut) {
        std::size_t count = bytes.size();
        if (options_.splits_bytes && random_.below(2) == 0) {
            count = 1 + random_.below(count);
        }
        link.to_server.emplace_back(bytes.begin(), bytes.begin() + static_cast<long>(count));
        bytes = bytes.subspan(count);
        run_at(after_last(link.last_to_server, options_.network_delay_max), [this, &link] {
            if (!link.is_cut) {
                const std::vector<std::uint8_t> chunk = std::move(link.to_server.front());
                link.to_server.pop_front();
                receive(link, chunk);
            }
        });
    }
}

void SimWorld::receive(Link& link, Bytes bytes) {
    if (!link.machine && !link.is_moving) {
        return;
    }
    turn(link.worker, [&](Broker&) {
        link.input.insert(link.input.end(), bytes.begin(), bytes.end());
        feed(link);
    });
}

void SimWorld::close(LinkId id) {
    Link& link = *links_[id];
    run_at(after_last(link.last_to_server, options_.network_delay_max), [this, &link] {
        if (!link.is_cut) {
            tell_server_lost(link);
        }
    });
}

void SimWorld::tell_server_lost(Link& link) {
    turn(link.worker, [&](Broker&) {
        link.is_cut = true;
        if (link.machine) {
            link.machine->on_closed(ReasonCode::connection_lost);
            link.machine.reset();
        }
        link.connection.written.clear();
        link.connection.closed = CloseMode::abort;
    });
    tell_peer_closed(link);
}

void SimWorld::tell_peer_closed(Link& link) {
    if (!std::exchange(link.is_peer_told, true)) {
        link.peer->on_closed();
    }
}

/// Of what is under way, to any byte.
std::vector<std::uint8_t> SimWorld::arriving(std::deque<std::vector<std::uint8_t>>& under_way) {
    std::vector<std::uint8_t> bytes;
    for (const auto& chunk : under_way) {
        bytes.insert(bytes.end(), chunk.begin(), chunk.end());
    }
    under_way.clear();
    bytes.resize(random_.below(bytes.size() + 1));
    return bytes;
}

/// The peer's side of a link that breaks.
void SimWorld::break_link(Link& link) {
    link.is_cut = true;
    if (const auto bytes = arriving(link.to_client); !bytes.empty()) {
        link.peer->on_bytes(bytes);
    }
    tell_peer_closed(link);
}

void SimWorld::cut(LinkId id) {
    Link& link = *links_[id];
    if (link.is_cut) {
        return;
    }
    break_link(link);
    run_in_process(after_last(link.last_to_server, options_.network_delay_max),
                   [this, &link, bytes = arriving(link.to_server)] { receive(link, bytes); });
    run_in_process(after_last(link.last_to_server, options_.loss_notice_max),
                   [this, &link] { tell_server_lost(link); });
}

void SimWorld::set_reading(LinkId id, bool is_reading) {
    links_[id]->is_reading = is_reading;
    turn(links_[id]->worker, [](Broker&) {});
}

// -------------------------------------------------------------------------------------- turns

void SimWorld::feed(Link& link) {
    link.connection.is_resumed = false;
    if (!link.machine || link.connection.is_paused || link.input.empty()) {
        return;
    }
    // Memory of exactly this size, so that a sanitizer sees a step outside.
    const std::vector<std::uint8_t> bytes{link.input.begin(), link.input.end()};
    const std::size_t consumed = link.machine->on_bytes(bytes);
    GW_ASSERT(consumed <= bytes.size());
    link.input.erase(link.input.begin(), link.input.begin() + static_cast<long>(consumed));
    look_after(link);
}

/// What the machine asked for that ends it.
void SimWorld::look_after(Link& link) {
    if (!link.machine) {
        return;
    }
    if (link.connection.moved_to && !link.connection.closed) {
        const std::uint32_t worker = *std::exchange(link.connection.moved_to, std::nullopt);
        link.machine.reset();
        link.worker = worker;
        link.is_moving = true;
        run_in_process(now_ + delay(options_.exchange_delay_max), [this, &link] {
            link.is_moving = false;
            if (link.connection.closed) {
                return;  // cut while it was between the workers
            }
            turn(link.worker, [&](Broker&) {
                link.connection.is_paused = false;
                make_machine(link);
                feed(link);
            });
        });
    } else if (link.connection.closed) {
        link.machine.reset();
        link.input.clear();
    }
}

void SimWorld::take_output(Link& link) {
    if (!link.connection.written.empty() && link.is_reading) {
        const Bytes bytes = link.connection.written.view();
        if (!link.is_cut && link.connection.closed != CloseMode::abort) {
            link.to_client.emplace_back(bytes.begin(), bytes.end());
            run_at(after_last(link.last_to_client, options_.network_delay_max), [&link] {
                if (!link.is_cut && !link.is_peer_told) {
                    const std::vector<std::uint8_t> chunk = std::move(link.to_client.front());
                    link.to_client.pop_front();
                    link.peer->on_bytes(chunk);
                }
            });
        }
        link.connection.written.clear();
    }
    if (link.connection.closed && !link.machine && !std::exchange(link.has_end, true)) {
        run_at(after_last(link.last_to_client, options_.network_delay_max),
               [this, &link] { tell_peer_closed(link); });
    }
}

/// One round over a link at the end of a turn; true when it has changed something.
bool SimWorld::tend(Link& link) {
    if (link.connection.is_resumed) {
        feed(link);
        return true;
    }
    look_after(link);
    take_output(link);
    if (link.machine && link.connection.wants_drained && link.connection.written.empty()) {
        link.connection.wants_drained = false;
        link.machine->on_output_drained();
        look_after(link);
        return true;
    }
    return false;
}

void SimWorld::turn(std::uint32_t worker, const std::function<void(Broker&)>& action) {
    brokers_[worker]->set_now(clocks());
    action(*brokers_[worker]);
    finish_turn(worker);
}

void SimWorld::finish_turn(std::uint32_t worker) {
    bool is_changing = true;
    while (is_changing) {
        is_changing = false;
        for (const auto& link : links_) {
            if (link->worker == worker) {
                is_changing = tend(*link) || is_changing;
            }
        }
    }
    for (const OnTurn& action : on_settle_) {
        if (action) {
            action(worker);
        }
    }
    brokers_[worker]->flush();
    if (on_turn_end) {
        on_turn_end(worker);
    }
}

void SimWorld::commit_one() {
    bool has_orphans = false;
    const Submission done = disk_->commit(has_orphans);
    const StoreOutcome outcome = has_orphans ? StoreOutcome::failed : StoreOutcome::stored;
    if (done.ticket != 0) {
        turn(done.worker, [&](Broker& broker) {
            broker.on_store_progress({.own_ticket = done.ticket, .outcome = outcome, .covers = {}});
        });
    }
    for (const auto& [from, covered] : done.covers) {
        turn(from, [&, ticket = covered](Broker& broker) {
            broker.on_store_progress(
                {.own_ticket = 0,
                 .outcome = outcome,
                 .covers = {{.worker = done.worker, .ticket = ticket, .outcome = outcome}}});
        });
    }
}

void SimWorld::load(std::uint32_t worker, SessionRef ref,
                    const std::vector<LoadedMessage>& messages) {
    turn(worker, [&](Broker& broker) {
        std::vector<LoadedBody> bodies;
        for (const LoadedMessage& message : messages) {
            bodies.push_back({message.id, message.state == LoadedMessage::State::loaded
                                              ? message_of(message.record,
                                                           broker.shared().protocols, broker.now())
                                              : MessagePtr{}});
        }
        broker.on_loaded(ref, bodies);
    });
}

void SimWorld::post(std::uint32_t from, std::uint32_t to, CrossBatch& batch, StoreTicket ticket) {
    auto taken = std::make_shared<CrossBatch>(std::move(batch));
    batch.clear();
    run_in_process(
        after_last(last_exchange_[from * options_.worker_count + to], options_.exchange_delay_max),
        [this, from, to, taken, ticket] {
            turn(to, [&](Broker& broker) { broker.on_batch(from, *taken, ticket); });
        });
}

void SimWorld::post_task(std::uint32_t to, BrokerTask task) {
    run_in_process(now_ + delay(options_.exchange_delay_max),
                   [this, to, task = std::move(task)] { turn(to, task); });
}

// --------------------------------------------------------------------------------------- time

MonotonicTime SimWorld::next_time() const {
    MonotonicTime next = events_.empty() ? never : events_.begin()->first;
    for (const auto& broker : brokers_) {
        next = std::min(next, broker->next_deadline());
    }
    for (const auto& link : links_) {
        if (link->machine) {
            next = std::min(next, link->connection.deadline);
        }
    }
    return next;
}

bool SimWorld::run_deadlines() {
    for (std::uint32_t worker = 0; worker < brokers_.size(); ++worker) {
        if (brokers_[worker]->next_deadline() <= now_) {
            turn(worker, [](Broker& broker) { broker.on_deadline(); });
            return true;
        }
    }
    for (const auto& link : links_) {
        if (link->machine && link->connection.deadline <= now_) {
            turn(link->worker, [&](Broker&) {
                link->connection.deadline = never;
                link->machine->on_deadline();
                look_after(*link);
            });
            return true;
        }
    }
    return false;
}

void SimWorld::run_until(Milliseconds time) {
    const MonotonicTime end{time};
    while (next_time() <= end) {
        now_ = std::max(now_, next_time());
        if (!events_.empty() && events_.begin()->first <= now_) {
            const std::function<void()> action = std::move(events_.begin()->second);
            events_.erase(events_.begin());
            action();
        } else {
            run_deadlines();
        }
    }
    now_ = std::max(now_, end);
}

std::uint64_t SimWorld::sum(const std::function<std::uint64_t(const Metrics&)>& get) {
    std::uint64_t total = 0;
    for (const auto& broker : brokers_) {
        total += get(broker->metrics());
    }
    return total;
}

}  // namespace gw::test
