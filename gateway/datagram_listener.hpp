#pragma once

#include "adapters/machine/datagram_machine.hpp"
#include "adapters/transport/tls/psk_file.hpp"
#include "adapters/transport/udp_endpoint.hpp"
#include "adapters/transport/worker_loop.hpp"
#include "broker-core/base/result.hpp"
#include "config/model/config.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

namespace gw {

/// One named UDP listener: a socket and an endpoint for each worker, all at the same place.
class DatagramListener {
public:
    struct Options {
        config::ListenAddress address;
        transport::UdpOptions socket;
        transport::UdpEndpointOptions endpoint;
    };
    using Loops = std::span<const std::unique_ptr<transport::WorkerLoop>>;
    using MakeMachine =
        std::function<std::unique_ptr<DatagramMachine>(std::uint32_t worker, DatagramPort& port)>;

    /// Binds the sockets. Datagrams wait in them until start().
    static Result<std::unique_ptr<DatagramListener>> open(std::string name, const Options& options,
                                                          Loops loops);

    /// Makes the machines. Before start().
    void make_machines(const MakeMachine& make);
    /// Lets the datagrams in. Before the loops run.
    void start();

    // Any thread.
    const std::string& name() const { return name_; }
    const std::string& address() const { return group_.endpoints.front()->socket().address(); }
    bool is_loopback() const { return group_.endpoints.front()->socket().is_loopback(); }

private:
    explicit DatagramListener(std::string name) : name_(std::move(name)) {}

    const std::string name_;
    transport::UdpGroup group_;
};

/// Pre-shared keys of one listener, which a reload may replace. Any thread.
class DtlsKeys {
public:
    void set(transport::PskTablePtr table);
    /// The key, empty when the identity is not known.
    std::string find(const std::string& identity) const;

private:
    mutable std::mutex mutex_;  // guards the pointer
    transport::PskTablePtr table_;
};

/// The DTLS context of a listener, null when it speaks plain datagrams.
Result<std::shared_ptr<const transport::DtlsContext>> dtls_context(
    const config::Dtls& dtls, const std::shared_ptr<DtlsKeys>& keys);

}  // namespace gw
