#include "gateway/memory_budget.hpp"

#include <algorithm>
#include <fstream>
#include <string>
#include <unistd.h>

namespace gw {

std::uint64_t default_memory_budget_bytes() {
    std::uint64_t bytes = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                          static_cast<std::uint64_t>(::sysconf(_SC_PAGE_SIZE));
    // Control group version 2: "0::/path" in cgroup, then memory.max, which may say "max".
    std::ifstream groups{"/proc/self/cgroup"};
    for (std::string line; std::getline(groups, line);) {
        if (line.rfind("0::", 0) == 0) {
            std::ifstream limit{"/sys/fs/cgroup" + line.substr(3) + "/memory.max"};
            std::uint64_t value = 0;
            if (limit >> value && value != 0) {
                bytes = std::min(bytes, value);
            }
        }
    }
    return bytes / 4 * 3;
}

}  // namespace gw
