#pragma once

#include "adapters/machine/datagram_machine.hpp"
#include "adapters/mqttsn/codec/codec.hpp"
#include "adapters/mqttsn/machine/connection.hpp"
#include "adapters/mqttsn/machine/options.hpp"
#include "broker-core/base/hash.hpp"
#include "broker-core/base/rate_limit.hpp"
#include "broker-core/base/slot_pool.hpp"
#include "broker-core/base/timer_wheel.hpp"
#include "broker-core/broker/broker.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace gw::mqttsn {

/// One worker's part of an MQTT-SN 1.2 gateway: knows its clients, answers those that it does not
/// know, and lets itself be found. Pure: datagrams and time come in, datagrams go to the
/// DatagramPort. One worker's thread.
class Gateway final : public DatagramMachine {
public:
    Gateway(Broker& broker, DatagramPort& port, GatewayOptionsPtr options,
            std::shared_ptr<GatewayShared> shared);
    ~Gateway() override;

    /// Settings from now on.
    void set_options(GatewayOptionsPtr options) { options_ = std::move(options); }
    /// Finds the clients again that slept when the gateway ended. After the broker's sessions are
    /// restored, before the first turn.
    void restore_sleepers();

    // DatagramMachine
    DatagramRoute route(Bytes datagram) override;
    void on_datagram(const DatagramSource& source, Bytes datagram) override;
    void on_peer_lost(const DatagramPeer& peer, std::uint32_t handle) override;
    void on_deadline() override;
    MonotonicTime next_deadline() const override;
    void on_turn_end() override;
    void on_datagrams_lost(std::uint64_t too_long, std::uint64_t unsent) override {
        broker_.metrics().drop(DatagramDrop::too_long, too_long);
        broker_.metrics().drop(DatagramDrop::unsent, unsent);
    }
    void on_shutdown(ReasonCode reason) override;

    std::size_t connection_count() const { return connections_.size(); }

    // --- for Connection

    Broker& broker() { return broker_; }
    DatagramPort& port() { return port_; }
    const GatewayOptions& options() const { return *options_; }
    GatewayShared& shared() { return *shared_; }
    TimerWheel& timers() { return timers_; }
    void add_to_settle(Connection& connection) { to_settle_.push_back(connection.handle()); }
    void add_gone(Connection& connection) { gone_.push_back(connection.handle()); }
    /// The MQTT-SN connection of a session, or null when it has none or speaks another protocol.
    static Connection* connection_of(const Session* session);
    /// The core's id of who calls himself so here; until the next call.
    std::string_view core_id(std::string_view client_id);
    PeerInfo peer_info(const DatagramSource& source) const;
    Origin origin_of(const DatagramPeer& peer) const;
    /// What proves a client beyond its address, "" when nothing does.
    static std::string proof_of(const PeerInfo& peer, bool is_anonymous);
    void drop(DatagramDrop reason) { broker_.metrics().drop(reason); }
    void drop(DecodeError reason) { drop(drop_reason_of(reason)); }
    template <class Message>
    void send(const DatagramPeer& to, NodePrefix node, const Message& packet) {
        ByteBuffer& out = port_.begin(to);
        out.append(node);
        encode(out, packet);
        port_.finish();
        broker_.metrics().packets_sent.add();
    }

private:
    static DatagramDrop drop_reason_of(DecodeError error);
    void on_connect(const DatagramSource& source, const Frame& frame);
    bool may_connect(const DatagramSource& source, const Connect& packet);
    void on_client_ping(const DatagramSource& source, std::string_view client_id);
    void on_search(const DatagramSource& source, const Frame& frame);
    void on_unknown_peer(const DatagramSource& source, const Frame& frame, Bytes datagram);
    bool follow_proven(const DatagramSource& source, Bytes datagram);
    void on_connectionless_publish(const DatagramSource& source, const Publish& packet);
    IdentityPtr connectionless_identity(const DatagramSource& source);
    bool may_be_nameless(const DatagramSource& source) const;
    void say_unknown(const DatagramSource& source);
    bool may_answer_disconnect(const DatagramSource& source);
    void advertise();
    Connection* find(const DatagramSource& source);
    MonotonicTime now() const { return broker_.now().monotonic; }

    Broker& broker_;
    DatagramPort& port_;
    GatewayOptionsPtr options_;
    std::shared_ptr<GatewayShared> shared_;
    TimerWheel timers_;
    SlotPool<Connection> connections_;
    std::vector<std::uint32_t> to_settle_, gone_, scratch_;
    ByteBuffer node_;
    const std::uint64_t hash_key_ = draw_hash_key();
    std::string id_scratch_;      // of core_id()
    IdentityPtr connectionless_;  // of the last publish without a connection
    RateLimit unknown_replies_;   // to peers that are nobody's
    /// Peers that are nobody's whose DISCONNECT was answered lately, by hash.
    struct Answered {
        std::uint64_t peer_hash = 0;
        MonotonicTime at{};
    };
    std::array<Answered, 64> answered_disconnects_{};
    std::unique_ptr<RateLimit> connect_rate_;
    std::uint32_t connect_rate_max_ = 0;  // that connect_rate_ was made for
    MonotonicTime advertise_at_ = never;
    bool is_stopping_ = false;
};

}  // namespace gw::mqttsn
