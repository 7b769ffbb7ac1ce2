#pragma once

#include "config/model/config.hpp"
#include "gateway/machine_factory.hpp"

namespace gw {

/// STOMP with the present settings. `is_local`: the listener is bound to loopback.
MachineFactoryPtr stomp_machines(const config::Config& config, const config::ListenerLimits& limits,
                                 bool is_local);

}  // namespace gw
