#pragma once

#include "adapters/machine/stream_machine.hpp"
#include "adapters/transport/layer_stack.hpp"
#include "adapters/transport/output.hpp"
#include "broker-core/base/timer_wheel.hpp"
#include "broker-core/message/peer_info.hpp"

#include <cstdint>
#include <memory>

namespace gw::transport {

class WorkerLoop;

/// What a new connection's bytes pass through, and what that may cost until all of it is open.
struct LayerSetup {
    LayerStack::Layers layers{};  // the one next to the socket first; none: the machine's own bytes
    Milliseconds timeout{0};
    std::uint32_t bytes_max = 0;                  // that the peer may send before
    std::shared_ptr<const void> while_opening{};  // let go when they are open, or will not be
};

/// Makes the machine of a connection, on the worker that has it now; one a listener. Any worker.
class MachineSource {
public:
    virtual ~MachineSource() = default;
    /// Asked once, when the connection was accepted.
    virtual LayerSetup make_layers(std::uint32_t) { return {}; }
    /// Called when all layers are open, and again after each move to another worker.
    virtual std::unique_ptr<StreamMachine> make_machine(std::uint32_t worker,
                                                        StreamConnection& connection,
                                                        PeerInfo peer) = 0;
    /// The layers of a connection are open: its first machine is made next.
    virtual void on_opened(std::uint32_t) {}
    /// They will never be; the connection ends.
    virtual void on_open_failed(std::uint32_t, const StreamLayer::Failure&, const PeerInfo&) {}
    /// What came broke the rules of a layer that was open.
    virtual void on_layer_failed(std::uint32_t, const StreamLayer::Failure&, const PeerInfo&) {}
    /// A connection has ended for good.
    virtual void on_connection_closed(std::uint32_t worker) = 0;
};

/// One stream socket: reads all there is, writes once a turn, and knows no protocol. Between the
/// socket and the machine there may be layers; without any it costs what it did before there were
/// layers. Owned by its WorkerLoop. While idle it holds no buffers.
class StreamDriver final : public StreamConnection, public TimerNode {
public:
    StreamDriver(WorkerLoop& loop, int fd, MachineSource& source);
    ~StreamDriver() override;

    // StreamConnection
    ByteBuffer& output() override;
    void gather(const MessagePtr& message, Bytes bytes) override;
    std::size_t unsent_bytes() const override;
    void set_deadline(MonotonicTime when) override;
    void pause_reading() override;
    void resume_reading() override;
    void close(CloseMode mode) override;
    void move_to(std::uint32_t worker) override;
    void upgrade(std::shared_ptr<const StreamUpgrade> successor) override;

    // WorkerLoop
    /// A socket fresh from the listener: makes its layers or, if there are none, its machine.
    void start_accepted();
    /// One from another worker: makes the machine and gives it what was read there.
    void start_moved(ByteBuffer input, std::unique_ptr<LayeredState> layered);
    void on_events(std::uint32_t events);
    void on_deadline();
    void on_shutdown(ReasonCode reason);
    /// Writes what waits. Then perhaps tells the machine, which may add more.
    void flush();
    /// Gives the machine what had been kept while reading was paused.
    void feed_kept();
    /// Reads again after WorkerLoop::add_held().
    void release();
    bool is_finished() const { return state_ == State::finished; }

private:
    friend class WorkerLoop;

    enum class State : std::uint8_t {
        opening,  // no machine yet: the layers shake hands
        open,
        upgrading,  // the machine asked for another at the end of this call
        closing,    // no machine; writes the rest
        draining,   // writing is shut down; reads and throws away
        moving,     // to another worker at the end of this call
        finished,   // the loop destroys it at the end of the turn
    };

    /// Whether what comes is worked on; else it is thrown away.
    bool is_open() const { return state_ == State::open || state_ == State::opening; }
    bool must_wait();
    void read_some();
    void take(Bytes bytes);
    void give(Bytes bytes);
    void keep(Bytes bytes);
    bool send_some(Output& output);
    void write_all();
    void mark_dirty();
    void update_interest();
    void finish();
    void drop_machine();
    void begin_closing();
    void begin_drain();
    void leave();
    void make_machine();
    void on_socket_end();
    void tell_closed(ReasonCode reason);
    void tell_deadline();
    void hand_over();

    // stream_layers.cpp: only for connections with layers
    void receive(Bytes bytes);
    void take(LayerStack::Received received);
    bool finish_opening();
    void fail_opening(const StreamLayer::Failure& failure);
    void end_stream();
    void write_layers();
    void wrap_some();
    void say_goodbye();
    void perform_upgrade();
    void arm_layered();
    void on_layered_deadline();
    ByteBuffer& wire();
    void settle_wire();

    WorkerLoop& loop_;
    MachineSource& source_;
    std::unique_ptr<StreamMachine> machine_;
    std::unique_ptr<Output> output_;
    std::unique_ptr<ByteBuffer> input_;      // bytes not consumed yet
    std::unique_ptr<LayeredState> layered_;  // null without layers
    int fd_;
    std::uint32_t index_ = 0;    // in the loop's list
    std::uint8_t interest_ = 0;  // events asked for
    std::uint8_t target_worker_ = 0;
    State state_ = State::open;
    bool is_paused_ : 1 = false;          // by the machine
    bool is_held_ : 1 = false;            // by the loop
    bool has_filled_buffer_ : 1 = false;  // at the last reading
    bool is_dirty_ : 1 = false;
    bool is_resumed_ : 1 = false;
    bool is_write_blocked_ : 1 = false;
    bool is_in_machine_ : 1 = false;  // the machine is on the stack: it must not be destroyed
};

}  // namespace gw::transport
