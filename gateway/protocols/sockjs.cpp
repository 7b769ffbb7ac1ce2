#include "gateway/protocols/sockjs.hpp"

#include "adapters/sockjs/handler.hpp"
#include "gateway/protocols/http_site.hpp"
#include "gateway/protocols/sockjs_page.hpp"

#include <functional>
#include <utility>

namespace gw {

class SockJsHubs::Member final : public transport::LoopMember {
public:
    Member(transport::WorkerLoop& loop, sockjs::Hub::Port port)
        : loop_(loop), hub(std::move(port)) {
        loop_.add_member(*this);
    }
    ~Member() override { loop_.remove_member(*this); }
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;

    void on_events(std::uint32_t) override {}
    void take_inbox() override {}
    void on_deadline() override { hub.on_deadline(); }
    MonotonicTime next_deadline() const override { return hub.next_deadline(); }
    void settle() override { hub.settle(); }
    void flush() override { hub.settle(); }
    void shut_down(ReasonCode reason) override { hub.on_shutdown(reason); }

private:
    transport::WorkerLoop& loop_;

public:
    sockjs::Hub hub;
};

SockJsHubs::SockJsHubs(std::span<const std::unique_ptr<transport::WorkerLoop>> loops) {
    const auto post = [this, loops](std::uint32_t to, std::function<void(sockjs::Hub&)> task) {
        loops[to]->post([this, to, task = std::move(task)] { task(at(to)); });
    };
    for (const auto& loop : loops) {
        members_.push_back(std::make_unique<Member>(
            *loop, sockjs::Hub::Port{.worker = loop->index(),
                                     .worker_count = static_cast<std::uint32_t>(loops.size()),
                                     .post = post,
                                     .now = [&at = *loop] {
                                         return at.now();
                                     }}));
    }
}

SockJsHubs::~SockJsHubs() = default;

sockjs::Hub& SockJsHubs::at(std::uint32_t worker) {
    return members_[worker]->hub;
}

namespace {

/// The same page for all.
class PageHandler final : public http::Handler {
public:
    explicit PageHandler(std::string_view page) : page_(page) {}

    void on_request(http::Exchange& exchange) const override {
        http::Response response;
        response.with("Content-Type", "text/html; charset=UTF-8")
            .with("Cache-Control", "no-cache")
            .with("X-Content-Type-Options", "nosniff")
            .with("X-Frame-Options", "DENY");
        response.body = page_;
        exchange.respond(response);
    }

private:
    std::string_view page_;
};

/// A SockJS listener's endpoints, while it is being put together.
class SiteBuilder {
public:
    SiteBuilder(const config::Config& config, const config::Http& http, Listener& listener,
                SockJsHubs& hubs)
        : config_(config), http_(http), listener_(listener), hubs_(hubs) {
        site_ = make_site(http, listener);
    }

    void add(const SockJsProtocol& protocol) {
        auto endpoint = base(protocol.path);
        endpoint.content = protocol.content;
        endpoint.handshake.origins = origin_policy(http_);
        endpoint.make_machine = upgraded_machines(protocol.machines, listener_);
        const auto content = protocol.content == sockjs::Content::text
                                 ? websocket::WebSocketLayer::Content::text
                                 : websocket::WebSocketLayer::Content::binary;
        std::vector<websocket::Subprotocol> subprotocols;
        for (const std::string& name : protocol.subprotocols) {
            subprotocols.push_back({name, content, endpoint.make_machine});
        }
        endpoint.raw = websocket::make_endpoint({.subprotocols = std::move(subprotocols),
                                                 .requires_protocol = protocol.requires_subprotocol,
                                                 .origins = endpoint.handshake.origins,
                                                 .frame_bytes_max = http_.frame_bytes_max});
        add(std::move(endpoint));
    }

    /// What the protocol's test suite wants (sockjs-protocol 0.3.3).
    void add_test_services() {
        constexpr std::size_t response_bytes_max = 4096;
        const auto make = [&](const std::string& path, sockjs::Service service) {
            auto endpoint = base(path);
            endpoint.service = service;
            endpoint.handshake.origins.allowed = {"*"};
            endpoint.response_bytes_max = response_bytes_max;
            endpoint.has_websocket = true;
            endpoint.is_cookie_needed = false;
            return endpoint;
        };
        add(make("/echo", sockjs::Service::echo));
        add(make("/close", sockjs::Service::close));
        auto disabled = make("/disabled_websocket_echo", sockjs::Service::echo);
        disabled.has_websocket = false;
        add(std::move(disabled));
        auto cookie = make("/cookie_needed_echo", sockjs::Service::echo);
        cookie.is_cookie_needed = true;
        add(std::move(cookie));
    }

    void add_page(std::string_view page) {
        site_->router.add("/", "GET, HEAD", std::make_shared<PageHandler>(page));
    }

    std::shared_ptr<http::Site> take() { return std::move(site_); }

private:
    sockjs::Endpoint base(const std::string& path) const {
        const config::SockJs& settings = config_.sockjs;
        sockjs::Endpoint endpoint;
        endpoint.scope = listener_.name() + path;
        endpoint.path = path;
        endpoint.handshake.requires_protocol = false;
        endpoint.handshake.takes_drafts = true;
        endpoint.read_rules = {.frame_bytes_max = site_->limits.body_bytes_max,
                               .message_bytes_max = site_->limits.body_bytes_max,
                               .allows_binary = false};
        endpoint.raw_rules = {.frame_bytes_max = http_.frame_bytes_max,
                              .message_bytes_max = http_.frame_bytes_max};
        endpoint.has_websocket = settings.has_websocket;
        endpoint.is_cookie_needed = settings.cookie_needed;
        endpoint.login_cookie = config_.auth.cookie.name;
        endpoint.response_bytes_max = settings.response_bytes_max;
        endpoint.session_count_max = settings.session_count_max;
        endpoint.heartbeat = settings.heartbeat;
        endpoint.disconnect_delay = settings.disconnect_delay;
        endpoint.client_url = settings.client_url;
        return endpoint;
    }

    void add(sockjs::Endpoint endpoint) {
        const std::string path = endpoint.path;
        const auto handler = std::make_shared<sockjs::SockJsHandler>(
            std::make_shared<const sockjs::Endpoint>(std::move(endpoint)), hubs_.count(),
            [&hubs = hubs_](std::uint32_t worker) -> sockjs::Hub& { return hubs.at(worker); });
        site_->router.add_prefix(path, handler);
    }

    const config::Config& config_;
    const config::Http& http_;
    Listener& listener_;
    SockJsHubs& hubs_;
    std::shared_ptr<http::Site> site_;
};

}  // namespace

SockJsProtocol mqtt_over_sockjs(const config::Config& config, MachineFactoryPtr machines) {
    return {config.sockjs.mqtt_path,
            sockjs::Content::binary,
            {"mqtt", "mqttv3.1", "mqttv3.1.1"},
            config.mqtt.requires_websocket_protocol,
            std::move(machines)};
}

SockJsProtocol stomp_over_sockjs(const config::Config& config, MachineFactoryPtr machines) {
    return {config.sockjs.stomp_path,
            sockjs::Content::text,
            {"v12.stomp", "v11.stomp", "v10.stomp"},
            false,
            std::move(machines)};
}

MachineFactoryPtr sockjs_machines(const config::Config& config, const config::Http& http,
                                  const std::vector<SockJsProtocol>& protocols, Listener& listener,
                                  SockJsHubs& hubs) {
    SiteBuilder builder{config, http, listener, hubs};
    for (const SockJsProtocol& protocol : protocols) {
        if (!protocol.path.empty()) {
            builder.add(protocol);
        }
    }
    if (config.sockjs.has_test_services) {
        builder.add_test_services();
    }
    if (config.sockjs.has_demo_page) {
        builder.add_page(sockjs_page());
    }
    // A client breaks a poll off and makes the next, or has one too many: what came first counts as
    // the first. The worker of the session, to which they go on, gets them in that order.
    return http_machines(builder.take(), ConnectionOrder::kept);
}

}  // namespace gw
