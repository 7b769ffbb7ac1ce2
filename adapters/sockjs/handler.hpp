#pragma once

#include "adapters/http/router.hpp"
#include "adapters/sockjs/endpoint.hpp"
#include "adapters/sockjs/receiver.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace gw::sockjs {

class Hub;

/// A path of an endpoint taken apart.
struct SockJsPath {
    enum class Kind : std::uint8_t { greeting, info, iframe, raw_websocket, session, none };
    Kind kind = Kind::none;
    std::string_view session{};    // its id
    std::string_view transport{};  // "xhr_send"
};
/// `rest` is what follows the endpoint's path.
SockJsPath parse_path(std::string_view rest);

/// Answers all requests below an endpoint's path (sockjs-protocol 0.3.3).
class SockJsHandler final : public http::Handler {
public:
    /// `hub` gives the one of a worker, and must not be asked from elsewhere.
    SockJsHandler(EndpointPtr endpoint, std::uint32_t worker_count,
                  std::function<Hub&(std::uint32_t worker)> hub)
        : endpoint_(std::move(endpoint)), worker_count_(worker_count), hub_(std::move(hub)) {}

    void on_request(http::Exchange& exchange) const override;
    std::uint32_t worker_for(const http::Request& request, std::uint32_t present) const override;

private:
    SockJsPath path_of(const http::Request& request) const;
    void answer_greeting(http::Exchange& exchange) const;
    void answer_info(http::Exchange& exchange) const;
    void answer_iframe(http::Exchange& exchange) const;
    void answer_raw(http::Exchange& exchange) const;
    void answer_websocket(http::Exchange& exchange) const;
    void answer_hixie76(http::Exchange& exchange) const;
    void receive(http::Exchange& exchange, Transport transport, std::string_view id) const;
    void send(http::Exchange& exchange, std::string_view id, bool is_jsonp) const;
    bool check_method(http::Exchange& exchange, std::string_view method) const;
    bool check_origin(http::Exchange& exchange) const;
    void add_common(const http::Request& request, http::Response& response) const;

    EndpointPtr endpoint_;
    std::uint32_t worker_count_;
    std::function<Hub&(std::uint32_t worker)> hub_;
};

}  // namespace gw::sockjs
