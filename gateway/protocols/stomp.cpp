#include "gateway/protocols/stomp.hpp"

#include "adapters/stomp/machine/connection_machine.hpp"
#include "gateway/settings.hpp"
#include "gateway/version.hpp"

#include <string>
#include <utility>

namespace gw {

namespace {

class StompMachines final : public MachineFactory {
public:
    explicit StompMachines(std::shared_ptr<const stomp::MachineOptions> options)
        : options_(std::move(options)) {}

    std::unique_ptr<StreamMachine> make(Broker& broker, StreamConnection& connection,
                                        PeerInfo peer) const override {
        return std::make_unique<stomp::ConnectionMachine>(broker, connection, options_,
                                                          std::move(peer));
    }

private:
    const std::shared_ptr<const stomp::MachineOptions> options_;
};

}  // namespace

MachineFactoryPtr stomp_machines(const config::Config& config,
                                 const config::ListenerLimits& limits) {
    auto options = std::make_shared<stomp::MachineOptions>();
    const config::Stomp& stomp = config.stomp;
    options->header_count_max = stomp.header_count_max;
    options->line_bytes_max = stomp.line_bytes_max;
    options->body_bytes_max = stomp.body_bytes_max;
    options->unauthenticated_bytes_max = config.client.unauthenticated_bytes_max;
    options->connect_timeout = config.client.connect_timeout;
    options->client_id_bytes_max = config.client.client_id_bytes_max;
    options->heart_beat_min = stomp.heart_beat_min;
    options->subscriptions_max = stomp.subscription_count_max;
    options->unacked_max = stomp.unacked_count_max;
    options->transaction_count_max = stomp.transaction_count_max;
    options->transaction_frame_count_max = stomp.transaction_frame_count_max;
    options->transaction_bytes_max = stomp.transaction_bytes_max;
    options->transaction_timeout = stomp.transaction_timeout;
    options->destination_alias = stomp.destination_alias;
    options->session_expiry = config.session.expiry_interval;
    options->topic_limits = topic_limits(config);
    options->retain_available = config.mqtt.retain_available;
    options->user_properties_max = config.client.user_property_count_max;
    options->publish_rate_max = config.client.publish_rate_max;
    options->byte_rate_max = config.client.byte_rate_max;
    options->unsent_bytes_max = config.client.unsent_bytes_max;
    options->server_name = "mangrove/" + std::string{version};
    options->waits_for_store = waits_for_store(config, limits);
    return std::make_shared<StompMachines>(std::move(options));
}

}  // namespace gw
