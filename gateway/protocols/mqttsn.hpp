#pragma once

#include "adapters/mqttsn/machine/gateway.hpp"
#include "broker-core/base/result.hpp"
#include "broker-core/broker/broker.hpp"
#include "config/model/config.hpp"
#include "gateway/datagram_listener.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace gw {

/// Reads lines `client-id id topic`; the client id * stands for all.
/// @error io, invalid_argument with the line
Result<void> read_predefined_topics(const std::string& file, mqttsn::PredefinedTopics& topics);

/// One MQTT-SN listener with the gateways of all workers behind it.
class MqttSnListener {
public:
    struct Context {
        std::function<Broker&(std::uint32_t worker)> broker;
        DatagramListener::Loops loops;
        std::uint64_t hash_key = 0;
    };

    /// Binds it. @error what a file holds, or the system says
    static Result<std::unique_ptr<MqttSnListener>> open(const config::Config& config,
                                                        const config::MqttSnListener& listener,
                                                        const Context& context);
    /// Lets clients in. Before the loops run, after sessions are restored. Sleepers that were here,
    /// or nobody knows where, are found again by the first listener.
    void start(bool restores_sleepers);
    /// Reads settings that a reload may change. What it gives puts them in place.
    /// @error as open()
    Result<std::function<void()>> prepare(const config::Config& config,
                                          const config::MqttSnListener& listener);

    const std::string& name() const { return listener_->name(); }
    const std::string& address() const { return listener_->address(); }
    std::uint64_t client_count() const {
        return shared_->client_count.load(std::memory_order_relaxed);
    }

private:
    explicit MqttSnListener(Context context) : context_(std::move(context)) {}

    Context context_;
    std::shared_ptr<DtlsKeys> keys_ = std::make_shared<DtlsKeys>();
    std::shared_ptr<mqttsn::GatewayShared> shared_ = std::make_shared<mqttsn::GatewayShared>();
    std::unique_ptr<DatagramListener> listener_;
    std::vector<mqttsn::Gateway*> gateways_;  // by worker; owned by the listener's endpoints
};

}  // namespace gw
