#pragma once

#include "broker-core/base/assert.hpp"
#include "broker-core/base/bytes.hpp"
#include "broker-core/base/clock.hpp"
#include "broker-core/message/message.hpp"
#include "broker-core/message/reason.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace gw {

namespace transport {
class StreamUpgrade;
}

/// How a machine wants its connection to end.
enum class CloseMode : std::uint8_t {
    /// After the output is written: shut down writing, read and throw away until the peer closes
    /// (a few seconds at most), then close. So the peer can read why: closing with unread input
    /// would reset the connection and destroy what was written.
    drain,
    /// At once; output not yet written is lost.
    abort,
};

/// A byte stream to one peer, seen from a machine; implemented by the stream driver, whatever the
/// bytes run over (TCP, TLS, WebSocket). Same thread as the machine. None of these calls back into
/// the machine.
class StreamConnection {
public:
    virtual ~StreamConnection() = default;

    /// Where output goes; what is appended is written at the end of this turn. The reference is
    /// good until control goes back to the driver.
    virtual ByteBuffer& output() = 0;
    /// Appends bytes of a message without copying them; the message is held until they are written.
    virtual void gather(const MessagePtr& message, Bytes bytes) = 0;
    /// Bytes appended and not yet taken by the socket.
    virtual std::size_t unsent_bytes() const = 0;
    /// on_deadline() comes at this time, once; `never` takes it back.
    virtual void set_deadline(MonotonicTime deadline) = 0;
    /// Stops and restarts reading. What was read and not consumed is given again after resuming.
    virtual void pause_reading() = 0;
    virtual void resume_reading() = 0;
    /// Ends the connection; on_closed() does not follow.
    virtual void close(CloseMode mode) = 0;
    /// Hands the connection over to another worker, with all bytes not consumed; a new machine goes
    /// on with it there. This machine is destroyed without on_closed().
    virtual void move_to(std::uint32_t worker) = 0;
    /// Goes on with another machine, on top of one more layer: what is in output() goes out as it
    /// is, bytes not consumed and all further ones pass the new layer. Takes effect when control
    /// goes back to the driver; this machine is then destroyed without on_closed(). Only for
    /// connections of a StreamDriver.
    virtual void upgrade(std::shared_ptr<const transport::StreamUpgrade>) { GW_UNREACHABLE(); }

    /// Set by the machine: StreamMachine::on_output_drained() is wanted once all output is written.
    bool wants_drained = false;
};

/// The protocol of one connection: bytes and time in, bytes and calls of the broker core out.
/// Destroyed by the driver, after on_closed() or a close() of its own.
class StreamMachine {
public:
    virtual ~StreamMachine() = default;

    /// Takes what it can of the bytes received, old ones first, and says how many it consumed. The
    /// rest is given again together with what comes next.
    virtual std::size_t on_bytes(Bytes bytes) = 0;
    virtual void on_deadline() = 0;
    /// The peer has closed, or the connection broke.
    virtual void on_closed(ReasonCode reason) = 0;
    /// All output is written; comes once after the machine has set wants_drained.
    virtual void on_output_drained() = 0;
    /// The program stops, or the connection's listener does.
    virtual void on_shutdown(ReasonCode reason) = 0;
};

}  // namespace gw
