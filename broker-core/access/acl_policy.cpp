#include "broker-core/access/acl_policy.hpp"

#include <algorithm>
#include <utility>

namespace gw {

AclPolicy::AclPolicy(std::uint32_t worker_count, const AclTablePtr& table)
    : workers_(worker_count) {
    for (std::uint32_t i = 0; i < worker_count; ++i) {
        install(i, table);
    }
}

void AclPolicy::install(std::uint32_t worker, AclTablePtr table) {
    Worker& mine = workers_[worker];
    mine.table = std::move(table);
    mine.profiles.clear();
    ++mine.generation;
}

AclProfilePtr AclPolicy::find_profile(Worker& worker, const ClientIdentity& client) {
    std::vector<std::uint32_t> rules = worker.table->rules_for(client);
    const bool has_own =
        client.grants && (client.grants->has_rules || !client.grants->rules.empty());
    if (has_own) {
        return worker.table->make_profile(rules, client.grants.get());
    }
    AclProfilePtr& place = worker.profiles[rules];
    if (!place) {
        place = worker.table->make_profile(rules, nullptr);
    }
    AclProfilePtr profile = place;
    if (worker.profiles.size() >= worker.sweep_at) {
        std::erase_if(worker.profiles,
                      [](const auto& entry) { return !entry.second->is_shared(); });
        worker.sweep_at = std::max<std::size_t>(64, worker.profiles.size() * 2);
    }
    return profile;
}

const AclProfile& AclPolicy::profile_of(const ClientIdentity& client) {
    Worker& worker = workers_[client.session.worker()];
    AccessSlot& slot = client.access;
    if (slot.generation != worker.generation) [[unlikely]] {
        slot.found = IntrusivePtr<const AccessFindings>{find_profile(worker, client).get()};
        slot.generation = worker.generation;
    }
    return static_cast<const AclProfile&>(*slot.found);
}

AccessDecision AclPolicy::check(const AccessRequest& request) {
    const AclProfile& profile = profile_of(request.client);
    return profile.judge(request.action, request.topic, request.client).decision;
}

bool AclPolicy::opens_sys(const AccessRequest& request) {
    return profile_of(request.client).opens_sys(request.action, request.topic, request.client);
}

}  // namespace gw
