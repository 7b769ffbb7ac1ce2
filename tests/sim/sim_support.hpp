#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace gw::test {

/// Which seeds a simulation runs: 1 to `count` by default; one by GW_SIM_SEED, or another number
/// of them by GW_SIM_COUNT, from GW_SIM_FIRST on.
inline std::vector<std::uint64_t> sim_seeds(std::uint64_t count) {
    const auto number = [](const char* name, std::uint64_t fallback) {
        const char* const text = std::getenv(name);
        return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
    };
    std::uint64_t first = number("GW_SIM_FIRST", 1);
    count = number("GW_SIM_COUNT", count);
    if (const std::uint64_t only = number("GW_SIM_SEED", 0); only != 0) {
        first = only;
        count = 1;
    }
    std::vector<std::uint64_t> seeds;
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
        seeds.push_back(seed);
    }
    return seeds;
}

/// How to see a failure again.
inline std::string sim_repeat(const char* test_case, std::uint64_t seed,
                              const char* program = "sim_test") {
    return "seed=" + std::to_string(seed) + "; repeat: GW_SIM_SEED=" + std::to_string(seed) + " " +
           program + " -tc='" + test_case + "'";
}

}  // namespace gw::test
