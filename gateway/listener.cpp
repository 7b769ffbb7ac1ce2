#include "gateway/listener.hpp"

#include "adapters/transport/worker_loop.hpp"

#include <chrono>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace gw {

Listener::Listener(std::string name, transport::ListenSocket socket, Context context)
    : name_(std::move(name)), socket_(std::move(socket)), context_(std::move(context)) {}

Listener::~Listener() {
    if (!acceptor_) {
        ::close(socket_.fd);  // never started
    }
    if (socket_.address.find(':') == std::string::npos) {
        ::unlink(socket_.address.c_str());
    }
}

void Listener::apply(Settings settings) {
    if (settings.tls) {
        settings.tls->apply_limits();
    }
    auto fresh = std::make_shared<const Settings>(std::move(settings));
    const std::lock_guard lock{settings_mutex_};
    settings_ = std::move(fresh);
}

std::shared_ptr<const Listener::Settings> Listener::settings() const {
    const std::lock_guard lock{settings_mutex_};
    return settings_;
}

void Listener::start(boost::asio::io_context& context) {
    acceptor_ = std::make_unique<transport::Acceptor>(
        context, socket_.fd, [this](int fd) { on_accept(fd); },
        [this](int error) {
            context_.log->error(
                "listener.accept_paused",
                {{"listener", name_}, {"error", std::generic_category().message(error)}});
        });
    acceptor_->start();
}

void Listener::close() {
    if (acceptor_) {
        acceptor_->close();
    }
}

std::optional<DoorReason> Listener::refusal(const PeerInfo& peer, const Settings& settings) {
    if (!context_.has_room()) {
        return DoorReason::no_room;
    }
    if (settings.client_count_max != 0 && client_count() >= settings.client_count_max) {
        return DoorReason::listener_full;
    }
    if (settings.unauthenticated_count_max != 0 &&
        unauthenticated_count_.load(std::memory_order_relaxed) >=
            settings.unauthenticated_count_max) {
        return DoorReason::unauthenticated;
    }
    if (context_.access != nullptr) {
        if (const auto why = context_.access->overload()) {
            return why;
        }
    }
    if (settings.proxy.is_on) {
        // What concerns the client's address is asked when the proxy has told it.
        if (!is_from_proxy(peer, settings)) {
            return DoorReason::access_list;
        }
    } else if (const auto why = refusal_of(peer.ip, settings)) {
        return why;
    }
    const MonotonicTime now = transport::read_clocks().monotonic;
    if (settings.connect_rate_max != connect_rate_max_ || !connect_rate_) {
        connect_rate_max_ = settings.connect_rate_max;
        connect_rate_ = std::make_unique<RateLimit>(connect_rate_max_, now);
    }
    if (connect_rate_max_ != 0 && !connect_rate_->try_take(now)) {
        return DoorReason::listener_rate;
    }
    return std::nullopt;
}

std::optional<DoorReason> Listener::refusal_of(const IpAddress& client,
                                               const Settings& settings) const {
    if (!settings.origin->lets_in(client)) {
        return DoorReason::access_list;
    }
    if (context_.access == nullptr) {
        return std::nullopt;
    }
    // Of a proxy that names its clients in its requests only a ban counts here: how often it comes
    // says nothing of any of them.
    if (settings.machines->speaks_for_others(client)) {
        return context_.access->is_banned(client) ? std::optional{DoorReason::banned}
                                                  : std::nullopt;
    }
    // An address that comes too often must not use up what the listener has for all.
    return context_.access->admit(client);
}

bool Listener::is_from_proxy(const PeerInfo& peer, const Settings& settings) {
    for (const IpRange& range : settings.proxy.trusted) {
        if (range.contains(peer.ip)) {
            return true;
        }
    }
    on_open_failed(0, {HandshakeFailure::untrusted_proxy, "not in proxy_protocol.trusted"}, peer);
    return false;
}

bool Listener::lets_in(std::uint32_t worker, const IpAddress& client) {
    const auto why = refusal_of(client, *settings());
    if (why) {
        refuse(worker, client, *why);
    }
    return !why;
}

std::optional<DoorReason> Listener::refuse_proxied(std::uint32_t worker, const IpAddress& client) {
    const auto why = context_.access == nullptr ? std::nullopt : context_.access->admit(client);
    if (why) {
        refuse(worker, client, *why);
    }
    return why;
}

void Listener::refuse(std::uint32_t worker, const IpAddress& client, DoorReason why) {
    PeerInfo peer;
    peer.ip = client;
    peer.address = client.text();
    refuse(worker, peer, why);
}

bool Listener::allows(const IpAddress& client) const {
    return settings()->origin->lets_in(client);
}

void Listener::on_accept(int fd) {
    const PeerInfo peer = transport::peer_of(fd);
    const auto present = settings();
    if (const auto why = refusal(peer, *present)) {
        refuse(0, peer, *why);
        ::close(fd);
        return;
    }
    context_.broker(0).metrics().connections_opened.add();
    client_count_.fetch_add(1, std::memory_order_relaxed);
    // Over TLS a request comes long after its connection; to shake hands is work for all workers.
    context_.place(fd, *this, present->machines->keeps_order() && !present->tls);
}

/// Floods must not fill the log: one line a second for each reason.
void Listener::refuse(std::uint32_t worker, const PeerInfo& peer, DoorReason why) {
    Metrics& metrics = context_.broker(worker).metrics();
    metrics.connections_refused.add();
    metrics.door_refused_by_reason[static_cast<std::size_t>(why)].add();
    if (context_.access == nullptr) {
        return;
    }
    if (const auto passed_over = context_.access->door()->note(why, transport::read_clocks())) {
        context_.log->info("connection.refused", {{"listener", name_},
                                                  {"peer", peer.address},
                                                  {"reason", door_reason_name(why)},
                                                  {"not_logged", *passed_over}});
    }
}

transport::LayerSetup Listener::make_layers(std::uint32_t worker) {
    transport::LayerSetup setup;
    const auto present = settings();
    if (present->proxy.is_on) {
        auto rules = std::make_shared<transport::ProxyRules>();
        rules->lets_in = [this, worker](const IpAddress* client) {
            return client == nullptr || lets_in(worker, *client);
        };
        rules->takes_common_name = present->proxy.takes_common_name;
        setup.layers.push_back(std::make_unique<transport::ProxyLayer>(std::move(rules)));
        setup.timeout += present->proxy.timeout;
        setup.bytes_max += transport::proxy_header_bytes_max;
    }
    if (present->tls) {
        present->tls->add_layer(setup);
        setup.while_opening = count_unauthenticated();
    }
    return setup;
}

void Listener::on_opened(std::uint32_t worker) {
    context_.broker(worker).metrics().handshakes_completed.add();
}

void Listener::on_open_failed(std::uint32_t worker, const transport::StreamLayer::Failure& failure,
                              const PeerInfo& peer) {
    Metrics& metrics = context_.broker(worker).metrics();
    metrics.handshakes_failed.add();
    metrics.handshakes_failed_by_reason[static_cast<std::size_t>(failure.reason)].add();
    if (may_log_failure()) {
        context_.log->info("connection.handshake_failed",
                           {{"listener", name_},
                            {"peer", peer.address},
                            {"reason", handshake_failure_name(failure.reason)},
                            {"text", failure.text}});
    }
}

void Listener::on_layer_failed(std::uint32_t worker, const transport::StreamLayer::Failure& failure,
                               const PeerInfo& peer) {
    context_.broker(worker).metrics().fail_layer(failure.code);
    if (may_log_failure()) {
        context_.log->info("connection.layer_failed", {{"listener", name_},
                                                       {"peer", peer.address},
                                                       {"code", failure.code},
                                                       {"text", failure.text}});
    }
}

/// Strangers must not be able to fill the log: the counters have them all.
bool Listener::may_log_failure() {
    constexpr std::uint32_t lines_a_second = 10;
    const std::int64_t second =
        std::chrono::duration_cast<Seconds>(transport::read_clocks().monotonic.time_since_epoch())
            .count();
    if (failures_logged_in_.exchange(second, std::memory_order_relaxed) != second) {
        failures_logged_.store(0, std::memory_order_relaxed);
    }
    return failures_logged_.fetch_add(1, std::memory_order_relaxed) < lines_a_second;
}

/// A peer counts as long as it has not been authenticated, its handshake included.
CountTicketPtr Listener::count_unauthenticated() {
    return context_.access == nullptr
               ? CountTicketPtr{}
               : std::make_shared<CountTicket>(unauthenticated_count_,
                                               context_.access->unauthenticated_count());
}

std::unique_ptr<StreamMachine> Listener::make_machine(std::uint32_t worker,
                                                      StreamConnection& connection, PeerInfo peer) {
    complete(peer);
    return settings()->machines->make(context_.broker(worker), connection, std::move(peer));
}

void Listener::complete(PeerInfo& peer) {
    const auto present = settings();
    peer.listener = name_;
    peer.rules = present->origin;
    if (present->tls) {
        present->tls->name_peer(peer);
    }
    peer.unauthenticated = count_unauthenticated();
}

void Listener::on_request_refused(std::uint32_t worker, unsigned status, const PeerInfo& peer) {
    context_.broker(worker).metrics().refuse_request(status);
    if (may_log_failure()) {
        context_.log->info("http.refused",
                           {{"listener", name_}, {"peer", peer.address}, {"status", status}});
    }
}

void Listener::on_connection_closed(std::uint32_t worker) {
    client_count_.fetch_sub(1, std::memory_order_relaxed);
    context_.on_closed(worker);
}

}  // namespace gw
