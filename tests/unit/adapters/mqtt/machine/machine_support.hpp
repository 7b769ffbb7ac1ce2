#pragma once

#include "broker-core/message/properties.hpp"
#include "tests/support/fake_access.hpp"
#include "tests/support/test_client.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

namespace gw::test {

using mqtt::PacketType;
using mqtt::Version;
using namespace std::chrono_literals;

using Lines = std::vector<std::string>;

/// What a MQTT 5 client hears when all is well, with the default settings.
inline const std::string welcome_v5 =
    "CONNACK receive_maximum=1024 maximum_packet_size=1048576 topic_alias_maximum=64";
inline const std::string welcome_v5_back =
    "CONNACK session_present receive_maximum=1024 maximum_packet_size=1048576 "
    "topic_alias_maximum=64";

/// A client that has connected; `change` as in TestClient::connect().
inline std::unique_ptr<TestClient> connected(
    SimWorld& world, std::string_view client_id, Version version = Version::v5,
    const std::function<void(mqtt::ConnectPacket&)>& change = nullptr,
    std::shared_ptr<const mqtt::MachineOptions> listener = nullptr) {
    auto client = std::make_unique<TestClient>(world, version, world.broker().worker_of(client_id),
                                               std::move(listener));
    client->connect(client_id, change);
    REQUIRE(client->next().starts_with("CONNACK"));
    REQUIRE_FALSE(client->is_closed());
    return client;
}

/// One that has subscribed as well.
inline std::unique_ptr<TestClient> subscribed(SimWorld& world, std::string_view client_id,
                                              std::string_view filter, Qos qos,
                                              Version version = Version::v5) {
    auto client = connected(world, client_id, version);
    client->subscribe(filter, {.qos = qos});
    REQUIRE(client->next().starts_with("SUBACK"));
    return client;
}

/// A persistent session, in any version.
inline void keep_session(mqtt::ConnectPacket& packet) {
    packet.clean_start = false;
    if (packet.version == Version::v5) {
        packet.session_expiry_interval = 3600;
    }
}

inline std::uint64_t dropped(SimWorld& world, DropReason reason) {
    return world.sum([reason](const Metrics& m) {
        return m.messages_dropped_by_reason[static_cast<std::size_t>(reason)].value();
    });
}
inline std::uint64_t closed_by(SimWorld& world, ReasonCode reason) {
    return world.sum([reason](const Metrics& m) {
        return m.connections_closed_by_reason[static_cast<std::size_t>(reason)].value();
    });
}
inline std::uint64_t refused_by(SimWorld& world, ReasonCode reason) {
    return world.sum([reason](const Metrics& m) {
        return m.connects_refused_by_reason[static_cast<std::size_t>(reason)].value();
    });
}

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
