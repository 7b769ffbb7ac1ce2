#pragma once

#include "adapters/transport/acceptor.hpp"
#include "adapters/transport/listen_socket.hpp"
#include "adapters/transport/proxy_layer.hpp"
#include "adapters/transport/stream_driver.hpp"
#include "broker-core/base/rate_limit.hpp"
#include "broker-core/broker/broker.hpp"
#include "config/model/config.hpp"
#include "gateway/access/access_control.hpp"
#include "gateway/machine_factory.hpp"
#include "gateway/tls_listeners.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace gw {

/// One named listener: accepts on the first worker, lets in whom its rules allow, and gives each
/// connection to a worker and a machine. Which worker owns the client shows with its CONNECT.
class Listener final : public transport::MachineSource {
public:
    /// What a listener needs of the rest of the program; outlives it.
    struct Context {
        std::function<Broker&(std::uint32_t worker)> broker;
        /// Gives an accepted socket to the worker whose turn it is, or always to the same.
        std::function<void(int fd, transport::MachineSource&, bool keeps_order)> place;
        /// Whether the program has room for one more connection.
        std::function<bool()> has_room;
        /// What all listeners ask of a peer; null: nothing.
        AccessControl* access = nullptr;
        std::function<void(std::uint32_t worker)> on_closed;
        Log* log = nullptr;
    };

    /// Takes the listening socket over. `name` is that of the configuration: "tcp.external".
    Listener(std::string name, transport::ListenSocket socket, Context context);
    ~Listener() override;

    /// What a reload may change.
    struct Settings {
        MachineFactoryPtr machines;
        OriginRulesPtr origin;
        std::uint32_t client_count_max = 0;
        std::uint32_t unauthenticated_count_max = 0;
        std::uint32_t connect_rate_max = 0;
        TlsSetupPtr tls;  // null: the machine's bytes come as they are
        config::ProxyProtocol proxy;
    };
    /// Settings for connections from now on. Any thread.
    void apply(Settings settings);

    /// The first worker's thread.
    void start(boost::asio::io_context& context);
    void close();

    // Any thread.
    const std::string& name() const { return name_; }
    const std::string& address() const { return socket_.address; }
    bool is_loopback() const { return socket_.is_loopback; }
    std::uint64_t client_count() const { return client_count_.load(std::memory_order_relaxed); }
    Broker& broker(std::uint32_t worker) const { return context_.broker(worker); }
    /// Whether the access rules let this client in; asked again when a proxy tells whom it serves.
    bool allows(const IpAddress& client) const;
    /// Why the door does not let in a client that comes by an HTTP proxy, or nothing; counts and
    /// logs it. Any thread.
    std::optional<DoorReason> refuse_proxied(std::uint32_t worker, const IpAddress& client);
    /// Adds what the listener knows to what the transport knows.
    void complete(PeerInfo& peer);
    /// Counts and logs an HTTP request that was answered with an error. The worker's thread.
    void on_request_refused(std::uint32_t worker, unsigned status, const PeerInfo& peer);

    transport::LayerSetup make_layers(std::uint32_t worker) override;
    void on_opened(std::uint32_t worker) override;
    void on_open_failed(std::uint32_t worker, const transport::StreamLayer::Failure& failure,
                        const PeerInfo& peer) override;
    void on_layer_failed(std::uint32_t worker, const transport::StreamLayer::Failure& failure,
                         const PeerInfo& peer) override;
    std::unique_ptr<StreamMachine> make_machine(std::uint32_t worker, StreamConnection& connection,
                                                PeerInfo peer) override;
    void on_connection_closed(std::uint32_t worker) override;

private:
    void on_accept(int fd);
    bool may_log_failure();
    /// Why the peer is not let in, or nothing.
    std::optional<DoorReason> refusal(const PeerInfo& peer, const Settings& settings);
    /// As refusal(), of what concerns the client's own address. Any thread.
    std::optional<DoorReason> refusal_of(const IpAddress& client, const Settings& settings) const;
    bool is_from_proxy(const PeerInfo& peer, const Settings& settings);
    /// Whether the client that a proxy names is let in; tells of it if not.
    bool lets_in(std::uint32_t worker, const IpAddress& client);
    void refuse(std::uint32_t worker, const PeerInfo& peer, DoorReason why);
    void refuse(std::uint32_t worker, const IpAddress& client, DoorReason why);
    CountTicketPtr count_unauthenticated();
    std::shared_ptr<const Settings> settings() const;

    const std::string name_;
    transport::ListenSocket socket_;
    const Context context_;
    mutable std::mutex settings_mutex_;  // guards the pointer below, not what it points to
    std::shared_ptr<const Settings> settings_;
    std::unique_ptr<transport::Acceptor> acceptor_;
    std::unique_ptr<RateLimit> connect_rate_;
    std::uint32_t connect_rate_max_ = 0;  // that connect_rate_ was made for
    std::atomic<std::uint64_t> client_count_{0};
    CountTicket::Counter unauthenticated_count_{0};
    std::atomic<std::int64_t> failures_logged_in_{0};  // a second of the monotonic clock
    std::atomic<std::uint32_t> failures_logged_{0};    // in it
};

}  // namespace gw
