#pragma once

#include "adapters/machine/stream_machine.hpp"
#include "broker-core/base/bytes.hpp"
#include "broker-core/base/clock.hpp"
#include "broker-core/message/handshake_failure.hpp"
#include "broker-core/message/peer_info.hpp"

#include <cstdint>
#include <memory>
#include <string>

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

    /// Why it failed while opening.
    struct Failure {
        HandshakeFailure reason = HandshakeFailure::other;
        std::string text{};      // for the log
        std::uint16_t code = 0;  // in the layer's own words: the code of a Close frame; 0: none
    };

    virtual ~StreamLayer() = default;

    /// Takes bytes from below: consumes all of them, appends to `up` what the layer above gets, and
    /// to `down` what goes to the peer at once. Keeps what is incomplete, within its own limits.
    virtual Status on_received(Bytes bytes, ByteBuffer& up, ByteBuffer& down) = 0;
    /// Wraps bytes of the layer above into `down`. Called only while open.
    virtual void on_send(Bytes bytes, ByteBuffer& down) = 0;
    /// The connection ends from this side, after all else was sent: says so in the layer's words
    /// (close_notify, a Close frame). Called once open, at most once, also after `ended` (an answer
    /// may be due), never after `failed`.
    virtual void on_close(ByteBuffer& down) = 0;
    /// Adds what the layer has learned of the peer. Called once open, before a machine is made,
    /// and again after a move to another worker.
    virtual void describe(PeerInfo&) const {}
    /// The program stops: on_close() comes next and may say so.
    virtual void on_shutdown() {}
    /// When the layer has something to say of itself (a heart-beat); asked while open.
    virtual MonotonicTime next_deadline() const { return never; }
    /// That time has come.
    virtual void on_deadline(MonotonicTime, ByteBuffer&) {}
    /// Asked once, after `failed` or `ended`.
    virtual Failure failure() const { return {}; }
};

/// How a connection goes on after StreamConnection::upgrade(): HTTP becomes WebSocket. It stays
/// with the connection, also when that moves to another worker, where it makes the next machine.
class StreamUpgrade {
public:
    virtual ~StreamUpgrade() = default;

    /// The layer between those below and the new machine, open from the start. Asked once. Null:
    /// the machine alone changes.
    virtual std::unique_ptr<StreamLayer> make_layer() const = 0;
    /// The machine that goes on, on the worker that has the connection now. `peer` is what the
    /// system and the layers know; the upgrade adds what the request said (cookie, address of the
    /// client behind a trusted proxy).
    virtual std::unique_ptr<StreamMachine> make_machine(std::uint32_t worker,
                                                        StreamConnection& connection,
                                                        PeerInfo peer) const = 0;
};

}  // namespace gw::transport
