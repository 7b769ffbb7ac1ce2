#pragma once

#include "config/model/config.hpp"
#include "gateway/machine_factory.hpp"

namespace gw {

/// STOMP with the present settings.
MachineFactoryPtr stomp_machines(const config::Config& config,
                                 const config::ListenerLimits& limits);

}  // namespace gw
