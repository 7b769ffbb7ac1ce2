#pragma once

#include "gateway/access/access_control.hpp"
#include "gateway/auth/auth_service.hpp"
#include "gateway/clients.hpp"
#include "gateway/exchange.hpp"
#include "gateway/listener.hpp"
#include "gateway/protocols/coap.hpp"
#include "gateway/protocols/mqttsn.hpp"
#include "gateway/protocols/sockjs.hpp"
#include "gateway/service.hpp"
#include "gateway/store.hpp"
#include "gateway/sys_topics.hpp"
#include "gateway/tls_listeners.hpp"
#include "gateway/worker.hpp"

#include <boost/asio/basic_waitable_timer.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace gw {

/// The broker with its workers and listeners: builds every part and joins them. Its functions are
/// the main thread's.
class App final : public Service {
public:
    App(const config::Config& config, Log& log);
    ~App() override;

    void start() override;
    std::string status_json() override;
    Result<std::vector<std::string>> reload(const config::Config& config) override;
    Result<void> check(const config::Config& config) override;
    void users_changed() override { auth_->look_at_users(); }
    Result<std::string> manage(const std::string& name, const ManageFields& fields) override;
    void stop() override;

private:
    using Timer =
        boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                          boost::asio::wait_traits<std::chrono::steady_clock>,
                                          boost::asio::io_context::executor_type>;

    void add_listeners();
    template <class Listeners>
    void add_tcp_listeners(const std::string& kind, const Listeners& listeners);
    void add_listener(const std::string& name, Result<transport::ListenSocket> socket);
    void add_mqttsn_listeners();
    /// Reads what the listeners' settings name, and gives what puts them in place.
    Result<std::vector<std::function<void()>>> prepare_mqttsn(const config::Config& config);
    void apply_listener_settings(const config::Config& config, const TlsListeners::Setups& tls);
    void schedule_housekeeping();
    void housekeep();
    void grade_memory();
    void report_memory(Broker& broker);
    void report_store(Broker& broker);
    void schedule_sys_tick();
    InstanceStats stats() const;
    std::vector<const Metrics*> metrics() const;
    bool has_room() const;
    std::uint64_t memory_used() const;

    /// The present configuration; read by workers through the atomics below only.
    config::Config config_;
    Log& log_;
    const WallTime started_;
    std::vector<std::unique_ptr<transport::WorkerLoop>> loops_;
    std::unique_ptr<BrokerShared> shared_;
    std::unique_ptr<Clients> clients_;
    std::unique_ptr<ThreadExchange> exchange_;
    std::shared_ptr<auth::AuthService> auth_;
    std::unique_ptr<AccessControl> access_;  // outlives the workers, which answer to it
    std::unique_ptr<Store> store_;           // outlives the workers, which submit to it
    std::vector<std::unique_ptr<Worker>> workers_;
    std::unique_ptr<SockJsHubs> sockjs_hubs_;  // null without such listeners
    std::vector<std::unique_ptr<Listener>> listeners_;
    std::vector<std::unique_ptr<MqttSnListener>> mqttsn_listeners_;
    TlsListeners tls_listeners_;
    CoapListeners coap_listeners_;
    std::uint32_t next_worker_ = 0;  // for accepted sockets; the first worker's

    // On the first worker.
    std::unique_ptr<Timer> housekeeping_timer_;
    std::unique_ptr<Timer> sys_timer_;
    std::unique_ptr<SysTopics> sys_topics_;
    bool is_store_reported_healthy_ = true;
    MemoryGrade reported_grade_ = MemoryGrade::normal;

    std::atomic<std::uint64_t> connection_count_{0};
    std::atomic<std::uint64_t> connection_count_max_{0};
    std::atomic<std::uint64_t> memory_budget_{0};
    std::atomic<std::uint32_t> shed_percent_{80}, pause_percent_{90}, refuse_percent_{95};
    std::atomic<std::int64_t> sys_interval_ms_{60000};
    bool is_running_ = false;
};

}  // namespace gw
