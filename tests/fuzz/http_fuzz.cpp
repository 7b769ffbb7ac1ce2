// Properties, for any bytes of a client: how they are cut does not change what is answered; the
// machine consumes no more than it was given, and asserts nothing about what came. Upgrades,
// bodies, streams and moves are all within reach.
#include "adapters/http/http_machine.hpp"
#include "adapters/websocket/websocket_handler.hpp"
#include "broker-core/base/assert.hpp"
#include "tests/support/fake_connection.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace gw::http {
namespace {

struct Answering final : Handler {
    void on_request(Exchange& exchange) const override {
        exchange.respond(text_response(200, exchange.request().body + exchange.peer().address));
    }
};

std::shared_ptr<const Site> make_site() {
    auto site = std::make_shared<Site>();
    site->limits = {.head_bytes_max = 512, .body_bytes_max = 256};
    site->trust.proxies = {*IpRange::parse("10.0.0.0/8")};
    site->clock = [](std::uint32_t) {
        return Now{};
    };
    site->router.add("/a", "GET, POST, HEAD", std::make_shared<Answering>());
    site->router.add("/mqtt", "GET",
                     std::make_shared<websocket::WebSocketHandler>(websocket::make_endpoint(
                         {.subprotocols = {{"mqtt", {}, {}}},
                          .requires_protocol = true,
                          .origins = {.allowed = {"https://*.example", "null"}},
                          .frame_bytes_max = 100})));
    return site;
}

std::string feed(const std::shared_ptr<const Site>& site, Bytes bytes, std::size_t step) {
    test::FakeConnection connection;
    PeerInfo peer;
    peer.ip = *IpAddress::parse("10.0.0.1");
    HttpMachine machine{connection, site, peer, 0};
    std::string kept;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        kept += as_text(bytes.subspan(at, std::min(step, bytes.size() - at)));
        if (connection.closed || connection.upgraded) {
            break;
        }
        const std::size_t consumed = machine.on_bytes(as_bytes(kept));
        GW_ASSERT(consumed <= kept.size());
        kept.erase(0, consumed);
    }
    return std::string{as_text(connection.written.view())} + (connection.closed ? "closed" : "") +
           (connection.upgraded ? "upgraded" : "");
}

}  // namespace
}  // namespace gw::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gw;
    static const auto site = http::make_site();
    if (size < 1) {
        return 0;
    }
    const Bytes bytes{data + 1, size - 1};
    const std::string whole = http::feed(site, bytes, std::max<std::size_t>(1, bytes.size()));
    const std::string cut = http::feed(site, bytes, data[0] % 32 + 1U);
    GW_ASSERT(whole == cut);
    return 0;
}
