// Many clients, a bad network, real brokers: what was promised has to come true, for each seed.
#include "tests/sim/sessions_simulation.hpp"
#include "tests/sim/sim_support.hpp"

#include <doctest/doctest.h>

using namespace gw::test;

namespace {

struct Totals {
    std::size_t cuts = 0;
    std::size_t arrivals = 0;
    std::size_t duplicates = 0;
    std::size_t takeovers = 0;
    std::size_t dropped = 0;
    std::size_t crashes = 0;
};

using Trouble = SessionsSimulation::Trouble;

Totals run_all(const char* name, Trouble trouble) {
    Totals totals;
    for (const std::uint64_t seed : SimSeeds{}) {
        SessionsSimulation simulation{seed, trouble};
        const std::vector<std::string> failures = simulation.run();
        for (const std::string& failure : failures) {
            FAIL_CHECK(sim_repeat(name, seed) << ": " << failure);
        }
        totals.cuts += simulation.cut_count;
        totals.arrivals += simulation.arrival_count;
        totals.duplicates += simulation.duplicate_count;
        totals.takeovers += simulation.takeover_count;
        totals.dropped += simulation.dropped_count;
        totals.crashes += simulation.crash_count;
    }
    return totals;
}

}  // namespace

TEST_CASE("sessions keep their promises over a bad network") {
    const Totals totals = run_all("sessions keep*", Trouble::network);
    // That it was worth it: each kind of trouble did happen.
    CHECK(totals.arrivals > 0);
    CHECK(totals.cuts > 0);
    CHECK(totals.dropped == 0);
    MESSAGE("arrivals " << totals.arrivals << ", duplicates " << totals.duplicates << ", cuts "
                        << totals.cuts << ", takeovers " << totals.takeovers);
}

TEST_CASE("small queues and slow readers break no bound, no order and no QoS 2") {
    const Totals totals = run_all("small queues*", Trouble::tight);
    CHECK(totals.arrivals > 0);
    MESSAGE("arrivals " << totals.arrivals << ", dropped " << totals.dropped);
}

TEST_CASE("what was acknowledged outlives the process") {
    const Totals totals = run_all("what was*", Trouble::crashes);
    CHECK(totals.crashes > 0);
    CHECK(totals.dropped == 0);
    MESSAGE("arrivals " << totals.arrivals << ", duplicates " << totals.duplicates << ", crashes "
                        << totals.crashes);
}
