#pragma once

#include "adapters/transport/output.hpp"
#include "adapters/transport/stream_layer.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace gw::transport {

/// Buffers that the layers of all connections of a worker use in turn.
struct LayerScratch {
    ByteBuffer up[2], wrapped[2], down;

    /// Gives back what an unusually large piece made them grow to.
    void trim();
};

/// The layers of one connection, the one next to the socket first; bytes only, no socket. One
/// thread at a time.
class LayerStack {
public:
    using Status = StreamLayer::Status;
    using Layers = std::vector<std::unique_ptr<StreamLayer>>;

    struct Received {
        Status status = Status::opening;
        Bytes up{};  // for the machine; good until the scratch buffers are used again
    };

    explicit LayerStack(Layers layers) : layers_(std::move(layers)) {}

    /// Puts a layer on top, which is open from the start.
    void push(std::unique_ptr<StreamLayer> layer);
    /// Bytes from the socket, through all layers. What goes to the peer at once is put behind
    /// `wire`. After `ended` and `failed` the status stays, and nothing more may be given.
    Received receive(Bytes bytes, LayerScratch& scratch, ByteBuffer& wire);
    /// Bytes from below the topmost layer: what came together with the last words of the machine
    /// that asked for it.
    Received receive_at_top(Bytes bytes, LayerScratch& scratch, ByteBuffer& wire);
    /// Bytes of the machine, through all layers, to behind `wire`. Thrown away when a layer has
    /// ended: its peer does not listen any more.
    void send(Bytes bytes, LayerScratch& scratch, ByteBuffer& wire);
    /// Lets every layer that can still speak say goodbye, the topmost first. Once.
    void say_goodbye(LayerScratch& scratch, ByteBuffer& wire);

    /// The program stops.
    void on_shutdown();
    /// The first of the layers' deadlines.
    MonotonicTime next_deadline() const;
    /// Lets the layers whose time has come speak.
    void on_deadline(MonotonicTime now, LayerScratch& scratch, ByteBuffer& wire);

    bool is_open() const { return open_count_ == layers_.size(); }
    /// A layer has `ended` or `failed`: there is nobody to receive from or to send to.
    bool has_ended() const { return status_ != Status::opening; }
    bool has_failed() const { return status_ == Status::failed; }
    void describe(PeerInfo& peer) const;
    /// Of the layer that failed.
    StreamLayer::Failure failure() const { return failure_; }

private:
    Received receive_from(std::size_t first, Bytes bytes, LayerScratch& scratch, ByteBuffer& wire);
    void send_below(std::size_t layer, Bytes bytes, LayerScratch& scratch, ByteBuffer& wire);
    void note_end(std::size_t layer, Status status);

    Layers layers_;
    std::size_t open_count_ = 0;                // from the socket up
    std::size_t able_count_ = ~std::size_t{0};  // layers below this one can still speak
    Status status_ = Status::opening;           // then at once that of its end
    StreamLayer::Failure failure_;
};

/// What a connection with layers has beyond one without; goes with it from worker to worker.
struct LayeredState {
    explicit LayeredState(LayerStack::Layers layers) : stack(std::move(layers)) {}

    LayerStack stack;
    std::unique_ptr<Output> wire;  // what the layers made and the socket has not taken
    std::shared_ptr<const StreamUpgrade> upgrade;  // null: the listener makes the machines
    std::shared_ptr<const void> while_opening;     // LayerSetup's
    std::uint32_t opening_bytes_max = 0;
    std::uint32_t received_bytes = 0;  // while opening
    MonotonicTime machine_deadline = never;
    bool is_end_pending = false;  // a layer has ended, the machine does not know yet
};

}  // namespace gw::transport
