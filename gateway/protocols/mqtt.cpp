#include "gateway/protocols/mqtt.hpp"

#include "adapters/mqtt/machine/connection_machine.hpp"
#include "gateway/settings.hpp"

#include <utility>

namespace gw {

namespace {

class MqttMachines final : public MachineFactory {
public:
    explicit MqttMachines(std::shared_ptr<const mqtt::MachineOptions> options)
        : options_(std::move(options)) {}

    std::unique_ptr<StreamMachine> make(Broker& broker, StreamConnection& connection,
                                        PeerInfo peer) const override {
        return std::make_unique<mqtt::ConnectionMachine>(broker, connection, options_,
                                                         std::move(peer));
    }

private:
    const std::shared_ptr<const mqtt::MachineOptions> options_;
};

}  // namespace

MachineFactoryPtr mqtt_machines(const config::Config& config,
                                const config::ListenerLimits& limits) {
    return std::make_shared<MqttMachines>(machine_options(config, limits));
}

}  // namespace gw
