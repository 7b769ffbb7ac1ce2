#pragma once

#include "broker-core/base/random.hpp"
#include "broker-core/door/ban_list.hpp"
#include "broker-core/door/bounded_table.hpp"
#include "broker-core/metrics/metrics.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gw {

/// Limits on who may come how often. 0 switches a limit off.
struct DoorOptions {
    std::vector<IpRange> exempt;  // from rates, back-off and flapping, not from bans
    bool unix_is_exempt = true;
    /// Connections a second, and how many may come at once, of one IPv4 address or IPv6 /64, and of
    /// one IPv4 /24 or IPv6 /48.
    std::uint32_t address_rate = 0, address_burst = 0;
    std::uint32_t network_rate = 0, network_burst = 0;
    /// Failed logins before one has to wait, of a user name and of an address (without a name it
    /// is all that counts: one chooses one's client id); and how long: the first time, and at most.
    std::uint32_t free_failure_count = 0;
    std::uint32_t address_failure_count = 50;
    Milliseconds login_delay{1000}, login_delay_max{300000};
    /// So many connections of one client id ended within the window, and it is banned for a while.
    std::uint32_t flapping_count = 0;
    Milliseconds flapping_window{60000}, flapping_ban{300000};
    std::size_t table_count = 16384;  // addresses, and names, that are remembered
    std::size_t ban_count_max = 100000;
};

/// Somebody who connects; borrowed for the call.
struct Visitor {
    const IpAddress& ip;  // zero for Unix sockets
    std::string_view client_id;
    std::string_view username;  // as shown
};

/// What listeners and the core ask before they let somebody in, whatever the protocol. Everything
/// it remembers is bounded. Any thread: a mutex, held for some look-ups in tables, and only when a
/// connection comes or goes. Time is a parameter.
class Door {
public:
    Door(const DoorOptions& options, std::uint64_t seed);

    /// Rates count on; tables whose size changes begin anew.
    void set_options(const DoorOptions& options);

    /// A connection that was accepted and has said nothing yet. Why it is closed, or nothing.
    std::optional<DoorReason> admit(const IpAddress& ip, Now now);
    /// A client that says who it is, before anything is proven.
    std::optional<DoorReason> check_login(const Visitor& visitor, Now now);
    /// How it ended. A failure counts against the name, the name at this address, and the address.
    /// Successes of anonymous clients prove nothing and are not told here.
    void on_login_failed(const Visitor& visitor, Now now);
    void on_login_succeeded(const Visitor& visitor, Now now);
    /// Whether somebody is banned, by address, client id or name.
    bool is_banned(const Visitor& visitor, Now now);
    /// A connection that was let in has ended. The ban that it made by coming too often, if any.
    std::optional<Ban> on_disconnected(const ClientIdentity& client, Now now);

    /// @error  resource_limit
    Result<void> add_ban(Ban ban, Now now);
    bool remove_ban(BanKind kind, std::string_view name, const IpRange& range);
    /// Those that are not over.
    std::vector<Ban> bans(Now now);
    /// Counts up with each change of the bans, for whoever writes them down.
    std::uint64_t ban_version();

    /// Whether this refusal should be logged; then how many were passed over in silence since the
    /// last one for this reason. At most one a second for each reason.
    std::optional<std::uint64_t> note(DoorReason reason, Now now);

private:
    struct Bucket {
        std::int64_t milli_tokens = 0;
        MonotonicTime filled{};
        bool is_new = true;
    };
    struct Failures {
        std::uint32_t count = 0;
        MonotonicTime last{};
        MonotonicTime blocked_until{};
    };
    struct Endings {
        std::uint32_t count = 0;
        MonotonicTime window_start{};
    };
    struct Known {};  // the key says all
    struct Noted {
        MonotonicTime last{};
        std::uint64_t passed_over = 0;
        bool has_been = false;
    };

    bool is_exempt(const IpAddress& ip) const;
    bool is_on_list(const Visitor& visitor, WallTime now) const;
    std::uint64_t key_of(const IpAddress& ip, std::uint8_t v4_bits, std::uint8_t v6_bits) const;
    std::uint64_t address_key(const IpAddress& ip) const { return key_of(ip, 32, 64); }
    std::uint64_t network_key(const IpAddress& ip) const { return key_of(ip, 24, 48); }
    std::uint64_t user_key(const Visitor& visitor) const;
    std::uint64_t pair_key(const Visitor& visitor) const;
    static void fill(Bucket& bucket, std::uint32_t rate, std::uint32_t burst, MonotonicTime now);
    void fail(Failures& failures, std::uint32_t free_count, MonotonicTime now);
    bool is_blocked(const Failures* failures, MonotonicTime now) const {
        return failures != nullptr && now < failures->blocked_until;
    }
    void make_tables();
    void note_bans() { has_bans_.store(!bans_.empty(), std::memory_order_release); }

    std::mutex mutex_;  // guards everything below
    DoorOptions options_;
    const std::uint64_t key_;
    Random random_;
    BanList bans_;
    std::uint64_t ban_version_ = 0;
    std::atomic<bool> has_bans_{false};  // read without the mutex
    BoundedTable<Bucket> addresses_, networks_;
    BoundedTable<Failures> address_failures_, user_failures_, pair_failures_;
    BoundedTable<Known> known_;  // pairs that have logged in, and their addresses
    BoundedTable<Endings> endings_;
    std::array<Noted, door_reason_count> noted_{};
};

}  // namespace gw
