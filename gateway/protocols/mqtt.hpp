#pragma once

#include "config/model/config.hpp"
#include "gateway/machine_factory.hpp"

namespace gw {

/// MQTT with the present settings. `is_local`: the listener is bound to loopback, or is a Unix
/// socket.
MachineFactoryPtr mqtt_machines(const config::Config& config, const config::ListenerLimits& limits,
                                bool is_local);

}  // namespace gw
