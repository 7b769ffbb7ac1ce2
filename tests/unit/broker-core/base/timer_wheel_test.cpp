// The wheel against a plain list, with jumps from a millisecond to years.
#include "broker-core/base/timer_wheel.hpp"

#include "broker-core/base/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <vector>

using namespace gw;

namespace {

constexpr std::int64_t day_ms = 24LL * 3600 * 1000;

/// From very near to far beyond the wheel's reach of two years.
std::int64_t any_distance(Random& random) {
    constexpr std::array<std::int64_t, 8> scales = {
        1, 64, 5000, 300'000, day_ms, 40 * day_ms, 800 * day_ms, 8000 * day_ms};
    const auto scale = static_cast<std::uint64_t>(scales[random.below(scales.size())]);
    return static_cast<std::int64_t>(random.below(scale + 1));
}

void run_against_list(std::uint64_t seed) {
    CAPTURE(seed);
    Random random{seed};
    const MonotonicTime start{Milliseconds{random.below(1'000'000'000)}};
    MonotonicTime now = start;
    TimerWheel wheel{start};
    std::deque<TimerNode> nodes(200);
    std::vector<MonotonicTime> model(nodes.size(), never);
    std::vector<MonotonicTime> order(nodes.size(), never);
    std::size_t fired_count = 0;
    for (int round = 0; round < 3000; ++round) {
        const std::size_t index = random.below(nodes.size());
        const std::uint64_t action = random.below(10);
        if (action < 6) {
            model[index] = now + Milliseconds{any_distance(random) - 3};
            order[index] = std::max(model[index], now);  // what is late already comes first
            wheel.schedule(nodes[index], model[index]);
        } else if (action == 6) {
            model[index] = never;
            wheel.cancel(nodes[index]);
        } else if (action == 7) {
            model[index] = never;
            wheel.schedule(nodes[index], never);
        } else {
            now += Milliseconds{any_distance(random)};
            MonotonicTime last{Milliseconds{-1}};
            while (TimerNode* const node = wheel.pop_expired(now)) {
                const auto at = std::find_if(nodes.begin(), nodes.end(),
                                             [node](const TimerNode& n) { return &n == node; });
                const auto position = static_cast<std::size_t>(at - nodes.begin());
                REQUIRE(model[position] <= now);
                REQUIRE(order[position] >= last);
                last = order[position];
                model[position] = never;
                ++fired_count;
            }
            REQUIRE(*std::min_element(model.begin(), model.end()) > now);
        }
        const MonotonicTime next = *std::min_element(model.begin(), model.end());
        REQUIRE(wheel.empty() == (next == never));
        REQUIRE(wheel.next_deadline() <= std::max(next, now));
        REQUIRE((next == never) == (wheel.next_deadline() == never));
    }
    CHECK(fired_count > 100);
    for (TimerNode& node : nodes) {
        wheel.cancel(node);
    }
    CHECK(wheel.empty());
}

}  // namespace

TEST_CASE("the timer wheel agrees with a list") {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        run_against_list(seed);
    }
}

TEST_CASE("whoever sleeps until next_deadline() wakes a bounded number of times, and in time") {
    Random random{7};
    for (int round = 0; round < 300; ++round) {
        const MonotonicTime start{Milliseconds{random.below(1'000'000)}};
        TimerWheel wheel{start};
        TimerNode node;
        const MonotonicTime due = start + Milliseconds{any_distance(random)};
        wheel.schedule(node, due);
        MonotonicTime now = start;
        int wake_count = 0;
        while (node.is_scheduled()) {
            REQUIRE(wheel.next_deadline() >= now);
            now = wheel.next_deadline();
            REQUIRE(now <= due);
            wheel.pop_expired(now);
            REQUIRE(++wake_count <= 40);
        }
        CHECK(now == due);
    }
}

TEST_CASE("a timer may be scheduled again, and cancelled, while those beside it fire") {
    TimerWheel wheel{MonotonicTime{}};
    std::array<TimerNode, 3> nodes;
    for (TimerNode& node : nodes) {
        wheel.schedule(node, MonotonicTime{Milliseconds{100}});
    }
    TimerNode* const first = wheel.pop_expired(MonotonicTime{Milliseconds{100}});
    REQUIRE(first == &nodes[0]);
    wheel.cancel(nodes[1]);
    wheel.schedule(nodes[0], MonotonicTime{Milliseconds{100}});
    wheel.schedule(nodes[2], MonotonicTime{Milliseconds{200}});
    CHECK(wheel.pop_expired(MonotonicTime{Milliseconds{100}}) == &nodes[0]);
    CHECK(wheel.pop_expired(MonotonicTime{Milliseconds{199}}) == nullptr);
    CHECK(wheel.pop_expired(MonotonicTime{Milliseconds{200}}) == &nodes[2]);
    CHECK(wheel.empty());
}
