#pragma once

#include "adapters/machine/stream_machine.hpp"
#include "adapters/transport/output.hpp"
#include "broker-core/base/timer_wheel.hpp"
#include "broker-core/message/peer_info.hpp"

#include <cstdint>
#include <memory>

namespace gw::transport {

class WorkerLoop;

/// Makes the machine of a connection, on the worker that has it now; one a listener. Any worker.
class MachineSource {
public:
    virtual ~MachineSource() = default;
    virtual std::unique_ptr<StreamMachine> make_machine(std::uint32_t worker,
                                                        StreamConnection& connection,
                                                        PeerInfo peer) = 0;
    /// A connection has ended for good.
    virtual void on_connection_closed(std::uint32_t worker) = 0;
};

/// One stream socket: reads all there is, writes once a turn, and knows no protocol. Owned by its
/// WorkerLoop. While idle it holds no buffers.
class StreamDriver final : public StreamConnection, public TimerNode {
public:
    StreamDriver(WorkerLoop& loop, int fd, MachineSource& source);
    ~StreamDriver() override;

    // StreamConnection
    ByteBuffer& output() override;
    void gather(const MessagePtr& message, Bytes bytes) override;
    std::size_t unsent_bytes() const override { return output_ ? output_->unsent_bytes() : 0; }
    void set_deadline(MonotonicTime when) override;
    void pause_reading() override;
    void resume_reading() override;
    void close(CloseMode mode) override;
    void move_to(std::uint32_t worker) override;

    // WorkerLoop
    /// Makes the machine and gives it what was read elsewhere.
    void start(ByteBuffer input);
    void on_events(std::uint32_t events);
    void on_deadline();
    void on_shutdown(ReasonCode reason);
    /// Writes what waits. Then perhaps tells the machine, which may add more.
    void flush();
    /// Gives the machine what had been kept while reading was paused.
    void feed_kept();
    bool is_finished() const { return state_ == State::finished; }

private:
    friend class WorkerLoop;

    enum class State : std::uint8_t {
        open,
        closing,   // no machine; writes the rest
        draining,  // writing is shut down; reads and throws away
        moving,    // to another worker at the end of this call
        finished,  // the loop destroys it at the end of the turn
    };

    void read_some();
    void give(Bytes bytes);
    void keep(Bytes bytes);
    bool write_some();
    void mark_dirty();
    void update_interest();
    void finish();
    void drop_machine();
    void begin_drain();
    void leave();

    WorkerLoop& loop_;
    MachineSource& source_;
    std::unique_ptr<StreamMachine> machine_;
    std::unique_ptr<Output> output_;
    std::unique_ptr<ByteBuffer> input_;  // bytes not consumed yet
    int fd_;
    std::uint32_t index_ = 0;     // in the loop's list
    std::uint32_t interest_ = 0;  // events asked for
    std::uint32_t target_worker_ = 0;
    State state_ = State::open;
    bool is_paused_ : 1 = false;
    bool is_dirty_ : 1 = false;
    bool is_resumed_ : 1 = false;
    bool is_write_blocked_ : 1 = false;
    bool is_in_machine_ : 1 = false;  // the machine is on the stack: it must not be destroyed
};

}  // namespace gw::transport
