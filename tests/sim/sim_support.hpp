#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <string>

namespace gw::test {

/// The seeds that a simulation runs, one after the other: `for (const std::uint64_t seed :
/// SimSeeds{})`. They begin at GW_SIM_FIRST (1) and go on for GW_SIM_SECONDS (2), but there are at
/// least `count_min` of them, however slow the machine. GW_SIM_COUNT says how many instead,
/// GW_SIM_SEED which single one. How many it were is printed at the end.
class SimSeeds {
public:
    explicit SimSeeds(std::uint64_t count_min = 5)
        : first_(number("GW_SIM_FIRST", 1)), count_min_(count_min), next_(first_) {
        if (const std::uint64_t only = number("GW_SIM_SEED", 0); only != 0) {
            next_ = first_ = only;
            count_min_ = count_max_ = 1;
        } else if (const std::uint64_t count = number("GW_SIM_COUNT", 0); count != 0) {
            count_min_ = count_max_ = count;
        }
    }
    SimSeeds(const SimSeeds&) = delete;
    SimSeeds& operator=(const SimSeeds&) = delete;
    ~SimSeeds() {
        const std::chrono::duration<double> passed = Clock::now() - start_;
        std::cout << "simulated " << next_ - first_ << " seeds from " << first_ << " on in "
                  << passed.count() << " s: " << doctest::getContextOptions()->currentTest->m_name
                  << "\n";
    }

    struct End {};
    struct Iterator {
        SimSeeds& seeds;
        std::uint64_t operator*() const { return seeds.next_; }
        Iterator& operator++() {
            ++seeds.next_;
            return *this;
        }
        bool operator!=(End) const { return seeds.goes_on(); }
    };
    Iterator begin() { return {*this}; }
    static End end() { return {}; }

private:
    using Clock = std::chrono::steady_clock;

    static std::uint64_t number(const char* name, std::uint64_t fallback) {
        const char* const text = std::getenv(name);
        return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
    }
    bool goes_on() const {
        const std::uint64_t count = next_ - first_;
        return count < count_min_ || (count < count_max_ && Clock::now() - start_ < budget_);
    }

    std::uint64_t first_;
    std::uint64_t count_min_;
    std::uint64_t count_max_ = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t next_;
    std::chrono::seconds budget_{number("GW_SIM_SECONDS", 2)};
    Clock::time_point start_ = Clock::now();
};

/// How to see a failure again.
inline std::string sim_repeat(const char* test_case, std::uint64_t seed,
                              const char* program = "sim_test") {
    return "seed=" + std::to_string(seed) + "; repeat: GW_SIM_SEED=" + std::to_string(seed) + " " +
           program + " -tc='" + test_case + "'";
}

}  // namespace gw::test
