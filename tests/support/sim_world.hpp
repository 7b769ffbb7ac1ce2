#pragma once

#include "adapters/mqtt/machine/connection_machine.hpp"
#include "broker-core/base/random.hpp"
#include "broker-core/broker/broker.hpp"
#include "broker-core/broker/session_actions.hpp"
#include "broker-core/storage/log_storage.hpp"
#include "tests/support/fake_connection.hpp"
#include "tests/support/sim_disk.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gw::test {

/// Settings of a listener; the world lets everybody in.
inline mqtt::MachineOptions open_listener() {
    return {};
}

/// What a simulated world is like. All delays are drawn from 0 to the maximum.
struct SimOptions {
    std::uint64_t seed = 1;
    std::uint32_t worker_count = 1;
    Milliseconds network_delay_max{0};
    Milliseconds exchange_delay_max{0};
    Milliseconds storage_delay_max{0};  // 0: nothing has to be waited for
    Milliseconds loss_notice_max{0};    // until the server hears of a connection that was cut
    bool splits_bytes = false;          // the network cuts the stream anywhere
    ShareStrategy share_strategy = ShareStrategy::round_robin;
    BrokerOptions broker;
    RetainedOptions retained;
    mqtt::MachineOptions machine = open_listener();
};

/// The client's end of a link.
class SimPeer {
public:
    virtual ~SimPeer() = default;
    virtual void on_bytes(Bytes bytes) = 0;
    /// The link is gone, in whatever way.
    virtual void on_closed() = 0;
};

using LinkId = std::uint32_t;

/// Makes the machine of a link whose protocol is not MQTT.
using MachineMaker =
    std::function<std::unique_ptr<StreamMachine>(Broker&, StreamConnection&, PeerInfo)>;

/// Brokers, connection machines and a network between them and their clients, all in one thread and
/// in simulated time: what happens depends on the seed and on nothing else.
class SimWorld final : private Exchange {
public:
    explicit SimWorld(const SimOptions& options);
    ~SimWorld() override;

    // --- the network, for clients

    /// Mount point of links that are made from now on.
    void set_mountpoint(std::string mountpoint) { mountpoint_ = std::move(mountpoint); }
    /// A new link, accepted by a worker; with the listener's settings, or else the world's.
    LinkId connect(SimPeer& peer, std::uint32_t worker = 0,
                   std::shared_ptr<const mqtt::MachineOptions> listener = nullptr,
                   bool is_administrator = false);
    /// The same for another protocol.
    LinkId connect(SimPeer& peer, std::uint32_t worker, MachineMaker maker);
    void send(LinkId link, Bytes bytes);
    /// Orderly: the server gets all that was sent, then the end.
    void close(LinkId link);
    /// The link breaks: of what is under way each side gets a part, to any byte; the server may
    /// hear of it later. The peer is told in this call.
    void cut(LinkId link);
    /// The peer is about to be destroyed: nobody hears what comes on the link, which stays.
    void forget_peer(LinkId link) { links_[link]->peer = &nobody_; }
    /// Whether the client takes what the server writes.
    void set_reading(LinkId link, bool is_reading);

    /// The process dies and another one starts on what is on the disk: links break, and what was
    /// submitted and not committed is gone. There must be a disk (storage_delay_max). Hooks stay.
    void crash();

    // --- time

    Milliseconds now() const { return now_.time_since_epoch(); }
    Now clocks() const { return {now_, WallTime{now_.time_since_epoch()}}; }
    /// Does all that is due now.
    void settle() { run_until(now()); }
    void run_until(Milliseconds time);
    void run_for(Milliseconds time) { run_until(now() + time); }
    /// Calls at a time, between the turns.
    void at(Milliseconds time, std::function<void()> action);
    void after(Milliseconds time, std::function<void()> action) {
        at(now() + time, std::move(action));
    }

    // --- what is inside

    BrokerShared& shared() { return *shared_; }
    /// One more that is told, or asked, from now on.
    void add_observer(std::shared_ptr<Observer> observer) {
        observers_.push_back(std::move(observer));
        put_hooks();
    }
    void add_filter(std::shared_ptr<MessageFilter> filter) {
        filters_.push_back(std::move(filter));
        put_hooks();
    }
    void clear_filters() {
        filters_.clear();
        put_hooks();
    }
    SessionActions actions() { return SessionActions{*this}; }
    /// What the transport says of all clients from now on.
    PeerInfo& peer_template() { return peer_template_; }
    Broker& broker(std::uint32_t worker = 0) { return *brokers_[worker]; }
    /// A turn of a worker with something done in it.
    void turn(std::uint32_t worker, const std::function<void(Broker&)>& action);
    std::uint32_t worker_count() const { return options_.worker_count; }
    const SimOptions& options() const { return options_; }
    Random& random() { return random_; }
    FakeConnection& connection(LinkId link) { return links_[link]->connection; }
    std::uint32_t worker_of_link(LinkId link) const { return links_[link]->worker; }
    bool has_machine(LinkId link) const { return links_[link]->machine != nullptr; }
    const SimDisk& disk() const { return *disk_; }
    std::uint64_t sum(const std::function<std::uint64_t(const Metrics&)>& get);
    using OnTurn = std::function<void(std::uint32_t worker)>;
    /// Calls at the end of every turn of a worker, before what it says leaves it. What is null does
    /// nothing; the number is for remove_on_settle().
    std::size_t add_on_settle(OnTurn action) {
        on_settle_.push_back(std::move(action));
        return on_settle_.size() - 1;
    }
    void remove_on_settle(std::size_t number) { on_settle_[number] = nullptr; }
    /// Called after every turn of a worker.
    std::function<void(std::uint32_t worker)> on_turn_end;

private:
    struct Nobody final : SimPeer {
        void on_bytes(Bytes) override {}
        void on_closed() override {}
    };
    struct Link {
        LinkId id = 0;
        std::uint32_t worker = 0;
        SimPeer* peer = nullptr;
        std::shared_ptr<const mqtt::MachineOptions> listener;
        MachineMaker maker;  // null: MQTT
        bool is_administrator = false;
        std::string mountpoint;
        FakeConnection connection;
        std::unique_ptr<StreamMachine> machine;
        std::vector<std::uint8_t> input;  // read and not consumed, or not yet read
        std::deque<std::vector<std::uint8_t>> to_server;
        std::deque<std::vector<std::uint8_t>> to_client;
        MonotonicTime last_to_server{};
        MonotonicTime last_to_client{};
        bool is_moving = false;     // between two workers
        bool is_cut = false;        // events of bytes under way mean nothing any more
        bool is_reading = true;     // the client does
        bool is_peer_told = false;  // the client knows that it is over
        bool has_end = false;       // the server has written its last
    };

    void post(std::uint32_t from, std::uint32_t to, CrossBatch& batch, StoreTicket ticket) override;
    void make_core();
    void put_hooks();
    void restore_core();
    void commit_one();
    void load(std::uint32_t worker, SessionRef ref, const std::vector<LoadedMessage>& messages);
    void post_task(std::uint32_t to, BrokerTask task) override;

    std::vector<std::uint8_t> arriving(std::deque<std::vector<std::uint8_t>>& under_way);
    void break_link(Link& link);
    Milliseconds delay(Milliseconds max);
    MonotonicTime after_last(MonotonicTime& last, Milliseconds max);
    void run_at(MonotonicTime time, std::function<void()> action);
    /// Not when the process has died before.
    void run_in_process(MonotonicTime time, std::function<void()> action);
    Link& add_link(SimPeer& peer, std::uint32_t worker);
    void make_machine(Link& link);
    void receive(Link& link, Bytes bytes);
    void tell_server_lost(Link& link);
    void tell_peer_closed(Link& link);
    void feed(Link& link);
    void look_after(Link& link);
    bool tend(Link& link);
    void take_output(Link& link);
    void finish_turn(std::uint32_t worker);
    MonotonicTime next_time() const;
    bool run_deadlines();

    SimOptions options_;
    Random random_;
    Nobody nobody_;
    MonotonicTime now_{};
    std::unique_ptr<BrokerShared> shared_;
    HookSet::Filters filters_;
    HookSet::Observers observers_;
    NullLog log_;
    PeerInfo peer_template_;
    std::string mountpoint_;
    std::shared_ptr<const mqtt::MachineOptions> listener_;
    std::multimap<MonotonicTime, std::function<void()>> events_;
    std::unique_ptr<SimDisk> disk_;  // null: nothing is kept
    std::uint64_t life_ = 1;         // of the process: how often it was started
    std::vector<std::unique_ptr<Storage>> storages_;
    std::vector<std::unique_ptr<Broker>> brokers_;
    MonotonicTime last_commit_{};
    std::vector<MonotonicTime> last_exchange_;  // by (from, to)
    std::vector<std::unique_ptr<Link>> links_;
    std::vector<OnTurn> on_settle_;
};

}  // namespace gw::test
