#include "tests/support/datagram_link.hpp"

namespace gw::test {

void travel(SimWorld& world, const DatagramLink& link, const std::shared_ptr<bool>& exists,
            const std::function<void()>& arrival) {
    Random& random = world.random();
    const auto later = [&] {
        Milliseconds delay{0};
        if (link.delay_max != Milliseconds{0}) {
            delay =
                Milliseconds{random.below(static_cast<std::uint64_t>(link.delay_max.count()) + 1)};
        }
        world.after(delay, [arrival, exists] {
            if (*exists) {
                arrival();
            }
        });
    };
    if (random.below(100) >= link.loss) {
        later();
    }
    if (random.below(100) < link.duplication) {
        later();
    }
}

}  // namespace gw::test
