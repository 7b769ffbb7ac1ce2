#pragma once

#include "adapters/transport/stream_driver.hpp"
#include "adapters/transport/tls/handshake_gate.hpp"
#include "adapters/transport/tls/tls_context.hpp"
#include "broker-core/base/log.hpp"
#include "broker-core/message/peer_info.hpp"
#include "config/model/config.hpp"

#include <map>
#include <memory>
#include <string>

namespace gw {

/// How one listener speaks TLS from its last reload on. Any thread.
class TlsSetup {
public:
    TlsSetup(const config::Tls& rules, transport::TlsContextPtr context,
             std::shared_ptr<transport::HandshakeGate> gate)
        : rules_(rules), context_(std::move(context)), gate_(std::move(gate)) {}

    /// Puts a TLS layer on top of what is in `setup`, and allows for its handshake's time.
    void add_layer(transport::LayerSetup& setup) const;
    /// Which user and client id the certificate or the key proves, by the listener's rules.
    void name_peer(PeerInfo& peer) const;
    /// The limits of handshakes are these from now on.
    void apply_limits() const {
        gate_->set_limits(rules_.handshake_count_max, rules_.handshake_rate_max);
    }
    const transport::TlsContext& context() const { return *context_; }

private:
    const config::Tls rules_;
    const transport::TlsContextPtr context_;
    const std::shared_ptr<transport::HandshakeGate> gate_;
};

using TlsSetupPtr = std::shared_ptr<const TlsSetup>;

/// What of TLS outlives a reload: each listener's ticket keys and handshake limits. The main
/// thread's.
class TlsListeners {
public:
    using Setups = std::map<std::string, TlsSetupPtr>;  // by the listener's name: "ssl.external"

    /// Reads all files again. Whole, or with an error that names listener and file; changes
    /// nothing. Blocks.
    Result<Setups> read(const config::Config& config);
    /// Tells the log of each certificate how long it is good, with a warning where that is short.
    /// The same as lines for the person who asked for a reload.
    static std::vector<std::string> report(const Setups& setups, WallTime now, Log& log);

private:
    struct Lasting {
        std::shared_ptr<transport::TicketKeys> tickets = std::make_shared<transport::TicketKeys>();
        std::shared_ptr<transport::HandshakeGate> gate =
            std::make_shared<transport::HandshakeGate>();
    };

    std::map<std::string, Lasting> lasting_;
};

}  // namespace gw
