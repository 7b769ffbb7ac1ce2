#pragma once

#include "adapters/sockjs/endpoint.hpp"
#include "adapters/sockjs/hub.hpp"
#include "adapters/transport/worker_loop.hpp"
#include "config/model/config.hpp"
#include "gateway/listener.hpp"
#include "gateway/machine_factory.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace gw {

/// The SockJS sessions of all workers. Made before the workers start, destroyed after they stopped;
/// the connections of SockJS listeners must be gone by then.
class SockJsHubs {
public:
    explicit SockJsHubs(std::span<const std::unique_ptr<transport::WorkerLoop>> loops);
    ~SockJsHubs();

    std::uint32_t count() const { return static_cast<std::uint32_t>(members_.size()); }
    /// That worker's thread.
    sockjs::Hub& at(std::uint32_t worker);

private:
    class Member;

    std::vector<std::unique_ptr<Member>> members_;
};

/// A protocol that SockJS listeners carry.
struct SockJsProtocol {
    std::string path;
    sockjs::Content content = sockjs::Content::text;
    std::vector<std::string> subprotocols;  // of plain WebSocket at the same path
    bool requires_subprotocol = false;
    MachineFactoryPtr machines;
};

SockJsProtocol mqtt_over_sockjs(const config::Config& config, MachineFactoryPtr machines);
SockJsProtocol stomp_over_sockjs(const config::Config& config, MachineFactoryPtr machines);

/// HTTP with an endpoint for each protocol, and what else the settings want, at present.
MachineFactoryPtr sockjs_machines(const config::Config& config, const config::Http& http,
                                  const std::vector<SockJsProtocol>& protocols, Listener& listener,
                                  SockJsHubs& hubs);

}  // namespace gw
