#pragma once

#include "adapters/machine/stream_machine.hpp"
#include "adapters/sockjs/session.hpp"
#include "broker-core/message/peer_info.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace gw::sockjs {

/// What the machine of a session over HTTP has for a connection. On the machine's worker; the
/// session, on its own, gets the output turn by turn.
class MachineHost final : public StreamConnection, public HubTimer {
public:
    MachineHost(Hub& hub, EndpointPtr endpoint, SessionKey key, PeerInfo peer);
    ~MachineHost() override;

    /// Makes the machine. `input` was not consumed elsewhere.
    void start(ByteBuffer input, std::size_t undelivered_bytes);

    // StreamConnection
    ByteBuffer& output() override;
    void gather(const MessagePtr& message, Bytes bytes) override;
    std::size_t unsent_bytes() const override { return undelivered_bytes_ + output_.size(); }
    void set_deadline(MonotonicTime when) override;
    void pause_reading() override { is_paused_ = true; }
    void resume_reading() override;
    void close(CloseMode mode) override;
    void move_to(std::uint32_t worker) override;

    // From the session
    void on_input(Bytes bytes);
    void on_delivered(std::size_t bytes);
    void on_session_closed();

    void on_timer() override;
    void on_shutdown(ReasonCode reason);
    /// The end of the turn, when something has changed: sends what there is. False: this is done
    /// with, and to be destroyed.
    bool settle();

private:
    void feed();
    void tell_drained();
    void mark_dirty();

    Hub& hub_;
    EndpointPtr endpoint_;
    SessionKey key_;
    PeerInfo peer_;
    std::unique_ptr<StreamMachine> machine_;
    ByteBuffer input_, output_;
    std::size_t undelivered_bytes_ = 0;  // given to the session, which still has them
    std::optional<std::uint32_t> moves_to_;
    bool is_dirty_ = false;
    bool is_paused_ = false;
    bool is_resumed_ = false;
    bool is_closed_ = false;          // by the machine
    bool is_session_closed_ = false;  // or by the client
};

}  // namespace gw::sockjs
