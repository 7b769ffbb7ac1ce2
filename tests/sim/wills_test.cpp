// Wills are published exactly when they are due, and not when they are not (MQTT 5.0, 3.1.2.5,
// 3.1.3.2.2): predicted from what the clients do, for each seed.
#include "tests/sim/sim_support.hpp"
#include "tests/support/sim_client.hpp"
#include "tests/support/sim_world.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

using namespace gw;
using namespace gw::test;

namespace {

struct Publication {
    std::string payload;
    Milliseconds time;
    auto operator<=>(const Publication&) const = default;
};

/// Says what has to be published, from connections and their ends alone.
class WillModel final : public Observer {
public:
    struct Terms {
        Milliseconds delay{0};
        Milliseconds expiry{0};  // of the session
        std::string payload;     // names the connection
    };

    explicit WillModel(SimWorld& world) : world_(world) {}

    void on_client_connected(const ClientIdentity& client, bool session_present) override {
        if (const auto pending = pending_.find(client.client_id); pending != pending_.end()) {
            // A new session ends the old one, and with it the delay.
            if (!session_present && pending->second.time > world_.now()) {
                expected.push_back({pending->second.payload, world_.now()});
            } else if (pending->second.time <= world_.now()) {
                expected.push_back(pending->second);
            }
            pending_.erase(pending);
        }
    }
    void on_client_disconnected(const ClientIdentity& client, ReasonCode reason) override {
        const Terms& connection = terms.at(client.peer());
        if (reason != ReasonCode::success) {
            pending_[client.client_id] = {
                connection.payload, world_.now() + std::min(connection.delay, connection.expiry)};
        }
    }
    void on_message_published(const Message& message) override {
        published.push_back({std::string{as_text(message.payload())}, world_.now()});
    }
    /// Moves on what has become due without another connection.
    void finish() {
        for (const auto& [client_id, publication] : pending_) {
            expected.push_back(publication);
        }
        pending_.clear();
    }

    std::map<std::string, Terms> terms;  // by the connection's peer
    std::vector<Publication> expected;
    std::vector<Publication> published;

private:
    SimWorld& world_;
    std::map<std::string, Publication> pending_;
};

std::string text_of(std::vector<Publication> publications) {
    std::sort(publications.begin(), publications.end());
    std::string text;
    for (const Publication& publication : publications) {
        text += publication.payload + "@" + std::to_string(publication.time.count()) + " ";
    }
    return text;
}

class WillSimulation {
public:
    explicit WillSimulation(std::uint64_t seed)
        : world_(options_for(seed)), model_(std::make_shared<WillModel>(world_)) {
        world_.add_observer(model_);
        for (std::size_t i = 0; i < 5; ++i) {
            SimClientOptions options;
            options.client_id = "w" + std::to_string(i);
            clients_.push_back(std::make_unique<SimClient>(world_, options));
        }
    }

    void run() {
        for (int step = 0; step < 100; ++step) {
            SimClient& client = *clients_[world_.random().below(clients_.size())];
            switch (world_.random().below(5)) {
                case 0:
                case 1:
                    connect(client);
                    break;
                case 2:
                    client.cut();
                    break;
                case 3:
                    client.disconnect(ReasonCode::success);
                    break;
                default:
                    client.disconnect(ReasonCode::disconnect_with_will_message);
                    break;
            }
            world_.run_for(Milliseconds{world_.random().below(6000)});
        }
        for (const auto& client : clients_) {
            client->cut();
        }
        world_.run_for(Seconds{100});
        model_->finish();
    }

    const WillModel& model() const { return *model_; }

private:
    static SimOptions options_for(std::uint64_t seed) {
        SimOptions options;
        options.seed = seed;
        options.worker_count = 1U << (seed % 3);
        options.broker.presence_events = false;
        return options;
    }

    void connect(SimClient& client) {
        Random& random = world_.random();
        const auto delay = static_cast<std::uint32_t>(random.below(4) * 7);
        const auto expiry = static_cast<std::uint32_t>(random.below(4) * 5);
        payloads_.push_back("will" + std::to_string(payloads_.size()));
        mqtt::Will will;
        topics_.push_back("will/" + client.options().client_id);
        will.topic = topics_.back();
        will.payload = as_bytes(payloads_.back());
        will.qos = static_cast<Qos>(random.below(3));
        will.delay_interval = delay;
        client.options().will = will;
        client.options().session_expiry = expiry;
        client.options().clean_start = random.below(3) == 0;
        // The next link's number is in its name.
        model_->terms["sim:" + std::to_string(link_count_++)] = {Seconds{delay}, Seconds{expiry},
                                                                 payloads_.back()};
        client.connect(static_cast<std::uint32_t>(random.below(world_.worker_count())));
    }

    SimWorld world_;
    std::shared_ptr<WillModel> model_;
    std::vector<std::unique_ptr<SimClient>> clients_;
    std::deque<std::string> payloads_;
    std::deque<std::string> topics_;
    std::size_t link_count_ = 0;
};

}  // namespace

TEST_CASE("wills are published exactly when they are due") {
    std::size_t count = 0;
    for (const std::uint64_t seed : SimSeeds{}) {
        WillSimulation simulation{seed};
        simulation.run();
        const WillModel& model = simulation.model();
        INFO(sim_repeat("wills are*", seed));
        CHECK(text_of(model.published) == text_of(model.expected));
        count += model.published.size();
    }
    CHECK(count > 0);
}

TEST_CASE("a will outlives the process, once") {
    for (const std::uint64_t seed : SimSeeds{}) {
        INFO(sim_repeat("a will outlives*", seed));
        Random random{seed};
        SimOptions options;
        options.seed = seed;
        options.worker_count = 1U << (seed % 3);
        options.storage_delay_max = Milliseconds{20};
        options.exchange_delay_max = Milliseconds{10};
        options.broker.presence_events = false;
        SimWorld world{options};
        SimClientOptions reader_options;
        reader_options.client_id = "reader";
        SimClient reader{world, reader_options};
        reader.connect(0);
        reader.subscribe("will", Qos::exactly_once);
        world.run_for(Milliseconds{200});

        const std::uint32_t delay = static_cast<std::uint32_t>(random.below(3) * 5);
        const bool is_back = random.below(3) == 0;
        mqtt::Will will;
        will.topic = "will";
        will.payload = as_bytes("gone");
        will.qos = static_cast<Qos>(1 + random.below(2));
        will.delay_interval = delay;
        SimClientOptions options_of_client;
        options_of_client.client_id = "client";
        options_of_client.will = will;
        SimClient client{world, options_of_client};
        client.connect(0);
        world.run_for(Milliseconds{200});
        REQUIRE(client.is_online());
        if (random.below(2) == 0) {
            // The end of the connection and the death of the process, close together.
            client.cut();
            world.run_for(Milliseconds{random.below(40)});
        }
        world.crash();
        world.run_for(Milliseconds{random.below(40)});
        world.crash();
        reader.connect(0);
        if (is_back) {
            client.options().will.reset();
            client.connect(0);
        }
        world.run_for(Seconds{delay} + Milliseconds{1000});
        // Without a delay it was due before the client could be back.
        const bool is_due = !is_back || delay == 0;
        CHECK(reader.arrivals.empty() != is_due);
        if (will.qos == Qos::exactly_once) {
            CHECK(reader.arrivals.size() < 2);
        }
        CHECK(reader.violations.empty());
    }
}
