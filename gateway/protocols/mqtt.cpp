#include "gateway/protocols/mqtt.hpp"

#include "adapters/mqtt/machine/connection_machine.hpp"
#include "gateway/settings.hpp"

#include <utility>

namespace gw {

namespace {

class MqttMachines final : public MachineFactory {
public:
    MqttMachines(std::shared_ptr<const mqtt::MachineOptions> options,
                 std::shared_ptr<const mqtt::MachineOptions> options_for_proxied)
        : options_(std::move(options)), options_for_proxied_(std::move(options_for_proxied)) {}

    std::unique_ptr<StreamMachine> make(Broker& broker, StreamConnection& connection,
                                        PeerInfo peer) const override {
        const auto& options = peer.is_proxied ? options_for_proxied_ : options_;
        return std::make_unique<mqtt::ConnectionMachine>(broker, connection, options,
                                                         std::move(peer));
    }

private:
    const std::shared_ptr<const mqtt::MachineOptions> options_;
    /// Whoever comes through a proxy is not local, wherever the listener is bound.
    const std::shared_ptr<const mqtt::MachineOptions> options_for_proxied_;
};

}  // namespace

MachineFactoryPtr mqtt_machines(const config::Config& config, const config::ListenerLimits& limits,
                                bool is_local) {
    return std::make_shared<MqttMachines>(machine_options(config, limits, is_local),
                                          machine_options(config, limits, false));
}

}  // namespace gw
