#include "gateway/app.hpp"

#include "broker-core/base/json.hpp"
#include "gateway/access/acl_file.hpp"
#include "gateway/memory_budget.hpp"
#include "gateway/origin_rules.hpp"
#include "gateway/protocols/known_protocols.hpp"
#include "gateway/protocols/mqtt.hpp"
#include "gateway/protocols/stomp.hpp"
#include "gateway/protocols/websocket.hpp"
#include "gateway/settings.hpp"
#include "gateway/version.hpp"

#include <algorithm>
#include <condition_variable>
#include <future>
#include <random>
#include <stdexcept>
#include <sys/resource.h>
#include <thread>
#include <utility>

namespace gw {

namespace {

constexpr std::chrono::milliseconds housekeeping_interval{100};
/// How long clients may take to read why they are disconnected when the program stops.
constexpr std::chrono::milliseconds shutdown_time{3000};
/// Descriptors kept for what are not clients: logs, store, control socket, epoll sets.
constexpr std::uint64_t reserved_descriptors = 64;

std::uint64_t random_seed() {
    std::random_device device;
    return static_cast<std::uint64_t>(device()) << 32 | device();
}

std::uint32_t worker_count_of(const config::Config& config) {
    const std::uint32_t wanted = config.node.worker_count != 0
                                     ? config.node.worker_count
                                     : std::thread::hardware_concurrency();
    return std::clamp(wanted, 1U, 255U);
}

/// Raises the limit on descriptors as far as it goes, and says how many clients that allows.
std::uint64_t client_descriptors() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
        ::getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur > reserved_descriptors ? limit.rlim_cur - reserved_descriptors : 1;
}

void append_number(std::string& json, std::string_view name, std::uint64_t value) {
    json += ",\"";
    json += name;
    json += "\":";
    json += std::to_string(value);
}

}  // namespace

App::App(const config::Config& config, Log& log)
    : config_(config), log_(log), started_(transport::read_clocks().wall) {
    const std::uint32_t worker_count = worker_count_of(config);
    const std::uint64_t hash_key = random_seed();
    shared_ = std::make_unique<BrokerShared>(router_options(config, worker_count, hash_key),
                                             retained_options(config), hash_key);
    shared_->worker_count = worker_count;
    shared_->protocols = known_protocols();
    shared_->log = &log_;
    for (std::uint32_t i = 0; i < worker_count; ++i) {
        loops_.push_back(std::make_unique<transport::WorkerLoop>(i));
    }
    for (const auto& loop : loops_) {
        loop->set_peers(loops_);
    }
    exchange_ = std::make_unique<ThreadExchange>(loops_);
    auth_ = std::make_shared<auth::AuthService>(auth::AuthService::Options{
        .worker_count = worker_count,
        .users_path = config.node.data_dir + "/" + config.auth.users.file,
        .thread_count = config.auth.thread_count,
        .waiting_count_max = config.auth.waiting_count_max,
        .post = [this](std::uint32_t worker,
                       BrokerTask task) { exchange_->post_task(worker, std::move(task)); },
        .log = &log_});
    shared_->authenticator = auth_;
    shared_->auth_methods = auth_;
    access_ = std::make_unique<AccessControl>(
        AccessControl::Context{
            .worker_count = worker_count,
            .data_dir = config.node.data_dir,
            .post = [this](std::uint32_t worker,
                           BrokerTask task) { exchange_->post_task(worker, std::move(task)); },
            .clock = [] { return transport::read_clocks(); },
            .log = &log_},
        config, random_seed());
    shared_->access = access_->policy();
    shared_->door = access_->door();
    clients_ = std::make_unique<Clients>(*shared_, [this](std::uint32_t worker, BrokerTask task) {
        exchange_->post_task(worker, std::move(task));
    });
    store_ = std::make_unique<Store>(
        worker_count, !config.store.file.empty(),
        [this](std::uint32_t worker, BrokerTask task) {
            exchange_->post_task(worker, std::move(task));
        },
        log_);
    std::vector<Broker*> brokers;
    for (const auto& loop : loops_) {
        workers_.push_back(std::make_unique<Worker>(*loop, *shared_, broker_options(config),
                                                    *exchange_, store_->storage(loop->index()),
                                                    random_seed(), [this] { grade_memory(); }));
        brokers.push_back(&workers_.back()->broker());
        auth_->attach(loop->index(), workers_.back()->broker());
    }
    exchange_->set_brokers(std::move(brokers));
    sys_topics_ = std::make_unique<SysTopics>(config.node.name, started_);
}

App::~App() {
    stop();
    // Connections tell their listeners and brokers when they are destroyed.
    for (const auto& loop : loops_) {
        loop->close_all();
    }
}

// ------------------------------------------------------------------------------------ starting

void App::start() {
    std::vector<Broker*> brokers;
    for (const auto& worker : workers_) {
        brokers.push_back(&worker->broker());
    }
    if (!config_.store.file.empty()) {
        store_->open(config_.node.data_dir + "/" + config_.store.file, brokers, *shared_);
    }
    access_->load_bans();
    add_listeners();
    add_mqttsn_listeners();
    coap_listeners_.open(config_, {.broker = [this](std::uint32_t worker) -> Broker& {
                                       return workers_[worker]->broker();
                                   },
                                   .loops = loops_,
                                   .hash_key = shared_->hash_key});
    const auto applied = reload(config_);
    if (!applied) {
        throw std::runtime_error{applied.error().text()};
    }
    boost::asio::io_context& context = loops_.front()->context();
    auth_->start();
    housekeeping_timer_ = std::make_unique<Timer>(context);
    sys_timer_ = std::make_unique<Timer>(context);
    loops_.front()->post([this] {
        for (const auto& listener : listeners_) {
            listener->start(loops_.front()->context());
        }
        schedule_housekeeping();
        schedule_sys_tick();
    });
    for (const auto& listener : mqttsn_listeners_) {
        listener->start(listener == mqttsn_listeners_.front());
    }
    coap_listeners_.start();
    for (const auto& worker : workers_) {
        worker->start();
    }
    is_running_ = true;
    for (const auto& listener : mqttsn_listeners_) {
        log_.info("listener.started",
                  {{"listener", listener->name()}, {"address", listener->address()}});
    }
    for (const auto& listener : coap_listeners_.all()) {
        log_.info("listener.started",
                  {{"listener", listener->name()}, {"address", listener->address()}});
    }
    for (const auto& listener : listeners_) {
        log_.info("listener.started",
                  {{"listener", listener->name()}, {"address", listener->address()}});
    }
}

template <class Listeners>
void App::add_tcp_listeners(const std::string& kind, const Listeners& listeners) {
    for (const config::TcpListener& tcp : listeners) {
        const transport::ListenOptions options{
            .backlog = static_cast<int>(tcp.limits.backlog_count),
            .receive_buffer_bytes = static_cast<int>(tcp.receive_buffer_bytes),
            .send_buffer_bytes = static_cast<int>(tcp.send_buffer_bytes)};
        add_listener(kind + tcp.name,
                     transport::listen_tcp(tcp.address.host, tcp.address.port, options));
    }
}

void App::add_listeners() {
    add_tcp_listeners("tcp.", config_.tcp_listeners);
    add_tcp_listeners("ssl.", config_.ssl_listeners);
    add_tcp_listeners("ws.", config_.ws_listeners);
    add_tcp_listeners("wss.", config_.wss_listeners);
    add_tcp_listeners("stomp.", config_.stomp_listeners);
    add_tcp_listeners("stomps.", config_.stomps_listeners);
    add_tcp_listeners("sockjs.", config_.sockjs_listeners);
    if (!config_.sockjs_listeners.empty()) {
        sockjs_hubs_ = std::make_unique<SockJsHubs>(loops_);
    }
    for (const config::UnixListener& local : config_.unix_listeners) {
        add_listener(
            "unix." + local.name,
            transport::listen_unix(local.path, local.mode,
                                   {.backlog = static_cast<int>(local.limits.backlog_count),
                                    .receive_buffer_bytes = 0,
                                    .send_buffer_bytes = 0}));
    }
}

void App::add_listener(const std::string& name, Result<transport::ListenSocket> socket) {
    if (!socket) {
        throw std::runtime_error{"listener." + name + ": " + socket.error().text()};
    }
    listeners_.push_back(std::make_unique<Listener>(
        name, std::move(*socket),
        Listener::Context{.broker = [this](std::uint32_t worker) -> Broker& {
                              return workers_[worker]->broker();
                          },
                          .place =
                              [this](int fd, transport::MachineSource& source, bool keeps_order) {
                                  connection_count_.fetch_add(1, std::memory_order_relaxed);
                                  const std::uint32_t to =
                                      keeps_order ? 0 : next_worker_++ % shared_->worker_count;
                                  loops_[to]->post_socket(fd, source);
                              },
                          .has_room = [this] { return has_room(); },
                          .access = access_.get(),
                          .on_closed =
                              [this](std::uint32_t worker) {
                                  workers_[worker]->broker().metrics().connections_closed.add();
                                  connection_count_.fetch_sub(1, std::memory_order_relaxed);
                              },
                          .log = &log_}));
}

void App::add_mqttsn_listeners() {
    const MqttSnListener::Context context{
        .broker = [this](std::uint32_t worker) -> Broker& { return workers_[worker]->broker(); },
        .loops = loops_,
        .hash_key = shared_->hash_key};
    for (const config::MqttSnListener& listener : config_.mqttsn_listeners) {
        auto opened = MqttSnListener::open(config_, listener, context);
        if (!opened) {
            throw std::runtime_error{"listener.mqttsn." + listener.name + ": " +
                                     opened.error().text()};
        }
        mqttsn_listeners_.push_back(std::move(*opened));
    }
}

bool App::has_room() const {
    return connection_count_.load(std::memory_order_relaxed) <
           connection_count_max_.load(std::memory_order_relaxed);
}

// ------------------------------------------------------------------------------------- settings

namespace {

/// What a reload says of the access rules: who has changed only their file sees that it was read.
std::string rules_note(const config::Config& config, const AclTable& table) {
    const std::string file = acl_file_of(config);
    return "access rules: " + std::to_string(table.rules().size()) +
           (file.empty() ? ", built in" : ", of " + file);
}

}  // namespace

Result<std::vector<std::string>> App::reload(const config::Config& config) {
    // What can be wrong is read before anything changes.
    auto apply_mqttsn = prepare_mqttsn(config);
    if (!apply_mqttsn) {
        return std::move(apply_mqttsn).error();
    }
    const auto apply_coap = coap_listeners_.prepare(config);
    if (!apply_coap) {
        return apply_coap.error();
    }
    auto modules = auth_->prepare(config.auth);
    if (!modules) {
        return std::move(modules).error();
    }
    const auto rules = access_->prepare(config);
    if (!rules) {
        return rules.error();
    }
    const auto tls = tls_listeners_.read(config);
    if (!tls) {
        return tls.error();
    }
    auto notes = TlsListeners::report(*tls, transport::read_clocks().wall, log_);
    notes.push_back(rules_note(config, **rules));
    auth_->apply(config.auth, std::move(*modules));
    const std::uint64_t possible = client_descriptors();
    connection_count_max_ =
        config.node.connection_count_max != 0
            ? std::min<std::uint64_t>(possible, config.node.connection_count_max)
            : possible;
    memory_budget_ = config.node.memory_budget_bytes != 0 ? config.node.memory_budget_bytes
                                                          : default_memory_budget_bytes();
    shed_percent_ = config.node.shed_qos0_percent;
    pause_percent_ = config.node.pause_reading_percent;
    refuse_percent_ = config.node.refuse_connect_percent;
    sys_interval_ms_ = config.sys.interval.count();
    apply_listener_settings(config, *tls);
    for (const auto& apply : *apply_mqttsn) {
        apply();
    }
    for (const auto& apply : *apply_coap) {
        apply();
    }
    const BrokerOptions options = broker_options(config);
    if (is_running_) {
        for (std::uint32_t i = 0; i < workers_.size(); ++i) {
            exchange_->post_task(i, [options](Broker& broker) { broker.set_options(options); });
        }
        loops_.front()->post([this] { schedule_sys_tick(); });
    }
    access_->apply(config, *rules, is_running_);
    config_ = config;
    return notes;
}

Result<std::vector<std::function<void()>>> App::prepare_mqttsn(const config::Config& config) {
    std::vector<std::function<void()>> all;
    for (const auto& listener : mqttsn_listeners_) {
        for (const config::MqttSnListener& settings : config.mqttsn_listeners) {
            if ("mqttsn." + settings.name != listener->name()) {
                continue;
            }
            auto prepared = listener->prepare(config, settings);
            if (!prepared) {
                return std::move(prepared).error().within("listener." + listener->name());
            }
            all.push_back(std::move(*prepared));
        }
    }
    return all;
}

Result<void> App::check(const config::Config& config) {
    const auto mqttsn = prepare_mqttsn(config);
    if (!mqttsn) {
        return mqttsn.error();
    }
    const auto rules = access_->prepare(config);
    if (!rules) {
        return rules.error();
    }
    const auto tls = tls_listeners_.read(config);
    if (!tls) {
        return tls.error();
    }
    const auto coap = coap_listeners_.prepare(config);
    if (!coap) {
        return coap.error();
    }
    const auto modules = auth_->prepare(config.auth);
    return modules ? Result<void>{} : Result<void>{modules.error()};
}

Result<std::string> App::manage(const std::string& name, const ManageFields& fields) {
    return Clients::answers(name) ? clients_->manage(name, fields) : access_->manage(name, fields);
}

void App::apply_listener_settings(const config::Config& config, const TlsListeners::Setups& tls) {
    const auto apply = [&](const std::string& name, const config::TcpListener& options,
                           const auto& make_machines) {
        for (const auto& listener : listeners_) {
            if (listener->name() != name) {
                continue;
            }
            const config::ListenerLimits& limits = options.limits;
            listener->apply({.machines = make_machines(limits, *listener),
                             .origin = origin_rules(config, limits, options.access,
                                                    {.is_loopback = listener->is_loopback(),
                                                     .is_unix = name.starts_with("unix."),
                                                     .is_built_in = options.is_built_in}),
                             .client_count_max = limits.client_count_max,
                             .unauthenticated_count_max = limits.unauthenticated_count_max,
                             .connect_rate_max = limits.connect_rate_max,
                             .tls = tls.contains(name) ? tls.at(name) : nullptr,
                             .proxy = options.proxy});
        }
    };
    const auto mqtt = [&config](const config::ListenerLimits& limits, Listener&) {
        return mqtt_machines(config, limits);
    };
    const auto stomp = [&config](const config::ListenerLimits& limits, Listener&) {
        return stomp_machines(config, limits);
    };
    const auto in_websocket = [&](const config::Http& http) {
        return [&](const config::ListenerLimits& limits, Listener& listener) {
            return websocket_machines(config, http, mqtt(limits, listener), listener);
        };
    };
    const auto in_sockjs = [&](const config::Http& http) {
        return [&](const config::ListenerLimits& limits, Listener& listener) {
            return sockjs_machines(config, http,
                                   {mqtt_over_sockjs(config, mqtt(limits, listener)),
                                    stomp_over_sockjs(config, stomp(limits, listener))},
                                   listener, *sockjs_hubs_);
        };
    };
    for (const config::TcpListener& tcp : config.tcp_listeners) {
        apply("tcp." + tcp.name, tcp, mqtt);
    }
    for (const config::SslListener& ssl : config.ssl_listeners) {
        apply("ssl." + ssl.name, ssl, mqtt);
    }
    for (const config::WsListener& ws : config.ws_listeners) {
        apply("ws." + ws.name, ws, in_websocket(ws.http));
    }
    for (const config::WssListener& wss : config.wss_listeners) {
        apply("wss." + wss.name, wss, in_websocket(wss.http));
    }
    for (const config::SockJsListener& sockjs : config.sockjs_listeners) {
        apply("sockjs." + sockjs.name, sockjs, in_sockjs(sockjs.http));
    }
    for (const config::TcpListener& tcp : config.stomp_listeners) {
        apply("stomp." + tcp.name, tcp, stomp);
    }
    for (const config::SslListener& ssl : config.stomps_listeners) {
        apply("stomps." + ssl.name, ssl, stomp);
    }
    for (const config::UnixListener& local : config.unix_listeners) {
        config::TcpListener options;
        options.limits = local.limits;
        apply("unix." + local.name, options, mqtt);
    }
}

// --------------------------------------------------------------------------------- housekeeping

void App::schedule_housekeeping() {
    housekeeping_timer_->expires_after(housekeeping_interval);
    housekeeping_timer_->async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            housekeep();
            schedule_housekeeping();
        }
    });
}

void App::housekeep() {
    Broker& broker = workers_.front()->broker();
    grade_memory();
    access_->keep_bans();
    report_memory(broker);
    report_store(broker);
    constexpr std::size_t expire_budget = 1000;  // retained messages looked at a tick
    const std::uint64_t change = shared_->retained.next_version();
    std::vector<MessagePtr> expired;
    shared_->retained.expire(transport::read_clocks().monotonic, expire_budget,
                             store_->is_open() ? &expired : nullptr);
    if (!expired.empty()) {
        broker.forget_retained(expired, change);
        loops_.front()->wake();
    }
}

std::uint64_t App::memory_used() const {
    // What clients can make grow. The estimates are the measured sizes of docs/performance.md.
    constexpr std::uint64_t session_bytes = 500;
    constexpr std::uint64_t subscription_bytes = 110;
    constexpr std::uint64_t connection_bytes = 400;
    return Message::total_footprint() +
           shared_->session_count.load(std::memory_order_relaxed) * session_bytes +
           shared_->router.subscription_count() * subscription_bytes +
           connection_count_.load(std::memory_order_relaxed) * connection_bytes;
}

/// Any worker, at the end of each turn: a few loads, so that a flood is met within the turn.
void App::grade_memory() {
    const std::uint64_t budget = memory_budget_.load(std::memory_order_relaxed);
    const std::uint64_t used_percent = memory_used() * 100 / std::max<std::uint64_t>(budget, 1);
    // A disk that is slower than the publishers must slow them down.
    constexpr std::size_t waiting_bytes_max = 64 << 20;
    MemoryGrade grade = store_->waiting_bytes() > waiting_bytes_max ? MemoryGrade::pause_reading
                                                                    : MemoryGrade::normal;
    if (used_percent >= refuse_percent_.load(std::memory_order_relaxed)) {
        grade = MemoryGrade::refuse_connect;
    } else if (used_percent >= pause_percent_.load(std::memory_order_relaxed)) {
        grade = MemoryGrade::pause_reading;
    } else if (used_percent >= shed_percent_.load(std::memory_order_relaxed)) {
        grade = MemoryGrade::shed_qos0;
    }
    if (shared_->memory_grade.load(std::memory_order_relaxed) != grade) {
        shared_->memory_grade.store(grade, std::memory_order_relaxed);
    }
}

void App::report_memory(Broker& broker) {
    const MemoryGrade grade = shared_->memory_grade.load(std::memory_order_relaxed);
    if (std::exchange(reported_grade_, grade) == grade) {
        return;
    }
    const std::uint64_t budget = memory_budget_.load(std::memory_order_relaxed);
    const std::uint64_t used_percent = memory_used() * 100 / std::max<std::uint64_t>(budget, 1);
    log_.warning("memory.grade", {{"grade", static_cast<unsigned>(grade)},
                                  {"used_percent", used_percent},
                                  {"budget_bytes", budget}});
    const std::string topic = "$SYS/brokers/" + broker.options().node_name + "/alarms/memory/";
    const std::string text =
        "{\"id\":\"memory\",\"severity\":" + std::to_string(static_cast<unsigned>(grade)) +
        ",\"used_percent\":" + std::to_string(used_percent) + "}";
    broker.publish_internal(topic + (grade == MemoryGrade::normal ? "clear" : "alert"), text,
                            false);
}

void App::report_store(Broker& broker) {
    const bool is_healthy = store_->is_healthy();
    if (std::exchange(is_store_reported_healthy_, is_healthy) == is_healthy) {
        return;
    }
    const std::string error = is_healthy ? std::string{} : store_->last_error();
    if (is_healthy) {
        log_.info("store.recovered");
    } else {
        log_.error("store.failing", {{"error", error}});
    }
    std::string text = "{\"id\":\"store\",\"severity\":\"critical\",\"title\":";
    append_json_string(text, is_healthy ? "store recovered" : error);
    text += '}';
    broker.publish_internal("$SYS/brokers/" + broker.options().node_name + "/alarms/store/" +
                                (is_healthy ? "clear" : "alert"),
                            text, false);
    loops_.front()->wake();
}

void App::schedule_sys_tick() {
    const std::chrono::milliseconds interval{sys_interval_ms_.load(std::memory_order_relaxed)};
    if (interval.count() == 0) {
        sys_timer_->cancel();
        return;
    }
    sys_timer_->expires_after(interval);
    sys_timer_->async_wait([this](const boost::system::error_code& error) {
        if (error) {
            return;
        }
        Broker& broker = workers_.front()->broker();
        broker.set_now(transport::read_clocks());
        const std::vector<const Metrics*> all = metrics();
        sys_topics_->tick(broker, stats(), [&all](const SysTopics::VisitMetric& visit) {
            for_each_metric(all, visit);
        });
        loops_.front()->wake();  // what was published goes out with a turn
        schedule_sys_tick();
    });
}

InstanceStats App::stats() const {
    InstanceStats stats;
    for (const auto& worker : workers_) {
        stats.clients += worker->broker().metrics().clients_online.value();
        stats.sessions += worker->broker().metrics().sessions.value();
    }
    stats.topics = shared_->router.filter_count();
    stats.subscriptions = shared_->router.subscription_count();
    stats.shared_groups = shared_->router.shared_group_count();
    stats.retained = shared_->retained.count();
    return stats;
}

std::vector<const Metrics*> App::metrics() const {
    std::vector<const Metrics*> all;
    for (const auto& worker : workers_) {
        all.push_back(&worker->broker().metrics());
    }
    return all;
}

std::string App::status_json() {
    std::string json = "{\"version\":";
    append_json_string(json, version);
    json += ",\"node\":";
    append_json_string(json, config_.node.name);
    const auto uptime =
        std::chrono::duration_cast<Seconds>(transport::read_clocks().wall - started_);
    append_number(json, "uptime_seconds", static_cast<std::uint64_t>(uptime.count()));
    append_number(json, "workers", workers_.size());
    json += ",\"listeners\":[";
    const auto append_listener = [&json](const auto& listener) {
        json += json.back() == '[' ? "{\"name\":" : ",{\"name\":";
        append_json_string(json, listener->name());
        json += ",\"address\":";
        append_json_string(json, listener->address());
        append_number(json, "clients", listener->client_count());
        json += '}';
    };
    std::for_each(listeners_.begin(), listeners_.end(), append_listener);
    std::for_each(mqttsn_listeners_.begin(), mqttsn_listeners_.end(), append_listener);
    std::for_each(coap_listeners_.all().begin(), coap_listeners_.all().end(), append_listener);
    json += ']';
    const InstanceStats now = stats();
    append_number(json, "connections", connection_count_.load(std::memory_order_relaxed));
    append_number(json, "unauthenticated", access_->unauthenticated_count());
    append_number(json, "clients", now.clients);
    append_number(json, "sessions", now.sessions);
    append_number(json, "subscriptions", now.subscriptions);
    append_number(json, "retained", now.retained);
    append_number(json, "logins_waiting", auth_->waiting_count());
    append_number(json, "memory_bytes", memory_used());
    append_number(json, "memory_budget_bytes", memory_budget_.load(std::memory_order_relaxed));
    if (store_->is_open()) {
        const LogStoreStats disk = store_->stats();
        append_number(json, "store_messages", disk.message_count);
        append_number(json, "store_deliveries", disk.delivery_count);
        append_number(json, "store_commits", disk.commits);
        append_number(json, "store_failed_commits", disk.failed_commits);
        append_number(json, "store_log_bytes", disk.log_bytes);
    }
    json += ",\"alarms\":[";
    if (shared_->memory_grade.load(std::memory_order_relaxed) != MemoryGrade::normal) {
        json += "\"memory\"";
    }
    if (!store_->is_healthy()) {
        json += json.back() == '[' ? "" : ",";
        append_json_string(json, "store: " + store_->last_error());
    }
    json += "],\"metrics\":{";
    bool is_first = true;
    for_each_metric(metrics(), [&](const MetricView& metric) {
        json += is_first ? "" : ",";
        is_first = false;
        append_json_string(json, metric.name);
        json += ':' + std::to_string(metric.value);
    });
    json += "}}";
    return json;
}

// ------------------------------------------------------------------------------------- stopping

void App::stop() {
    if (!std::exchange(is_running_, false)) {
        return;
    }
    loops_.front()->post([this] {
        housekeeping_timer_->cancel();
        sys_timer_->cancel();
        for (const auto& listener : listeners_) {
            listener->close();
        }
    });
    std::atomic<std::size_t> told_count{0};
    for (const auto& loop : loops_) {
        loop->post([&loop, &told_count] {
            loop->shut_down_connections(ReasonCode::server_shutting_down);
            // The turn after this one: what was said has been sent.
            loop->post([&told_count] { told_count.fetch_add(1, std::memory_order_relaxed); });
        });
    }
    // Clients read their DISCONNECT and close; those that do not are cut.
    const auto deadline = std::chrono::steady_clock::now() + shutdown_time;
    while ((connection_count_.load(std::memory_order_relaxed) != 0 ||
            told_count.load(std::memory_order_relaxed) != loops_.size()) &&
           std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
    auth_->stop();
    for (const auto& worker : workers_) {
        worker->stop();
    }
    store_->close();
    log_.info("gateway.stopped");
}

}  // namespace gw
