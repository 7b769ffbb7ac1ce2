#pragma once

#include "tests/support/fake_access.hpp"
#include "tests/support/sn_test_client.hpp"
#include "tests/support/test_client.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

namespace gw::test {

using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

/// A world with gateways in it.
struct SnFixture {
    explicit SnFixture(const mqttsn::GatewayOptions& options = open_gateway(),
                       const SimOptions& world_options = {})
        : world(world_options), net(world, options) {}

    /// A client that has connected; its port is its own.
    std::unique_ptr<SnTestClient> connected(std::string_view client_id, std::uint16_t duration = 60,
                                            bool is_clean = true) {
        auto client = fresh();
        client->connect(client_id, duration, is_clean);
        world.run_for(world.options().storage_delay_max);  // CONNACK may wait for the store
        REQUIRE(client->next() == "CONNACK");
        return client;
    }
    std::unique_ptr<SnTestClient> fresh() {
        return std::make_unique<SnTestClient>(world, net, next_port++);
    }
    /// What the broker itself says.
    void say(std::string_view topic, std::string_view payload, Qos qos = Qos::at_most_once,
             bool retain = false) {
        world.turn(0,
                   [&](Broker& broker) { broker.publish_internal(topic, payload, retain, qos); });
        world.settle();
    }
    std::uint64_t dropped(DatagramDrop reason) {
        return world.sum([reason](const Metrics& m) {
            return m.datagrams_dropped_by_reason[static_cast<std::size_t>(reason)].value();
        });
    }

    SimWorld world;
    SnNet net;
    std::uint16_t next_port = 40000;
};

}  // namespace gw::test

template <>
struct doctest::StringMaker<gw::test::Lines> {
    static String convert(const gw::test::Lines& lines) {
        std::string text = "{";
        for (const std::string& line : lines) {
            text += "\n    " + line;
        }
        return (text + "}").c_str();
    }
};
