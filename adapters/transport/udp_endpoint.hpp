#pragma once

#include "adapters/machine/datagram_machine.hpp"
#include "adapters/transport/dtls.hpp"
#include "adapters/transport/peer_table.hpp"
#include "adapters/transport/udp_socket.hpp"
#include "adapters/transport/worker_loop.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace gw::transport {

class UdpEndpoint;

/// The endpoints of one datagram listener, one a worker, all at the same place.
struct UdpGroup {
    std::vector<std::unique_ptr<UdpEndpoint>> endpoints;  // by worker
};

/// What an endpoint is made of.
struct UdpEndpointOptions {
    std::uint64_t hash_key = 0;
    std::shared_ptr<const DtlsContext> dtls;  // null: plain datagrams
    std::optional<MulticastGroup> multicast;  // where multicast() goes
};

/// One worker's part of a datagram listener. Its socket gets the datagrams that the system gives
/// it, and hands each on to the worker that has bound its peer, or that the machine names. Answers
/// leave by the socket of the worker that makes them, save for those over DTLS, whose associations
/// stay where the peer's datagrams arrive. Between workers go batches, one wake-up a turn.
///
/// The worker's thread, but for those that say otherwise.
class UdpEndpoint final : public DatagramPort, public LoopMember, public DtlsPeers::Sink {
public:
    /// Takes the socket over. `group` outlives the endpoint and holds one for each worker before
    /// the loops run.
    UdpEndpoint(WorkerLoop& loop, std::unique_ptr<UdpSocket> socket, UdpGroup& group,
                UdpEndpointOptions options);
    ~UdpEndpoint() override;

    /// Sets what handles datagrams; owned by the endpoint. Before start().
    void set_machine(std::unique_ptr<DatagramMachine> machine) { machine_ = std::move(machine); }
    /// Also hears a multicast group.
    void add_group_socket(std::unique_ptr<UdpSocket> socket) { group_socket_ = std::move(socket); }
    void start();
    /// Takes no more datagrams.
    void close();

    DatagramMachine& machine() { return *machine_; }
    /// Any thread, once made.
    const UdpSocket& socket() const { return *socket_; }

    // DatagramPort
    ByteBuffer& begin(const DatagramPeer& to) override;
    void finish() override;
    void multicast(Bytes datagram, std::uint8_t radius) override;
    void bind(const DatagramPeer& peer, NodePrefix node, std::uint32_t handle) override;
    void unbind(const DatagramPeer& peer, NodePrefix node, std::uint32_t handle) override;
    void hand_over(const DatagramSource& source, Bytes datagram, std::uint32_t worker) override;

    /// Figures since start, for metrics.
    struct Counters {
        UdpSocket::Counters socket;
        DtlsPeers::Counters dtls;
    };
    Counters counters() const;
    std::size_t peer_count() const { return peers_.size() + nodes_.size(); }

private:
    /// What goes from one worker's endpoint to another's.
    struct Mail {
        enum class Kind : std::uint8_t {
            datagram,  // to be handled by the other
            bind,      // the other's socket gets the peer's datagrams: they are mine
            unbind,
            lost,  // another has bound the peer
            send,  // to be sent over the other's DTLS association
        } kind = Kind::datagram;
        DatagramPeer peer;
        std::uint32_t handle = no_handle;
        std::uint32_t node_bytes = 0;
        std::uint32_t datagram_bytes = 0;
        TransportIdentityPtr identity = nullptr;
    };
    struct Batch {
        std::vector<Mail> items;
        ByteBuffer bytes;  // of all items, in order: node, then datagram
        void clear() {
            items.clear();
            bytes.clear();
        }
    };
    struct alignas(64) Box {
        std::mutex mutex;  // guards batch
        Batch batch;
        std::atomic<bool> has_items{false};
    };
    struct Lost {
        DatagramPeer peer;
        std::uint32_t handle;
    };
    /// One of the nodes behind a forwarder.
    struct NodeOwner {
        DatagramPeer peer;
        PeerOwner owner;
    };

    // LoopMember
    void on_events(std::uint32_t events) override;
    void take_inbox() override;
    void on_deadline() override;
    MonotonicTime next_deadline() const override;
    void settle() override;
    void flush() override;
    void shut_down(ReasonCode reason) override;

    // DtlsPeers::Sink
    void send_raw(const DatagramPeer& to, Bytes datagram) override;
    void on_plain(const DatagramPeer& peer, const TransportIdentityPtr& identity,
                  Bytes datagram) override;
    void on_association_ended(const DatagramPeer& peer) override;
    bool is_bound(const DatagramPeer& peer) override;

    void on_received(DatagramPeer& peer, std::span<std::uint8_t> bytes);
    void dispatch(const DatagramPeer& peer, const TransportIdentityPtr& identity, Bytes bytes);
    std::optional<PeerOwner> find(const DatagramPeer& peer, NodePrefix node) const;
    void put(const DatagramPeer& peer, NodePrefix node, PeerOwner owner);
    void remove(const DatagramPeer& peer, NodePrefix node, PeerOwner owner);
    void tell_lost(const DatagramPeer& peer, PeerOwner owner);
    void post(std::uint32_t to, Mail mail, NodePrefix node, Bytes datagram);
    void take_from(std::uint32_t from);
    void handle(std::uint32_t from, const Mail& mail, NodePrefix node, Bytes datagram);
    void send_all();
    void count();
    void post_outgoing();
    void update_interest();
    static std::string node_key(const DatagramPeer& peer, NodePrefix node);

    WorkerLoop& loop_;
    const std::uint32_t worker_;
    std::unique_ptr<UdpSocket> socket_, group_socket_;
    UdpGroup& group_;
    const UdpEndpointOptions options_;
    std::unique_ptr<DatagramMachine> machine_;
    std::unique_ptr<DtlsPeers> dtls_;
    PeerTable peers_;
    std::map<std::string, NodeOwner> nodes_;   // by peer, then by node
    std::vector<std::unique_ptr<Box>> boxes_;  // inbox, by the worker it is from
    std::vector<Batch> outgoing_;              // by the worker it is for
    std::vector<Lost> lost_;
    Batch taken_;
    DatagramPeer secure_to_;  // of the datagram between begin() and finish(), over DTLS
    ByteBuffer secure_;
    UdpSocket::Counters counted_;  // so far, in the loop's counters
    std::uint32_t interest_ = 0;
    bool is_secure_pending_ = false;
    bool is_started_ = false;
};

}  // namespace gw::transport
