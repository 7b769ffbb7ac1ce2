#pragma once

#include "adapters/http/message.hpp"
#include "adapters/transport/stream_layer.hpp"
#include "broker-core/base/clock.hpp"
#include "broker-core/message/peer_info.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace gw::http {

/// What goes on behind a response that is not finished: a long poll, a stream of events. Belongs to
/// the connection, and is destroyed when the response is finished or the peer has gone.
class Activity {
public:
    virtual ~Activity() = default;
    /// All that was streamed is written.
    virtual void on_drained() {}
    /// The program stops: to be answered with the end of the response.
    virtual void on_shutdown() {}
};

/// One request and the means to answer it; the connection's worker only. A response is given whole
/// by respond(), or in pieces by begin_stream(), stream() and end_stream(), or the connection goes
/// on as something else by upgrade(). Answering late needs an Activity.
class Exchange {
public:
    virtual ~Exchange() = default;

    virtual const Request& request() const = 0;
    /// The client; behind a trusted proxy as the proxy's fields tell it.
    virtual const PeerInfo& peer() const = 0;
    virtual std::uint32_t worker() const = 0;
    virtual Now now() const = 0;
    /// Whether the door lets the client in, to be asked once for what counts as a connection of
    /// his; else the answer was given. Of clients that connect by themselves it was asked then.
    virtual bool admit() = 0;

    virtual void respond(const Response& response) = 0;
    /// Sends the head, with `head.body` as the first piece. Chunked for HTTP/1.1 clients.
    virtual void begin_stream(const Response& head) = 0;
    virtual void stream(std::string_view bytes) = 0;
    virtual void end_stream() = 0;
    /// Streamed and not yet taken by the socket.
    virtual std::size_t unsent_bytes() const = 0;
    /// Ends the connection without an answer, or in the middle of one.
    virtual void abort() = 0;
    /// Keeps `activity` as long as the response is not finished.
    virtual void attach(std::unique_ptr<Activity> activity) = 0;
    /// Answers 101 with these fields (Connection and Upgrade included), and goes on as `upgrade`
    /// says. `head.body` goes out right behind: the first words of what goes on.
    virtual void upgrade(const Response& head,
                         std::shared_ptr<const transport::StreamUpgrade> upgrade) = 0;
};

}  // namespace gw::http
