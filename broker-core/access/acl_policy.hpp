#pragma once

#include "broker-core/access/acl_table.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace gw {

/// Answers from an AclTable, for all workers at once: each has its own reference to the rules and
/// its own store of profiles, so that nothing is shared on the way of a message.
class AclPolicy final : public AccessPolicy {
public:
    AclPolicy(std::uint32_t worker_count, const AclTablePtr& table);

    /// Puts other rules in place for one worker; on that worker's thread, or before it runs. What
    /// the old ones had allowed is revoked by Broker::revise_access().
    void install(std::uint32_t worker, AclTablePtr table);

    AccessDecision check(const AccessRequest& request) override;
    bool checks_delivery(std::uint32_t worker, std::string_view topic) const override {
        return workers_[worker].table->filters_topic(topic);
    }
    bool opens_sys(const AccessRequest& request) override;
    bool refuses_subscriptions(std::uint32_t worker) const override {
        return workers_[worker].table->refuses_subscriptions();
    }

    /// Profiles that a worker keeps for clients to come. That worker's thread.
    std::size_t profile_count(std::uint32_t worker) const {
        return workers_[worker].profiles.size();
    }

private:
    struct alignas(64) Worker {
        AclTablePtr table;
        std::uint32_t generation = 0;
        /// By the rules of the file that concern a client. Those that no client has any more are
        /// thrown out when the number has doubled.
        std::map<std::vector<std::uint32_t>, AclProfilePtr> profiles;
        std::size_t sweep_at = 64;
    };

    const AclProfile& profile_of(const ClientIdentity& client);
    static AclProfilePtr find_profile(Worker& worker, const ClientIdentity& client);

    std::vector<Worker> workers_;
};

}  // namespace gw
