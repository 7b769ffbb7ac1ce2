#pragma once

#include "broker-core/access/acl_policy.hpp"
#include "broker-core/broker/broker.hpp"
#include "broker-core/door/door.hpp"
#include "config/model/config.hpp"
#include "gateway/access/ban_keeper.hpp"
#include "gateway/access/loop_lag.hpp"
#include "gateway/control/manage.hpp"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace gw {

/// The access rules and the door of the program: what App would otherwise have to know of them.
/// The main thread's, but for what says otherwise.
class AccessControl {
public:
    struct Context {
        std::uint32_t worker_count = 1;
        std::filesystem::path data_dir;
        std::function<void(std::uint32_t worker, BrokerTask task)> post;
        std::function<Now()> clock;
        Log* log = nullptr;
    };

    AccessControl(Context context, const config::Config& config, std::uint64_t seed);

    const std::shared_ptr<AclPolicy>& policy() const { return policy_; }
    const std::shared_ptr<Door>& door() const { return door_; }

    /// Reads the rules again; changes nothing. The failure names every mistake, a line each.
    Result<AclTablePtr> prepare(const config::Config& config) const;
    /// Puts them, and the limits, in place. While the workers run it returns when each of them has
    /// revoked what is not allowed any more.
    void apply(const config::Config& config, const AclTablePtr& table, bool is_running);
    /// Takes the bans from the data folder. Throws std::runtime_error.
    void load_bans();
    /// They may have changed, and are to be written down then. Any thread; does not wait.
    void keep_bans() { ban_keeper_.look(); }

    /// Answers acl_test, ban_add, ban_del and ban_list. A change of bans that cannot be written
    /// down is an error, though it is in force.
    Result<std::string> manage(const std::string& name, const ManageFields& fields);

    /// Why nobody is let in at present, or nothing: too many have not said who they are, or the
    /// workers are behind. Any thread.
    std::optional<DoorReason> overload();
    /// Why this address is not let in, or nothing. Any thread.
    std::optional<DoorReason> admit(const IpAddress& ip);
    /// Whether this address is banned, however seldom it comes. Any thread.
    bool is_banned(const IpAddress& ip);
    /// Connections that have not been authenticated; counted by CountTicket.
    CountTicket::Counter& unauthenticated_count() { return unauthenticated_count_; }

private:
    void install(const AclTablePtr& table, bool is_running);
    void end_banned(const Ban& ban);

    const Context context_;
    config::Config config_;
    AclTablePtr table_;
    std::shared_ptr<AclPolicy> policy_;
    std::shared_ptr<Door> door_;
    LoopLag lag_;
    CountTicket::Counter unauthenticated_count_{0};
    std::atomic<std::uint64_t> unauthenticated_count_max_{0};
    std::atomic<std::int64_t> loop_lag_max_ms_{0};
    BanKeeper ban_keeper_;  // last: its thread asks the door
};

}  // namespace gw
