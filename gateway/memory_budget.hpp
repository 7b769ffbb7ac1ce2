#pragma once

#include <cstdint>

namespace gw {

/// Three quarters of what this process may use: the machine's memory, or its control group's limit
/// when that is lower. Bytes.
std::uint64_t default_memory_budget_bytes();

}  // namespace gw
