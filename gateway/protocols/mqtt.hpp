#pragma once

#include "config/model/config.hpp"
#include "gateway/machine_factory.hpp"

namespace gw {

/// MQTT with the present settings.
MachineFactoryPtr mqtt_machines(const config::Config& config, const config::ListenerLimits& limits);

}  // namespace gw
