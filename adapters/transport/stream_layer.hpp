#pragma once

#include "broker-core/base/bytes.hpp"
#include "broker-core/message/peer_info.hpp"

#include <cstdint>

namespace gw::transport {

/// Turns the bytes of a socket into the bytes that a machine speaks, and back: TLS, the frames of
/// WebSocket, a PROXY header. A StreamDriver has none or several, one on top of the other; each
/// knows only bytes, so that it can be tested without sockets. One thread at a time: a layer moves
/// between workers with its connection.
class StreamLayer {
public:
    enum class Status : std::uint8_t {
        opening,  // a handshake is under way: nothing above exists yet
        open,
        ended,   // the peer said goodbye in this layer's words: as the end of the stream
        failed,  // what came breaks the layer's rules: what is in `down` is sent, then the end
    };

    virtual ~StreamLayer() = default;

    /// Takes bytes from below: consumes all of them, appends to `up` what the layer above gets, and
    /// to `down` what goes to the peer at once. Keeps what is incomplete, within its own limits.
    virtual Status on_received(Bytes bytes, ByteBuffer& up, ByteBuffer& down) = 0;
    /// Wraps bytes of the layer above into `down`. Called only while open.
    virtual void on_send(Bytes bytes, ByteBuffer& down) = 0;
    /// The connection ends from this side, after all else was sent: says so in the layer's words
    /// (close_notify, a Close frame).
    virtual void on_close(ByteBuffer& down) = 0;
    /// Adds what the layer has learned of the peer. Called once open, before a machine is made,
    /// and again after a move to another worker.
    virtual void describe(PeerInfo&) const {}
};

}  // namespace gw::transport
