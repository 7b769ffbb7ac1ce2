#include "broker-core/door/door.hpp"

#include "broker-core/base/hash.hpp"

#include <algorithm>
#include <utility>

namespace gw {

Door::Door(const DoorOptions& options, std::uint64_t seed)
    : options_(options),
      key_(seed),
      random_(seed ^ 0x5bd1e995),
      bans_(options.ban_count_max),
      addresses_(options.table_count),
      networks_(options.table_count),
      address_failures_(options.table_count),
      user_failures_(options.table_count),
      pair_failures_(options.table_count),
      known_(options.table_count),
      endings_(options.table_count) {}

void Door::set_options(const DoorOptions& options) {
    const std::lock_guard lock{mutex_};
    const bool is_resized = options.table_count != options_.table_count;
    options_ = options;
    bans_.set_count_max(options.ban_count_max);
    if (is_resized) {
        make_tables();
    }
}

void Door::make_tables() {
    const std::size_t count = options_.table_count;
    addresses_ = BoundedTable<Bucket>{count};
    networks_ = BoundedTable<Bucket>{count};
    address_failures_ = BoundedTable<Failures>{count};
    user_failures_ = BoundedTable<Failures>{count};
    pair_failures_ = BoundedTable<Failures>{count};
    known_ = BoundedTable<Known>{count};
    endings_ = BoundedTable<Endings>{count};
}

bool Door::is_exempt(const IpAddress& ip) const {
    if (ip == IpAddress{}) {
        return options_.unix_is_exempt;
    }
    return std::any_of(options_.exempt.begin(), options_.exempt.end(),
                       [&ip](const IpRange& range) { return range.contains(ip); });
}

std::uint64_t Door::key_of(const IpAddress& ip, std::uint8_t v4_bits, std::uint8_t v6_bits) const {
    const IpRange range =
        prefix_of(ip, ip.is_v4() ? static_cast<std::uint8_t>(96 + v4_bits) : v6_bits);
    const auto* const bytes = reinterpret_cast<const char*>(range.base.bytes.data());
    return hash_text({bytes, range.base.bytes.size()}, key_ + range.prefix_bits);
}

std::uint64_t Door::user_key(const Visitor& visitor) const {
    return hash_text(visitor.username, key_);
}

/// A name at an address.
std::uint64_t Door::pair_key(const Visitor& visitor) const {
    return hash_text(visitor.username, address_key(visitor.ip));
}

void Door::fill(Bucket& bucket, std::uint32_t rate, std::uint32_t burst, MonotonicTime now) {
    const std::int64_t most = static_cast<std::int64_t>(std::max(burst, rate)) * 1000;
    if (std::exchange(bucket.is_new, false)) {
        bucket.milli_tokens = most;
    } else {
        const std::int64_t elapsed = (now - bucket.filled).count();
        // Beyond this much time the bucket is full, and the product might not fit.
        const std::int64_t enough = most / static_cast<std::int64_t>(rate) + 1;
        bucket.milli_tokens =
            elapsed >= enough
                ? most
                : std::min(most, bucket.milli_tokens + elapsed * static_cast<std::int64_t>(rate));
    }
    bucket.filled = now;
}

std::optional<DoorReason> Door::admit(const IpAddress& ip, Now now) {
    const std::lock_guard lock{mutex_};
    if (bans_.find_address(ip, now.wall) != nullptr) {
        return DoorReason::banned;
    }
    if (is_exempt(ip)) {
        return std::nullopt;
    }
    // Where many fail and nobody has ever logged in, nobody is listened to; others are told at
    // their login.
    if (const Failures* const failures = address_failures_.find(address_key(ip));
        is_blocked(failures, now.monotonic) &&
        failures->count > options_.address_failure_count + 8 &&
        known_.find(address_key(ip)) == nullptr) {
        return DoorReason::login_delay;
    }
    Bucket* address = nullptr;
    if (options_.address_rate != 0) {
        address = &addresses_.get(address_key(ip), now.monotonic);
        fill(*address, options_.address_rate, options_.address_burst, now.monotonic);
        if (address->milli_tokens < 1000) {
            return DoorReason::address_rate;
        }
    }
    if (options_.network_rate != 0) {
        Bucket& network = networks_.get(network_key(ip), now.monotonic);
        fill(network, options_.network_rate, options_.network_burst, now.monotonic);
        if (network.milli_tokens < 1000) {
            return DoorReason::network_rate;
        }
        network.milli_tokens -= 1000;
    }
    if (address != nullptr) {
        address->milli_tokens -= 1000;
    }
    return std::nullopt;
}

bool Door::is_on_list(const Visitor& visitor, WallTime now) const {
    return bans_.find_user(visitor.username, now) != nullptr ||
           bans_.find_client(visitor.client_id, now) != nullptr ||
           bans_.find_address(visitor.ip, now) != nullptr;
}

std::optional<DoorReason> Door::check_login(const Visitor& visitor, Now now) {
    const std::lock_guard lock{mutex_};
    if (is_on_list(visitor, now.wall)) {
        return DoorReason::banned;
    }
    if (options_.free_failure_count == 0 || is_exempt(visitor.ip)) {
        return std::nullopt;
    }
    // Who shows no name chooses his client id: he is known by his address, and as nobody there.
    if (visitor.username.empty()) {
        const bool is_waiting =
            is_blocked(address_failures_.find(address_key(visitor.ip)), now.monotonic);
        return is_waiting ? std::optional{DoorReason::login_delay} : std::nullopt;
    }
    if (is_blocked(pair_failures_.find(pair_key(visitor)), now.monotonic)) {
        return DoorReason::login_delay;
    }
    // What others do, under the same name or behind the same address, must not keep somebody out of
    // where he has logged in before.
    const bool is_blocked_by_others =
        is_blocked(address_failures_.find(address_key(visitor.ip)), now.monotonic) ||
        is_blocked(user_failures_.find(user_key(visitor)), now.monotonic);
    if (is_blocked_by_others && known_.find(pair_key(visitor)) == nullptr) {
        return DoorReason::login_delay;
    }
    return std::nullopt;
}

void Door::fail(Failures& failures, std::uint32_t free_count, MonotonicTime now) {
    // A rare failure now and then never adds up: what there is halves with each longest wait.
    const std::int64_t longest = std::max<std::int64_t>(options_.login_delay_max.count(), 1);
    const std::int64_t elapsed = (now - failures.last).count();
    failures.count >>= std::clamp<std::int64_t>(elapsed / longest, 0, 31);
    failures.last = now;
    constexpr std::uint32_t doublings_max = 16;
    failures.count = std::min(failures.count + 1, free_count + 1 + doublings_max);
    if (failures.count <= free_count) {
        return;
    }
    const std::uint32_t doublings = failures.count - free_count - 1;
    const std::int64_t delay = std::min(options_.login_delay.count() << doublings, longest);
    // A quarter more or less, so that clients that failed together do not come back together.
    const std::int64_t jittered =
        delay * 3 / 4 +
        static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(delay / 2 + 1)));
    failures.blocked_until = now + Milliseconds{jittered};
}

void Door::on_login_failed(const Visitor& visitor, Now now) {
    const std::lock_guard lock{mutex_};
    const std::uint32_t free_count = options_.free_failure_count;
    if (free_count == 0 || is_exempt(visitor.ip)) {
        return;
    }
    if (visitor.username.empty()) {
        fail(address_failures_.get(address_key(visitor.ip), now.monotonic),
             options_.address_failure_count, now.monotonic);
        return;
    }
    Failures& pair = pair_failures_.get(pair_key(visitor), now.monotonic);
    fail(pair, free_count, now.monotonic);
    // One device that tries an old password for ever says nothing of its neighbours.
    if (pair.count <= free_count) {
        fail(address_failures_.get(address_key(visitor.ip), now.monotonic),
             options_.address_failure_count, now.monotonic);
    }
    fail(user_failures_.get(user_key(visitor), now.monotonic), free_count, now.monotonic);
}

void Door::on_login_succeeded(const Visitor& visitor, Now now) {
    const std::lock_guard lock{mutex_};
    if (options_.free_failure_count == 0 || is_exempt(visitor.ip)) {
        return;
    }
    // One good login does not wash away what others try from the same address.
    if (!visitor.username.empty()) {
        pair_failures_.erase(pair_key(visitor));
        user_failures_.erase(user_key(visitor));
        known_.get(pair_key(visitor), now.monotonic);
    }
    known_.get(address_key(visitor.ip), now.monotonic);
}

bool Door::is_banned(const Visitor& visitor, Now now) {
    if (!has_bans_.load(std::memory_order_acquire)) {
        return false;  // asked for each datagram
    }
    const std::lock_guard lock{mutex_};
    return is_on_list(visitor, now.wall);
}

std::optional<Ban> Door::on_disconnected(const ClientIdentity& client, Now now) {
    const std::lock_guard lock{mutex_};
    if (options_.flapping_count == 0 || is_exempt(client.ip)) {
        return std::nullopt;
    }
    Endings& endings = endings_.get(hash_text(client.client_id, key_), now.monotonic);
    if (endings.count == 0 || now.monotonic - endings.window_start > options_.flapping_window) {
        endings = {0, now.monotonic};
    }
    if (++endings.count < options_.flapping_count) {
        return std::nullopt;
    }
    endings.count = 0;
    Ban ban;
    ban.kind = BanKind::client;
    ban.name = client.client_id;
    ban.reason = std::to_string(options_.flapping_count) + " connections ended within " +
                 std::to_string(options_.flapping_window.count() / 1000) + " s";
    ban.by = "flapping";
    ban.since = now.wall;
    ban.until = now.wall + options_.flapping_ban;
    if (!bans_.add(ban, now.wall)) {
        return std::nullopt;
    }
    ++ban_version_;
    note_bans();
    return ban;
}

Result<void> Door::add_ban(Ban ban, Now now) {
    const std::lock_guard lock{mutex_};
    auto added = bans_.add(std::move(ban), now.wall);
    ban_version_ += added ? 1 : 0;
    note_bans();
    return added;
}

bool Door::remove_ban(BanKind kind, std::string_view name, const IpRange& range) {
    const std::lock_guard lock{mutex_};
    const bool is_removed = bans_.remove(kind, name, range);
    ban_version_ += is_removed ? 1 : 0;
    note_bans();
    return is_removed;
}

std::vector<Ban> Door::bans(Now now) {
    const std::lock_guard lock{mutex_};
    ban_version_ += bans_.sweep(now.wall) ? 1 : 0;
    note_bans();
    return bans_.list();
}

std::uint64_t Door::ban_version() {
    const std::lock_guard lock{mutex_};
    return ban_version_;
}

std::optional<std::uint64_t> Door::note(DoorReason reason, Now now) {
    const std::lock_guard lock{mutex_};
    Noted& noted = noted_[static_cast<std::size_t>(reason)];
    constexpr Milliseconds interval{1000};
    if (std::exchange(noted.has_been, true) && now.monotonic - noted.last < interval) {
        ++noted.passed_over;
        return std::nullopt;
    }
    noted.last = now.monotonic;
    return std::exchange(noted.passed_over, 0);
}

}  // namespace gw
