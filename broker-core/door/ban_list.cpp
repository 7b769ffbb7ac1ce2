#include "broker-core/door/ban_list.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace gw {

std::string_view ban_kind_name(BanKind kind) {
    switch (kind) {
        case BanKind::address:
            return "address";
        case BanKind::user:
            return "user";
        case BanKind::client:
            return "client";
    }
    GW_UNREACHABLE();
}

IpRange prefix_of(const IpAddress& address, std::uint8_t bits) {
    IpRange range{.base = address, .prefix_bits = bits};
    for (std::size_t i = 0; i < range.base.bytes.size(); ++i) {
        const std::size_t first = i * 8;
        if (first >= bits) {
            range.base.bytes[i] = 0;
        } else if (first + 8 > bits) {
            range.base.bytes[i] &= static_cast<std::uint8_t>(0xff << (first + 8 - bits));
        }
    }
    return range;
}

bool Ban::fits(const ClientIdentity& client) const {
    switch (kind) {
        case BanKind::address:
            return client.ip != IpAddress{} && range.contains(client.ip);
        case BanKind::user:
            return client.username == name;  // also when it is only shown
        case BanKind::client:
            return client.client_id == name;
    }
    GW_UNREACHABLE();
}

Result<void> BanList::add(Ban ban, WallTime now) {
    if (count() >= count_max_) {
        sweep(now);
    }
    const bool is_known = ban.kind == BanKind::address ? addresses_.contains(ban.range)
                          : ban.kind == BanKind::user  ? users_.contains(ban.name)
                                                       : clients_.contains(ban.name);
    if (!is_known && count() >= count_max_) {
        return Error{Errc::resource_limit, "there are " + std::to_string(count()) +
                                               " bans already, as many as door.max_bans allows"};
    }
    switch (ban.kind) {
        case BanKind::address: {
            const IpRange range = ban.range;
            count_by_bits_[range.prefix_bits] += is_known ? 0 : 1;
            addresses_[range] = std::move(ban);
            return {};
        }
        case BanKind::user: {
            std::string name = ban.name;
            users_[std::move(name)] = std::move(ban);
            return {};
        }
        case BanKind::client: {
            std::string name = ban.name;
            clients_[std::move(name)] = std::move(ban);
            return {};
        }
    }
    GW_UNREACHABLE();
}

bool BanList::remove(BanKind kind, std::string_view name, const IpRange& range) {
    switch (kind) {
        case BanKind::address:
            if (addresses_.erase(range) == 0) {
                return false;
            }
            --count_by_bits_[range.prefix_bits];
            return true;
        case BanKind::user:
            return users_.erase(std::string{name}) != 0;
        case BanKind::client:
            return clients_.erase(std::string{name}) != 0;
    }
    GW_UNREACHABLE();
}

bool BanList::sweep(WallTime now) {
    const std::size_t before = count();
    const auto is_over = [now](const auto& entry) {
        return entry.second.is_over(now);
    };
    std::erase_if(users_, is_over);
    std::erase_if(clients_, is_over);
    std::erase_if(addresses_, [&](const auto& entry) {
        const bool gone = is_over(entry);
        count_by_bits_[entry.first.prefix_bits] -= gone ? 1 : 0;
        return gone;
    });
    return count() != before;
}

const Ban* BanList::find_address(const IpAddress& address, WallTime now) const {
    if (addresses_.empty() || address == IpAddress{}) {
        return nullptr;
    }
    for (std::size_t bits = count_by_bits_.size(); bits-- > 0;) {
        if (count_by_bits_[bits] == 0) {
            continue;
        }
        const auto at = addresses_.find(prefix_of(address, static_cast<std::uint8_t>(bits)));
        if (at != addresses_.end() && !at->second.is_over(now)) {
            return &at->second;
        }
    }
    return nullptr;
}

const Ban* BanList::find_name(const Names& names, std::string_view name, WallTime now) {
    if (names.empty() || name.empty()) {
        return nullptr;
    }
    const auto at = names.find(std::string{name});
    return at != names.end() && !at->second.is_over(now) ? &at->second : nullptr;
}

const Ban* BanList::find_user(std::string_view name, WallTime now) const {
    return find_name(users_, name, now);
}

const Ban* BanList::find_client(std::string_view client_id, WallTime now) const {
    return find_name(clients_, client_id, now);
}

std::vector<Ban> BanList::list() const {
    std::vector<Ban> all;
    all.reserve(count());
    for (const auto& [range, ban] : addresses_) {
        all.push_back(ban);
    }
    for (const Names* const names : {&users_, &clients_}) {
        for (const auto& [name, ban] : *names) {
            all.push_back(ban);
        }
    }
    std::sort(all.begin(), all.end(), [](const Ban& a, const Ban& b) {
        return std::pair{a.kind, a.subject()} < std::pair{b.kind, b.subject()};
    });
    return all;
}

}  // namespace gw
