#pragma once

#include "adapters/machine/datagram_machine.hpp"
#include "broker-core/base/hash.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

namespace gw::transport {

/// Who handles the datagrams of a peer.
struct PeerOwner {
    std::uint8_t worker = 0;
    std::uint32_t handle = no_handle;

    bool operator==(const PeerOwner&) const = default;
};

/// Open addressing over addresses of one kind; `Address` is 4 or 16 bytes. An entry takes 12 or 24
/// bytes, the table at most 8/3 of what its entries take once it has grown.
template <class Address>
class AddressTable {
public:
    explicit AddressTable(std::uint64_t hash_key) : hash_key_(hash_key) {}

    const PeerOwner* find(const Address& address, std::uint16_t port, PeerOwner& out) const {
        if (count_ == 0) {
            return nullptr;
        }
        const Entry& entry = entries_[position(address, port)];
        if (!entry.is_used) {
            return nullptr;
        }
        out = {entry.worker, entry.handle};
        return &out;
    }
    /// Puts an owner in place and gives the one before.
    std::optional<PeerOwner> put(const Address& address, std::uint16_t port, PeerOwner owner) {
        if ((count_ + 1) * 4 > entries_.size() * 3) {
            resize(entries_.empty() ? 16 : entries_.size() * 2);
        }
        Entry& entry = entries_[position(address, port)];
        std::optional<PeerOwner> before;
        if (entry.is_used) {
            before = PeerOwner{entry.worker, entry.handle};
        } else {
            ++count_;
        }
        entry = {address, port, owner.worker, true, owner.handle};
        return before;
    }
    void erase(const Address& address, std::uint16_t port) {
        if (count_ == 0) {
            return;
        }
        std::size_t hole = position(address, port);
        if (!entries_[hole].is_used) {
            return;
        }
        const std::size_t mask = entries_.size() - 1;
        // Entries behind move up, so that no search stops at the hole (linear probing).
        for (std::size_t i = (hole + 1) & mask; entries_[i].is_used; i = (i + 1) & mask) {
            const std::size_t home = hash(entries_[i].address, entries_[i].port) & mask;
            if (((i - home) & mask) >= ((i - hole) & mask)) {
                entries_[hole] = entries_[i];
                hole = i;
            }
        }
        entries_[hole] = {};
        if (--count_ == 0) {
            std::vector<Entry>{}.swap(entries_);
        }
    }
    std::size_t size() const { return count_; }

private:
    struct Entry {
        Address address{};
        std::uint16_t port = 0;
        std::uint8_t worker = 0;
        bool is_used = false;
        std::uint32_t handle = no_handle;
    };

    std::size_t hash(const Address& address, std::uint16_t port) const {
        char text[sizeof(Address) + sizeof port];
        std::memcpy(text, address.data(), sizeof(Address));
        std::memcpy(text + sizeof(Address), &port, sizeof port);
        return hash_text({text, sizeof text}, hash_key_);
    }
    /// Where the address is, or would be put.
    std::size_t position(const Address& address, std::uint16_t port) const {
        const std::size_t mask = entries_.size() - 1;
        std::size_t i = hash(address, port) & mask;
        while (entries_[i].is_used &&
               (entries_[i].port != port || entries_[i].address != address)) {
            i = (i + 1) & mask;
        }
        return i;
    }
    void resize(std::size_t capacity) {
        std::vector<Entry> old(capacity);
        old.swap(entries_);
        for (const Entry& entry : old) {
            if (entry.is_used) {
                entries_[position(entry.address, entry.port)] = entry;
            }
        }
    }

    std::uint64_t hash_key_;
    std::vector<Entry> entries_;  // power of two
    std::size_t count_ = 0;
};

/// Address and port of a peer -> who handles its datagrams. Peers cost 12 bytes an entry over IPv4,
/// 24 over IPv6. One thread.
class PeerTable {
public:
    explicit PeerTable(std::uint64_t hash_key) : v4_(hash_key), v6_(hash_key) {}

    std::optional<PeerOwner> find(const DatagramPeer& peer) const {
        PeerOwner owner;
        const PeerOwner* const found = peer.ip.is_v4() ? v4_.find(v4_of(peer.ip), peer.port, owner)
                                                       : v6_.find(peer.ip.bytes, peer.port, owner);
        return found != nullptr ? std::optional{*found} : std::nullopt;
    }
    /// Puts an owner in place and gives the one before.
    std::optional<PeerOwner> put(const DatagramPeer& peer, PeerOwner owner) {
        return peer.ip.is_v4() ? v4_.put(v4_of(peer.ip), peer.port, owner)
                               : v6_.put(peer.ip.bytes, peer.port, owner);
    }
    void erase(const DatagramPeer& peer) {
        if (peer.ip.is_v4()) {
            v4_.erase(v4_of(peer.ip), peer.port);
        } else {
            v6_.erase(peer.ip.bytes, peer.port);
        }
    }
    std::size_t size() const { return v4_.size() + v6_.size(); }

private:
    using V4 = std::array<std::uint8_t, 4>;
    using V6 = std::array<std::uint8_t, 16>;

    static V4 v4_of(const IpAddress& ip) {
        return {ip.bytes[12], ip.bytes[13], ip.bytes[14], ip.bytes[15]};
    }

    AddressTable<V4> v4_;
    AddressTable<V6> v6_;
};

}  // namespace gw::transport
