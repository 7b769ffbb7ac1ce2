#include "broker-core/base/hash.hpp"

#include <random>

namespace gw {

std::uint64_t draw_hash_key() {
    std::random_device source;
    return static_cast<std::uint64_t>(source()) << 32 | source();
}

}  // namespace gw
