// Sensors over links that lose, double and reorder datagrams: what the gateway acknowledged
// arrives, at QoS 2 once, in order; awake or asleep; over restarts of the gateway.
#include "tests/sim/sim_support.hpp"
#include "tests/support/sn_sim_client.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>

using namespace gw;
using namespace gw::test;
using namespace std::chrono_literals;

namespace {

constexpr int message_count = 60;
/// After so many messages the gateway knows that the client counts its message ids, and tells a
/// late copy from a new message: before, it must take both for new.
constexpr int known_count = 12;

Qos qos_of(int number) {
    return number < known_count || number % 2 == 0 ? Qos::at_least_once : Qos::exactly_once;
}

/// All messages, in the order of their first arrival, those at QoS 2 once.
void check_arrivals(const SnSimClient& client) {
    std::map<int, int> count;
    int newest = -1;
    for (const SnSimClient::Arrival& one : client.arrivals) {
        const int number = std::stoi(one.payload);
        if (count[number]++ == 0) {
            CHECK(number == newest + 1);
            newest = number;
        }
        CHECK(one.qos == qos_of(number));
    }
    CHECK(newest == message_count - 1);
    for (const auto& [number, times] : count) {
        if (qos_of(number) == Qos::exactly_once) {
            CAPTURE(number);
            CHECK(times == 1);
        }
    }
}

struct Radio {
    Radio(std::uint64_t seed, DatagramLink link, std::uint32_t workers)
        : world(options_for(seed, workers)), net(world, gateway_options(), link) {}

    static SimOptions options_for(std::uint64_t seed, std::uint32_t workers) {
        SimOptions options;
        options.seed = seed;
        options.worker_count = workers;
        options.exchange_delay_max = 2ms;
        options.storage_delay_max = seed % 2 == 0 ? 10ms : 0ms;
        return options;
    }
    static mqttsn::GatewayOptions gateway_options() {
        mqttsn::GatewayOptions options = open_gateway();
        options.retry_interval = 4s;
        return options;
    }
    /// Until nothing is left to do, within what even a very bad link needs.
    template <class Done>
    void run(const Done& done) {
        for (int round = 0; round < 20'000 && !done(); ++round) {
            world.run_for(1s);
        }
    }

    SimWorld world;
    SnNet net;
};

constexpr DatagramLink bad_link{.loss = 30, .duplication = 10, .delay_max = 400ms};

}  // namespace

TEST_CASE("radio: sensor to sensor over bad links") {
    for (const std::uint64_t seed : SimSeeds{}) {
        INFO(sim_repeat("radio: sensor to sensor over bad links", seed, "mqttsn_sim_test"));
        Radio radio{seed, bad_link, 1 + static_cast<std::uint32_t>(seed % 3)};
        SnSimClient publisher{radio.world, radio.net, "publisher", 40001};
        SnSimClient subscriber{radio.world, radio.net, "subscriber", 40002};
        subscriber.subscribe("a/+", Qos::exactly_once);
        subscriber.start();
        radio.run([&] { return subscriber.is_idle(); });
        const auto publish = [&](int first, int end) {
            for (int number = first; number < end; ++number) {
                publisher.publish("a/b", std::to_string(number), qos_of(number));
            }
            radio.run([&] { return publisher.is_idle(); });
        };
        publisher.start();
        radio.net.set_link({});
        publish(0, known_count);
        radio.net.set_link(bad_link);
        publish(known_count, message_count);
        radio.run([&] {
            return !subscriber.arrivals.empty() &&
                   subscriber.arrivals.back().payload == std::to_string(message_count - 1);
        });
        check_arrivals(subscriber);
        CHECK(publisher.violations.empty());
        CHECK(subscriber.violations.empty());
    }
}

TEST_CASE("radio: a sleeper over a bad link, and restarts of the gateway") {
    for (const std::uint64_t seed : SimSeeds{}) {
        INFO(sim_repeat("radio: a sleeper over a bad link, and restarts of the gateway", seed,
                        "mqttsn_sim_test"));
        Radio radio{seed, bad_link, 1 + static_cast<std::uint32_t>(seed % 3)};
        SnSimClient subscriber{radio.world, radio.net, "subscriber", 40002};
        subscriber.subscribe("a/+", Qos::exactly_once);
        subscriber.sleep(60s);
        subscriber.start();
        radio.run([&] { return subscriber.is_idle(); });
        for (int number = 0; number < message_count; ++number) {
            radio.world.turn(0, [&](Broker& broker) {
                broker.publish_internal("a/b", std::to_string(number), false, qos_of(number));
            });
            radio.world.run_for(Milliseconds{radio.world.random().below(40'000)});
            if (number % 20 == 10) {
                radio.net.restart();
            }
        }
        radio.run([&] {
            return !subscriber.arrivals.empty() &&
                   subscriber.arrivals.back().payload == std::to_string(message_count - 1);
        });
        check_arrivals(subscriber);
        CHECK(subscriber.violations.empty());
    }
}
