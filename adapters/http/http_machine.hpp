#pragma once

#include "adapters/http/exchange.hpp"
#include "adapters/http/forwarded.hpp"
#include "adapters/http/request_parser.hpp"
#include "adapters/http/router.hpp"
#include "adapters/machine/stream_machine.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

namespace gw::http {

/// What the HTTP connections of one listener have in common; never changed, any worker.
struct Site {
    Router router;
    ParserLimits limits;
    /// From the first byte (the first request: from the connection's begin) to the end of a
    /// request.
    Milliseconds request_timeout{10'000};
    /// Between two requests.
    Milliseconds idle_timeout{60'000};
    ProxyTrust trust;
    /// Whether a client at this address may come in at all; null: everybody. Asked again when a
    /// proxy has told another address.
    std::function<bool(const IpAddress&)> lets_in{};
    /// The status to refuse a connection of a trusted proxy's client with, or nothing; null:
    /// everybody comes as often as he likes. Of others the transport has asked.
    std::function<std::optional<unsigned>(std::uint32_t worker, const IpAddress&)> refusal{};
    /// Told the status of each request that is refused, for counters and logs.
    std::function<void(std::uint32_t worker, unsigned status, const PeerInfo&)> on_refused{};
    std::function<Now(std::uint32_t worker)> clock;
};

/// HTTP/1.x on one connection: reads requests, lets the router's handlers answer, one after the
/// other. Pure.
class HttpMachine final : public StreamMachine, private Exchange {
public:
    HttpMachine(StreamConnection& connection, std::shared_ptr<const Site> site, PeerInfo peer,
                std::uint32_t worker);
    ~HttpMachine() override;

    std::size_t on_bytes(Bytes bytes) override;
    void on_deadline() override;
    void on_closed(ReasonCode reason) override;
    void on_output_drained() override;
    void on_shutdown(ReasonCode reason) override;

private:
    enum class State : std::uint8_t {
        reading,    // the next request
        answering,  // a handler has the request
        streaming,  // a response has begun
        moving,     // once what was written has left
        ended,      // closed, or something else has taken over
    };

    // Exchange
    const Request& request() const override { return parser_->request(); }
    const PeerInfo& peer() const override { return client_; }
    std::uint32_t worker() const override { return worker_; }
    Now now() const override { return site_->clock(worker_); }
    bool admit() override;
    void respond(const Response& response) override;
    void begin_stream(const Response& head) override;
    void stream(std::string_view bytes) override;
    void end_stream() override;
    std::size_t unsent_bytes() const override { return connection_.unsent_bytes(); }
    void abort() override;
    void attach(std::unique_ptr<Activity> activity) override;
    void upgrade(const Response& head,
                 std::shared_ptr<const transport::StreamUpgrade> upgrade) override;

    std::size_t read_request(Bytes bytes);
    bool accept_head();
    void dispatch();
    void refuse(Response response);
    void write_head(const Response& response, bool has_length);
    void finish_response();
    void close(CloseMode mode);

    StreamConnection& connection_;
    std::shared_ptr<const Site> site_;
    PeerInfo peer_;    // of the connection
    PeerInfo client_;  // of the present request
    std::unique_ptr<RequestParser> parser_;
    const Handler* handler_ = nullptr;  // of the request being read or answered
    std::unique_ptr<Activity> activity_;
    std::unique_ptr<Activity> spent_;  // may still be on the stack
    std::uint32_t worker_;
    State state_ = State::reading;
    bool is_chunked_ = false;
    bool closes_after_ = false;
    bool is_reading_paused_ = false;
    bool is_shutting_down_ = false;
};

}  // namespace gw::http
