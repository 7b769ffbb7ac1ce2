#include "adapters/transport/peer_table.hpp"

#include "broker-core/base/random.hpp"

#include <doctest/doctest.h>

#include <map>
#include <utility>

using namespace gw;
using namespace gw::transport;

namespace {

DatagramPeer peer_of(std::uint32_t number, bool is_v6) {
    DatagramPeer peer;
    const std::array<std::uint8_t, 4> low{10, static_cast<std::uint8_t>(number >> 16),
                                          static_cast<std::uint8_t>(number >> 8),
                                          static_cast<std::uint8_t>(number)};
    peer.ip = IpAddress::from_v4(low);
    if (is_v6) {
        peer.ip.bytes[0] = 0xfd;
    }
    peer.port = static_cast<std::uint16_t>(1000 + number % 7);
    return peer;
}

}  // namespace

TEST_CASE("the peer table agrees with a map over random steps, for both kinds of address") {
    Random random{7};
    PeerTable table{42};
    std::map<std::pair<std::uint32_t, bool>, PeerOwner> model;
    for (int step = 0; step < 200'000; ++step) {
        const auto number = static_cast<std::uint32_t>(random.below(2000));
        const bool is_v6 = random.below(2) == 0;
        const DatagramPeer peer = peer_of(number, is_v6);
        const auto known = model.find({number, is_v6});
        const PeerOwner* const expected = known != model.end() ? &known->second : nullptr;
        const auto is_expected = [&](const std::optional<PeerOwner>& found) {
            return found.has_value() ? expected != nullptr && *found == *expected
                                     : expected == nullptr;
        };
        switch (random.below(4)) {
            case 0:
                table.erase(peer);
                model.erase({number, is_v6});
                break;
            case 1: {
                const PeerOwner owner{static_cast<std::uint8_t>(random.below(8)),
                                      static_cast<std::uint32_t>(step)};
                REQUIRE(is_expected(table.put(peer, owner)));
                model[{number, is_v6}] = owner;
                break;
            }
            default:
                REQUIRE(is_expected(table.find(peer)));
        }
        REQUIRE(table.size() == model.size());
    }
}

TEST_CASE("the port is part of the address; an empty table holds no memory for long") {
    PeerTable table{1};
    DatagramPeer peer = peer_of(5, false);
    table.put(peer, {1, 2});
    ++peer.port;
    CHECK_FALSE(table.find(peer).has_value());
    table.erase(peer);
    CHECK(table.size() == 1);
    --peer.port;
    table.erase(peer);
    CHECK(table.size() == 0);
    CHECK_FALSE(table.find(peer).has_value());
}

TEST_CASE("a peer's text names address and port") {
    CHECK(peer_of(258, false).text() == "10.0.1.2:1006");
    DatagramPeer six;
    six.ip = *IpAddress::parse("fd00::1");
    six.port = 1884;
    CHECK(six.text() == "[fd00::1]:1884");
}
