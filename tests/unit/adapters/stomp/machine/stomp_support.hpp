#pragma once

#include "tests/support/stomp_client.hpp"
#include "tests/support/test_client.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using gw::stomp::Command;
using gw::stomp::Version;

namespace gw::test {

using Lines = std::vector<std::string>;

/// A connected client whose CONNECTED was read.
inline std::unique_ptr<StompClient> logged_in(
    SimWorld& world, Version version = Version::v1_2, const StompHeaders& headers = {},
    const stomp::MachineOptions& options = open_stomp_listener()) {
    auto client = std::make_unique<StompClient>(world, 0, options);
    client->connect(version, headers);
    world.run_for(world.options().storage_delay_max);  // CONNECTED may wait for the store
    const StompFrame connected = client->next_frame();
    REQUIRE(connected.command == "CONNECTED");
    return client;
}

/// The client has got ERROR with this message, and nothing else, and was closed.
inline void check_refused(StompClient& client, std::string_view message) {
    const StompFrame error = client.next_frame();
    CHECK(error.command == "ERROR");
    CHECK(error.get("message") == message);
    CHECK_FALSE(error.body.empty());
    CHECK(client.next() == "");
    CHECK(client.is_closed());
}

/// An MQTT client of the same world.
inline std::unique_ptr<TestClient> mqtt_client(SimWorld& world, std::string_view id,
                                               mqtt::Version version = mqtt::Version::v5) {
    auto client = std::make_unique<TestClient>(world, version);
    client->connect(id);
    client->next();
    return client;
}

}  // namespace gw::test
