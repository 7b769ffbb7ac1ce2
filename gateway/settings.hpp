#pragma once

#include "adapters/mqtt/machine/options.hpp"
#include "broker-core/broker/options.hpp"
#include "config/model/config.hpp"

#include <memory>

namespace gw {

/// What the core is told of a configuration. The core and the adapters never see the
/// configuration itself.
BrokerOptions broker_options(const config::Config& config);
RouterOptions router_options(const config::Config& config, std::uint32_t worker_count,
                             std::uint64_t hash_key);
RetainedOptions retained_options(const config::Config& config);

TopicLimits topic_limits(const config::Config& config);
/// Whether acknowledgements to a listener's clients wait for the store.
bool waits_for_store(const config::Config& config, const config::ListenerLimits& listener);

/// Settings of the MQTT connections of one listener.
std::shared_ptr<const mqtt::MachineOptions> machine_options(const config::Config& config,
                                                            const config::ListenerLimits& listener);

}  // namespace gw
