#pragma once

#include "adapters/coap/machine/state.hpp"
#include "broker-core/base/hash.hpp"
#include "broker-core/base/slot_pool.hpp"

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace gw::coap {

/// Peer -> endpoint: open addressing over the numbers of a pool, 4 bytes a place. One thread.
class EndpointTable {
public:
    EndpointTable(SlotPool<Endpoint>& pool, std::uint64_t hash_key)
        : pool_(pool), hash_key_(hash_key) {}

    Endpoint* find(const DatagramPeer& peer) { return count_ == 0 ? nullptr : at(position(peer)); }
    /// The endpoint's peer is not in the table yet.
    void add(const Endpoint& endpoint) {
        if ((count_ + 1) * 4 > places_.size() * 3) {
            resize(places_.empty() ? 16 : places_.size() * 2);
        }
        places_[position(endpoint.peer)] = endpoint.index + 1;
        ++count_;
    }
    void erase(const DatagramPeer& peer) {
        std::size_t hole = position(peer);
        const std::size_t mask = places_.size() - 1;
        // What stands behind moves up, so that no search stops at the hole.
        for (std::size_t i = (hole + 1) & mask; places_[i] != 0; i = (i + 1) & mask) {
            const std::size_t home = hash(at(i)->peer) & mask;
            if (((i - home) & mask) >= ((i - hole) & mask)) {
                places_[hole] = places_[i];
                hole = i;
            }
        }
        places_[hole] = 0;
        --count_;
    }

private:
    Endpoint* at(std::size_t place) {
        return places_[place] == 0 ? nullptr : pool_.find(places_[place] - 1);
    }
    std::size_t hash(const DatagramPeer& peer) const {
        char text[19];
        std::memcpy(text, peer.ip.bytes.data(), 16);
        std::memcpy(text + 16, &peer.port, 2);
        text[18] = peer.is_secure ? 1 : 0;
        return hash_text({text, sizeof text}, hash_key_);
    }
    /// Where the peer's endpoint is, or would be put.
    std::size_t position(const DatagramPeer& peer) {
        const std::size_t mask = places_.size() - 1;
        std::size_t i = hash(peer) & mask;
        while (places_[i] != 0 && !(at(i)->peer == peer)) {
            i = (i + 1) & mask;
        }
        return i;
    }
    void resize(std::size_t size) {
        std::vector<std::uint32_t> old(size);
        old.swap(places_);
        for (const std::uint32_t place : old) {
            if (place != 0) {
                places_[position(pool_.find(place - 1)->peer)] = place;
            }
        }
    }

    SlotPool<Endpoint>& pool_;
    const std::uint64_t hash_key_;
    std::vector<std::uint32_t> places_;  // power of two
    std::size_t count_ = 0;
};

}  // namespace gw::coap
