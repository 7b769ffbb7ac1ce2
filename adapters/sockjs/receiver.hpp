#pragma once

#include "adapters/http/exchange.hpp"
#include "adapters/sockjs/session.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gw::sockjs {

/// The transports that receive over HTTP.
enum class Transport : std::uint8_t { xhr, xhr_streaming, eventsource, htmlfile, jsonp };

/// How a transport writes a frame. `callback` is that of jsonp.
std::string format_frame(Transport transport, std::string_view frame, std::string_view callback);
/// What a streaming response begins with: it makes browsers show what comes. `callback` is that of
/// htmlfile.
std::string prelude(Transport transport, std::string_view callback);
std::string_view content_type(Transport transport);

/// A response that brings frames to a client: one (polling), or many until it has brought enough.
class ResponseReceiver final : public Receiver, public http::Activity {
public:
    /// `head` has all fields of the response.
    ResponseReceiver(http::Exchange& exchange, Transport transport, std::string callback,
                     http::Response head, std::size_t response_bytes_max);
    ~ResponseReceiver() override;

    /// Once this is the exchange's activity.
    void start(Session& session);

    bool send(std::string_view frame) override;
    void end() override;
    bool is_congested() const override;
    void on_released() override { session_ = nullptr; }
    void on_drained() override;

private:
    bool is_polling() const {
        return transport_ == Transport::xhr || transport_ == Transport::jsonp;
    }

    http::Exchange& exchange_;
    Transport transport_;
    std::string callback_;
    http::Response head_;
    std::size_t left_;
    Session* session_ = nullptr;
};

}  // namespace gw::sockjs
