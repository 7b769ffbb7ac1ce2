#pragma once

#include "adapters/mqttsn/machine/gateway.hpp"
#include "tests/support/datagram_link.hpp"
#include "tests/support/open_origin.hpp"
#include "tests/support/sim_world.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gw::test {

/// Settings of an MQTT-SN listener that lets everybody in.
inline mqttsn::GatewayOptions open_gateway() {
    mqttsn::GatewayOptions options;
    options.listener = "mqttsn.sim";
    options.origin = open_origin();
    return options;
}

/// The client's end: gets datagrams.
class SnPeer {
public:
    virtual ~SnPeer() = default;
    virtual void on_datagram(Bytes datagram) = 0;
};

/// MQTT-SN gateways on the brokers of a simulated world, and a network of datagrams between them
/// and their clients. Which worker's socket gets a peer's datagrams depends on its port alone.
class SnNet {
public:
    SnNet(SimWorld& world, const mqttsn::GatewayOptions& options, DatagramLink link = {});
    ~SnNet();
    SnNet(const SnNet&) = delete;
    SnNet& operator=(const SnNet&) = delete;

    /// Sends from 10.0.0.1 and a port to the gateway. Answers to the port come to its peer.
    void send(std::uint16_t port, Bytes datagram);
    void attach(std::uint16_t port, SnPeer& peer) { peers_[port] = &peer; }
    void detach(std::uint16_t port) { peers_.erase(port); }
    /// From which address a port sends; else from 10.0.0.1.
    void place(std::uint16_t port, const IpAddress& ip) { places_[port] = ip; }
    /// What DTLS has proven of a port from now on.
    void prove(std::uint16_t port, TransportIdentityPtr identity) {
        identities_[port] = std::move(identity);
    }
    void set_link(DatagramLink link) { link_ = link; }
    void set_options(const mqttsn::GatewayOptions& options);
    /// A new gateway on the same brokers, as after a restart: clients are told by `reason`, those
    /// that sleep are found again.
    void restart(ReasonCode reason = ReasonCode::server_shutting_down);

    mqttsn::Gateway& gateway(std::uint32_t worker) { return *workers_[worker]->gateway; }
    std::size_t connection_count() const;
    std::size_t bound_count() const { return bound_.size(); }
    std::uint64_t client_count() const { return shared_->client_count.load(); }

    /// Datagrams to the multicast group, in order: radius, bytes.
    std::vector<std::pair<std::uint8_t, std::string>> multicasts;

private:
    struct Owner {
        std::uint32_t worker = 0;
        std::uint32_t handle = no_handle;
    };
    /// One worker's end of the network.
    struct Worker final : DatagramPort {
        Worker(SnNet& net, std::uint32_t index) : net_(net), index_(index) {}
        ByteBuffer& begin(const DatagramPeer& to) override;
        void finish() override;
        void multicast(Bytes datagram, std::uint8_t radius) override;
        void bind(const DatagramPeer& peer, NodePrefix node, std::uint32_t handle) override;
        void unbind(const DatagramPeer& peer, NodePrefix node, std::uint32_t handle) override;
        void hand_over(const DatagramSource& source, Bytes datagram, std::uint32_t worker) override;

        std::unique_ptr<mqttsn::Gateway> gateway;

    private:
        SnNet& net_;
        const std::uint32_t index_;
        DatagramPeer to_;
        ByteBuffer output_;
    };
    using Key = std::pair<std::uint16_t, std::string>;  // port, node

    void make_gateways();
    void arrive(std::uint16_t port, const std::vector<std::uint8_t>& datagram);
    void hand_to(std::uint32_t worker, const DatagramPeer& peer, std::string node,
                 std::uint32_t handle, std::vector<std::uint8_t> datagram);
    void settle(std::uint32_t worker);
    void watch_deadline(std::uint32_t worker);
    TransportIdentityPtr identity_of(std::uint16_t port) const;
    IpAddress ip_of(std::uint16_t port) const;

    SimWorld& world_;
    std::size_t settle_number_ = 0;
    DatagramLink link_;
    mqttsn::GatewayOptionsPtr options_;
    std::shared_ptr<mqttsn::GatewayShared> shared_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::vector<MonotonicTime> watched_;  // by worker: when its deadline is looked at
    std::map<Key, Owner> bound_;
    std::map<std::uint16_t, SnPeer*> peers_;
    std::map<std::uint16_t, TransportIdentityPtr> identities_;
    std::map<std::uint16_t, IpAddress> places_;
    std::shared_ptr<bool> exists_ = std::make_shared<bool>(true);
};

}  // namespace gw::test
