#pragma once

#include "broker-core/auth/auth_module.hpp"
#include "broker-core/base/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>

namespace gw {

/// Decisions about logins that were costly to make, for a short time. Bounded: the one that was
/// not asked for longest goes first. One worker's.
class AuthCache {
public:
    explicit AuthCache(std::size_t count_max) : count_max_(count_max) {}

    /// The decision about this login, or null. One made for another generation of the accounts is
    /// not given, and neither is one that is too old.
    const AuthDecision* find(const AuthKey& key, std::uint64_t generation, MonotonicTime now);
    void keep(const AuthKey& key, std::uint64_t generation, MonotonicTime until,
              const AuthDecision& decision);
    void set_count_max(std::size_t count_max);

    std::size_t size() const { return entries_.size(); }

private:
    struct Entry {
        AuthKey key;
        std::uint64_t generation;
        MonotonicTime until;
        AuthDecision decision;
    };
    struct Hash {
        std::size_t operator()(const AuthKey& key) const;
    };
    using Entries = std::list<Entry>;  // lately used first

    void trim();

    std::size_t count_max_;
    Entries entries_;
    std::unordered_map<AuthKey, Entries::iterator, Hash> by_key_;
};

}  // namespace gw
