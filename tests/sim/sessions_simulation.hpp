#pragma once

#include "tests/support/sim_client.hpp"
#include "tests/support/sim_world.hpp"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace gw::test {

/// What the brokers have told of, checked on the way: one connection for each client id, and
/// one acknowledgement in a shared group for each message.
class SimWitness final : public Observer {
public:
    explicit SimWitness(std::vector<std::string>& failures) : failures_(failures) {}

    void on_client_connected(const ClientIdentity& client, bool session_present) override;
    void on_client_disconnected(const ClientIdentity& client, ReasonCode reason) override;
    void on_message_published(const Message& message) override;
    void on_message_acked(const ClientIdentity& receiver, const Message& message) override;
    /// The process died; nobody told.
    void forget_connections() { online_.clear(); }

    std::map<std::string, std::string> retained;  // topic -> payload, as it has to be in the end
    std::map<std::string, int> group_routed;      // messages to groups, by payload
    std::map<std::string, int> group_acks;
    bool may_restart = false;
    std::size_t takeover_count = 0;

private:
    std::vector<std::string>& failures_;
    std::set<std::string> online_;
};

/// One run with one seed: clients of all versions publish and subscribe while the network breaks,
/// then all is quiet, and everything that was promised has to have come true.
class SessionsSimulation {
public:
    enum class Trouble {
        network,  // connections break, and no more
        tight,    // queues are small, readers slow: messages may be lost, but no bound exceeded
        crashes,  // the process dies, and starts again from what was stored
    };

    SessionsSimulation(std::uint64_t seed, Trouble trouble);

    /// Runs; empty when all is well, else what was wrong.
    std::vector<std::string> run();

    // What happened, to see that it was worth it.
    std::size_t cut_count = 0;
    std::size_t arrival_count = 0;
    std::size_t duplicate_count = 0;
    std::size_t takeover_count = 0;
    std::size_t dropped_count = 0;
    std::size_t crash_count = 0;

private:
    struct Sent {
        std::size_t publisher = 0;
        std::string topic;
        Qos qos = Qos::at_most_once;
        std::uint64_t sequence = 0;
        bool is_acknowledged = false;
    };
    struct Member {
        std::unique_ptr<SimClient> client;
        std::map<std::string, Qos> filters;  // plain ones
        std::optional<Qos> group;            // its QoS in $share/g/s/#
        bool is_persistent = true;
    };

    static SimOptions make_options(std::uint64_t seed, Trouble trouble);
    void make_clients();
    void subscribe_all();
    void disturb();
    void publish_one(std::size_t publisher);
    void quiet();
    bool owes(const Member& member);
    void check_bounds(std::uint32_t worker);
    void check_arrivals(const Member& member);
    void check_deliveries(const Member& member);
    void check_group();
    void check_group_arrivals();
    void check_retained();
    Qos granted(const Member& member, const std::string& topic) const;
    bool is_sure(const Sent& sent) const;
    void fail(std::string text) {
        if (failures_.size() < 10) {
            failures_.push_back(std::move(text));
        }
    }
    std::uint32_t any_worker() {
        return static_cast<std::uint32_t>(world_.random().below(world_.worker_count()));
    }

    const Trouble trouble_;
    const bool is_tight_;
    std::vector<std::string> failures_;
    SimWorld world_;
    std::shared_ptr<SimWitness> witness_;
    std::vector<Member> members_;
    std::map<std::string, Sent> sent_;  // by payload
    std::map<std::string, std::uint64_t> next_sequence_;
    std::uint64_t next_number_ = 0;
};

}  // namespace gw::test
