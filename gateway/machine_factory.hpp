#pragma once

#include "adapters/machine/stream_machine.hpp"
#include "broker-core/broker/broker.hpp"
#include "broker-core/message/peer_info.hpp"

#include <memory>

namespace gw {

/// Makes the machines of one protocol with the settings that a listener has at the time; a reload
/// puts another factory in place. Any worker, several at once.
class MachineFactory {
public:
    virtual ~MachineFactory() = default;
    virtual std::unique_ptr<StreamMachine> make(Broker& broker, StreamConnection& connection,
                                                PeerInfo peer) const = 0;
    /// Whether the peer speaks for others, whom Listener::refuse_proxied() is asked about one by
    /// one.
    virtual bool speaks_for_others(const IpAddress& /*peer*/) const { return false; }
    /// Whether connections are to be read in the order in which they were made, as far as that is
    /// possible: what one client says on several of them belongs together.
    virtual bool keeps_order() const { return false; }
};

using MachineFactoryPtr = std::shared_ptr<const MachineFactory>;

}  // namespace gw
