#pragma once

#include "adapters/coap/machine/machine.hpp"
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

/// One CoAP listener, over UDP or DTLS, with the machines of all workers behind it.
class CoapListener {
public:
    struct Context {
        std::function<Broker&(std::uint32_t worker)> broker;
        DatagramListener::Loops loops;
        std::uint64_t hash_key = 0;
    };

    /// Binds it. @error what a file holds, or the system says
    static Result<std::unique_ptr<CoapListener>> open(const config::Config& config,
                                                      const config::CoapListener& listener,
                                                      const Context& context);
    /// Lets clients in. Before the loops run.
    void start() { listener_->start(); }
    /// Reads settings that a reload may change. What it gives puts them in place.
    /// @error as open()
    Result<std::function<void()>> prepare(const config::Config& config,
                                          const config::CoapListener& listener);

    /// As in the configuration: "coap.external", "coaps.external".
    const std::string& name() const { return listener_->name(); }
    const std::string& address() const { return listener_->address(); }
    std::uint64_t client_count() const {
        return shared_->client_count.load(std::memory_order_relaxed);
    }

private:
    explicit CoapListener(Context context);

    Context context_;
    std::shared_ptr<DtlsKeys> keys_ = std::make_shared<DtlsKeys>();
    std::shared_ptr<coap::MachineShared> shared_ = std::make_shared<coap::MachineShared>();
    std::unique_ptr<coap::Secrets> secrets_;  // outlives the machines
    std::unique_ptr<DatagramListener> listener_;
    std::vector<coap::Machine*> machines_;  // by worker; owned by the listener's endpoints
};

/// The CoAP listeners of the program.
class CoapListeners {
public:
    /// Binds all that the configuration names. Throws what keeps the program from starting.
    void open(const config::Config& config, const CoapListener::Context& context);
    void start();
    /// @error of the first listener whose new settings cannot be
    Result<std::vector<std::function<void()>>> prepare(const config::Config& config);
    const std::vector<std::unique_ptr<CoapListener>>& all() const { return listeners_; }

private:
    std::vector<std::unique_ptr<CoapListener>> listeners_;
};

}  // namespace gw
