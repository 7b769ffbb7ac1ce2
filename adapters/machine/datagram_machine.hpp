#pragma once

#include "broker-core/base/bytes.hpp"
#include "broker-core/base/clock.hpp"
#include "broker-core/base/ip_address.hpp"
#include "broker-core/message/peer_info.hpp"
#include "broker-core/message/reason.hpp"

#include <cstdint>
#include <string>

namespace gw {

/// Where datagrams come from and go to. 20 bytes.
struct DatagramPeer {
    IpAddress ip{};
    std::uint16_t port = 0;
    std::uint8_t arrival = 0;    // worker whose socket gets its datagrams
    std::uint8_t local : 7 = 0;  // which of our addresses it talks to; the port's own numbering
    bool is_secure : 1 = false;  // speaks DTLS

    /// The same place. Worker and local address do not count: they may change with the network.
    bool operator==(const DatagramPeer& other) const {
        return ip == other.ip && port == other.port && is_secure == other.is_secure;
    }
    /// "address:port", "[address]:port".
    std::string text() const {
        const std::string host = ip.is_v4() ? ip.text() : "[" + ip.text() + "]";
        return host + ":" + std::to_string(port);
    }
};

/// Which datagrams of one peer go together: those with the same bytes in front. Empty unless the
/// protocol lets several nodes share an address (forwarders of MQTT-SN).
using NodePrefix = Bytes;

inline constexpr std::uint32_t no_handle = 0xffffffff;

/// Who sent a datagram; borrowed for the call.
struct DatagramSource {
    DatagramPeer peer;
    NodePrefix node;
    std::uint32_t handle = no_handle;         // what DatagramPort::bind() was given for this peer
    TransportIdentityPtr identity = nullptr;  // proven by DTLS
    bool is_multicast = false;                // came to a group: not to be trusted with anything
};

/// Datagrams to peers, seen from a machine; implemented by the UDP endpoint. One worker's thread.
/// None of these calls back into the machine.
class DatagramPort {
public:
    virtual ~DatagramPort() = default;

    /// Begins a datagram: append its bytes to what this gives, then call finish(). It is sent at
    /// the end of this turn, or earlier when many wait; lost without a word like any datagram.
    virtual ByteBuffer& begin(const DatagramPeer& to) = 0;
    virtual void finish() = 0;
    /// To all nodes that listen, within `radius` hops (0: as far as configured); nothing when no
    /// group is configured.
    virtual void multicast(Bytes datagram, std::uint8_t radius) = 0;

    /// From now on datagrams of this peer and node come here, with this handle. Whoever had them
    /// before is told by on_peer_lost().
    virtual void bind(const DatagramPeer& peer, NodePrefix node, std::uint32_t handle) = 0;
    /// Takes bind() back; does nothing when another has bound since.
    virtual void unbind(const DatagramPeer& peer, NodePrefix node, std::uint32_t handle) = 0;
    /// Gives a datagram to another worker's machine, as if its peer were not bound.
    virtual void hand_over(const DatagramSource& source, Bytes datagram, std::uint32_t worker) = 0;
};

/// Where a datagram is to be handled.
struct DatagramRoute {
    enum class Kind : std::uint8_t {
        bound,  // by whoever has bound its peer; here when nobody has
        owner,  // by this worker, whoever has bound its peer
        drop,   // nowhere: it is no datagram of the protocol
    } kind = Kind::bound;
    std::uint32_t worker = 0;
    NodePrefix node{};  // to be read before the next call
    Bytes datagram{};   // what follows the node's prefix
};

/// The protocol of one datagram listener on one worker: datagrams and time in, datagrams and calls
/// of the broker core out.
class DatagramMachine {
public:
    virtual ~DatagramMachine() = default;

    /// Looks at a datagram from the socket of this worker.
    virtual DatagramRoute route(Bytes datagram) = 0;
    virtual void on_datagram(const DatagramSource& source, Bytes datagram) = 0;
    /// Another has bound the peer, or its DTLS association has ended.
    virtual void on_peer_lost(const DatagramPeer& peer, std::uint32_t handle) = 0;
    virtual void on_deadline() = 0;
    virtual MonotonicTime next_deadline() const = 0;
    /// After all else in a turn, before output is sent; perhaps twice.
    virtual void on_turn_end() = 0;
    /// Datagrams that the socket has lost: too long ones that came, and those it did not take.
    virtual void on_datagrams_lost(std::uint64_t too_long, std::uint64_t unsent) = 0;
    /// The program stops, or the listener does.
    virtual void on_shutdown(ReasonCode reason) = 0;
};

}  // namespace gw
