#pragma once

#include "config/model/config.hpp"
#include "gateway/listener.hpp"
#include "gateway/machine_factory.hpp"

namespace gw {

/// HTTP, and MQTT over WebSocket on the listener's path, with the present settings. `mqtt` makes
/// the machines inside. The listener outlives what is made here.
MachineFactoryPtr websocket_machines(const config::Config& config, const config::Http& http,
                                     MachineFactoryPtr mqtt, Listener& listener);

}  // namespace gw
