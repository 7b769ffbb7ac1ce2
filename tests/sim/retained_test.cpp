// What is retained reaches whoever has subscribed to it (MQTT 5.0, 3.3.1.3), though the process
// dies after SUBACK.
#include "tests/sim/sim_support.hpp"
#include "tests/support/sim_client.hpp"
#include "tests/support/sim_world.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace gw;
using namespace gw::test;

TEST_CASE("what SUBACK has promised of retained messages outlives the process") {
    constexpr int topic_count = 100;  // more than a page
    std::size_t again = 0;
    for (const std::uint64_t seed : SimSeeds{}) {
        INFO(sim_repeat("what SUBACK*", seed));
        Random random{seed};
        SimOptions options;
        options.seed = seed;
        options.worker_count = 1U << (seed % 3);
        options.storage_delay_max = Milliseconds{20};
        options.exchange_delay_max = Milliseconds{10};
        options.network_delay_max = Milliseconds{5};
        options.broker.presence_events = false;
        SimWorld world{options};
        world.turn(0, [](Broker& broker) {
            for (int i = 0; i < topic_count; ++i) {
                const std::string name = std::to_string(i);
                broker.publish_internal("r/" + name + "/x", name, true, static_cast<Qos>(i % 3));
            }
        });
        world.run_for(Milliseconds{100});

        SimClientOptions reader_options;
        reader_options.client_id = "reader";
        reader_options.version = seed % 2 == 0 ? mqtt::Version::v5 : mqtt::Version::v3_1_1;
        reader_options.receive_maximum = static_cast<std::uint16_t>(1 + random.below(20));
        SimClient reader{world, reader_options};
        reader.connect(0);
        world.run_for(Milliseconds{100});
        REQUIRE(reader.is_online());
        // Messages at a single topic, at QoS 0 and of another page are given by other ways.
        const std::string filters[] = {"r/#", "r/1/x", "r/+/x"};
        for (const std::string& filter : filters) {
            reader.subscribe(filter, Qos::exactly_once);
        }
        const auto is_done = [&] {
            return std::all_of(std::begin(filters), std::end(filters),
                               [&](const auto& filter) { return reader.is_subscribed(filter); });
        };
        for (int i = 0; i < 1000 && !is_done(); ++i) {
            world.run_for(Milliseconds{1});
        }
        REQUIRE(is_done());
        for (std::uint64_t crashes = 1 + random.below(3); crashes != 0; --crashes) {
            world.run_for(Milliseconds{random.below(100)});
            world.crash();
            reader.connect(0);
        }
        world.run_for(Seconds{60});

        for (int i = 0; i < topic_count; ++i) {
            const auto count = std::count_if(
                reader.arrivals.begin(), reader.arrivals.end(),
                [name = std::to_string(i)](const SimArrival& one) { return one.payload == name; });
            const auto promised = i == 1 ? 3 : 2;
            CAPTURE(i);
            switch (static_cast<Qos>(i % 3)) {
                case Qos::at_most_once:
                    CHECK(count <= promised);
                    break;
                case Qos::at_least_once:
                    CHECK(count >= promised);
                    again += static_cast<std::size_t>(count - promised);
                    break;
                case Qos::exactly_once:
                    CHECK(count == promised);
                    break;
            }
        }
        CHECK(reader.violations.empty());
    }
    CHECK(again > 0);  // the process did die in the middle of it
}
