#pragma once

#include "broker-core/base/clock.hpp"
#include "broker-core/base/hash.hpp"
#include "broker-core/base/ip_address.hpp"
#include "broker-core/base/result.hpp"
#include "broker-core/message/identity.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gw {

enum class BanKind : std::uint8_t { address, user, client };
std::string_view ban_kind_name(BanKind kind);

/// Somebody who is not let in.
struct Ban {
    BanKind kind = BanKind::client;
    IpRange range;       // of `address`
    std::string name;    // of `user` and `client`
    std::string reason;  // for people
    std::string by;      // who made it: "operator", "flapping"
    WallTime since{};
    WallTime until = WallTime::max();  // then it is over

    /// What it is about, as it is written: "10.0.0.0/8", "ann".
    std::string subject() const { return kind == BanKind::address ? range.text() : name; }
    bool is_over(WallTime now) const { return until <= now; }
    bool fits(const ClientIdentity& client) const;
};

/// All bans, found in constant time: addresses by each length of prefix that there is. Bounded. One
/// thread; time is a parameter.
class BanList {
public:
    explicit BanList(std::size_t count_max) : count_max_(count_max) {}

    void set_count_max(std::size_t count_max) { count_max_ = count_max; }
    /// Adds a ban, or replaces the one with the same subject.
    ///
    /// @error  resource_limit  there are as many as may be
    Result<void> add(Ban ban, WallTime now);
    /// False: there is none of this subject.
    bool remove(BanKind kind, std::string_view name, const IpRange& range);
    /// Forgets those that are over. True: there were some.
    bool sweep(WallTime now);

    const Ban* find_address(const IpAddress& address, WallTime now) const;
    const Ban* find_user(std::string_view name, WallTime now) const;
    const Ban* find_client(std::string_view client_id, WallTime now) const;

    bool empty() const { return count() == 0; }
    std::size_t count() const { return addresses_.size() + users_.size() + clients_.size(); }
    /// In the order of kind and subject.
    std::vector<Ban> list() const;

private:
    struct RangeHash {
        RangeHash() : key(draw_hash_key()) {}
        std::uint64_t key;
        std::size_t operator()(const IpRange& range) const {
            const auto* const bytes = reinterpret_cast<const char*>(range.base.bytes.data());
            return hash_text({bytes, range.base.bytes.size()}, key + range.prefix_bits);
        }
    };
    using Names = NameTable<Ban>;

    static const Ban* find_name(const Names& names, std::string_view name, WallTime now);

    std::size_t count_max_;
    std::unordered_map<IpRange, Ban, RangeHash> addresses_;
    std::array<std::uint32_t, 129> count_by_bits_{};  // of addresses_
    Names users_, clients_;
};

/// The range of this length that holds the address.
IpRange prefix_of(const IpAddress& address, std::uint8_t bits);

}  // namespace gw
