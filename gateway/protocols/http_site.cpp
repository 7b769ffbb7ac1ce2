#include "gateway/protocols/http_site.hpp"

#include <algorithm>
#include <utility>

namespace gw {

namespace {

class HttpMachines final : public MachineFactory {
public:
    HttpMachines(std::shared_ptr<const http::Site> site, ConnectionOrder order)
        : site_(std::move(site)), order_(order) {}

    std::unique_ptr<StreamMachine> make(Broker& broker, StreamConnection& connection,
                                        PeerInfo peer) const override {
        return std::make_unique<http::HttpMachine>(connection, site_, std::move(peer),
                                                   broker.worker());
    }
    bool speaks_for_others(const IpAddress& peer) const override {
        return std::any_of(site_->trust.proxies.begin(), site_->trust.proxies.end(),
                           [&peer](const IpRange& range) { return range.contains(peer); });
    }
    bool keeps_order() const override { return order_ == ConnectionOrder::kept; }

private:
    const std::shared_ptr<const http::Site> site_;
    const ConnectionOrder order_;
};

}  // namespace

std::shared_ptr<http::Site> make_site(const config::Http& http, Listener& listener) {
    auto site = std::make_shared<http::Site>();
    site->limits.head_bytes_max = http.head_bytes_max;
    site->request_timeout = http.request_timeout;
    site->trust = {http.trusted_proxies, http.address_header, http.port_header};
    site->lets_in = [&listener](const IpAddress& client) {
        return listener.allows(client);
    };
    site->refusal = [&listener](std::uint32_t worker,
                                const IpAddress& client) -> std::optional<unsigned> {
        const auto why = listener.refuse_proxied(worker, client);
        return why ? std::optional{*why == DoorReason::banned ? 403U : 429U} : std::nullopt;
    };
    site->on_refused = [&listener](std::uint32_t worker, unsigned status, const PeerInfo& peer) {
        listener.on_request_refused(worker, status, peer);
    };
    site->clock = [&listener](std::uint32_t worker) {
        return listener.broker(worker).now();
    };
    return site;
}

http::OriginPolicy origin_policy(const config::Http& http) {
    http::OriginPolicy policy;
    for (const std::string_view origin : http::split_list(http.origins)) {
        policy.allowed.emplace_back(origin);
    }
    return policy;
}

MachineFactoryPtr http_machines(std::shared_ptr<const http::Site> site, ConnectionOrder order) {
    return std::make_shared<HttpMachines>(std::move(site), order);
}

websocket::MachineFactory upgraded_machines(MachineFactoryPtr factory, Listener& listener) {
    return [factory = std::move(factory), &listener](std::uint32_t worker,
                                                     StreamConnection& connection, PeerInfo peer) {
        listener.complete(peer);
        return factory->make(listener.broker(worker), connection, std::move(peer));
    };
}

std::vector<websocket::Subprotocol> mqtt_subprotocols(const MachineFactoryPtr& mqtt,
                                                      Listener& listener) {
    std::vector<websocket::Subprotocol> all;
    for (const char* const name : {"mqtt", "mqttv3.1", "mqttv3.1.1"}) {
        all.push_back(
            {name, websocket::WebSocketLayer::Content::binary, upgraded_machines(mqtt, listener)});
    }
    return all;
}

}  // namespace gw
