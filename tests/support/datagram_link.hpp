#pragma once

#include "tests/support/sim_world.hpp"

#include <functional>
#include <memory>

namespace gw::test {

/// What a network of datagrams is like. Chances in percent, for each datagram and way.
struct DatagramLink {
    unsigned loss = 0;
    unsigned duplication = 0;
    Milliseconds delay_max{0};  // drawn for each datagram: they overtake each other
};

/// Passes a datagram on as the link does: not at all, or once or twice, each time later. What it
/// does at the other end is left out when `*exists` is false by then.
void travel(SimWorld& world, const DatagramLink& link, const std::shared_ptr<bool>& exists,
            const std::function<void()>& arrival);

}  // namespace gw::test
