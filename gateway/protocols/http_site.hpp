#pragma once

#include "adapters/http/http_machine.hpp"
#include "adapters/websocket/websocket_handler.hpp"
#include "config/model/config.hpp"
#include "gateway/listener.hpp"
#include "gateway/machine_factory.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gw {

/// What HTTP listeners of all kinds have in common; routes are for the caller to add.
std::shared_ptr<http::Site> make_site(const config::Http& http, Listener& listener);

/// The pages that may connect.
http::OriginPolicy origin_policy(const config::Http& http);

/// Whether a listener's connections are to be read in the order in which they were made.
enum class ConnectionOrder : std::uint8_t { any, kept };

/// Makes the HTTP machines of a site, which the router then turns into others.
MachineFactoryPtr http_machines(std::shared_ptr<const http::Site> site,
                                ConnectionOrder order = ConnectionOrder::any);

/// Machines that `factory` makes, for connections of `listener` that were upgraded.
websocket::MachineFactory upgraded_machines(MachineFactoryPtr factory, Listener& listener);

/// MQTT's subprotocols (MQTT 5.0, 6, and what clients of 3.1 offer).
std::vector<websocket::Subprotocol> mqtt_subprotocols(const MachineFactoryPtr& mqtt,
                                                      Listener& listener);

}  // namespace gw
