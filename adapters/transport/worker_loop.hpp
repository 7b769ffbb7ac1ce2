#pragma once

#include "adapters/transport/stream_driver.hpp"
#include "broker-core/base/clock.hpp"
#include "broker-core/base/timer_wheel.hpp"

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace gw::transport {

/// What a worker does besides its sockets; called by its thread.
class TurnHandler {
public:
    virtual ~TurnHandler() = default;
    /// First in each turn.
    virtual void begin_turn(Now now) = 0;
    /// What came from other workers.
    virtual void take_inbox() = 0;
    /// Fires what is due.
    virtual void on_deadline() = 0;
    virtual MonotonicTime next_deadline() const = 0;
    /// All input of the turn is dealt with, and no output of it is written yet: what other workers
    /// must have before a client hears of it goes to them now.
    virtual void before_output() = 0;
    /// Last in each turn, after output was written.
    virtual void end_turn() = 0;
    /// Whether another worker has yet to take much of what this one gave it. When it has, it wakes
    /// this one.
    virtual bool is_ahead() { return false; }
};

/// Something besides streams that lives in a worker's loop: a UDP endpoint. Called by its thread.
class LoopMember {
public:
    virtual ~LoopMember() = default;
    /// One of the descriptors given to WorkerLoop::watch() is ready.
    virtual void on_events(std::uint32_t events) = 0;
    /// What came from other workers; once a turn.
    virtual void take_inbox() = 0;
    /// Fires what is due.
    virtual void on_deadline() = 0;
    virtual MonotonicTime next_deadline() const = 0;
    /// All input of the turn is dealt with; output of streams is not written yet.
    virtual void settle() = 0;
    /// Writes the turn's output.
    virtual void flush() = 0;
    virtual void shut_down(ReasonCode reason) = 0;
};

/// Reads both clocks.
Now read_clocks();

/// One worker: an Asio io_context run by one thread, and in it an epoll set of the worker's own
/// for its data sockets, which costs an idle connection 88 bytes in place of Asio's 576. A turn
/// reads what there is, lets the machines work, and then writes each connection's output once.
///
/// All functions are the worker thread's but for those that say otherwise.
class WorkerLoop {
public:
    using Executor = boost::asio::io_context::executor_type;

    explicit WorkerLoop(std::uint32_t index);
    ~WorkerLoop();
    WorkerLoop(const WorkerLoop&) = delete;
    WorkerLoop& operator=(const WorkerLoop&) = delete;

    void set_handler(TurnHandler& handler) { handler_ = &handler; }
    void set_peers(std::span<const std::unique_ptr<WorkerLoop>> peers);
    /// Runs until stop(). The calling thread is the worker's thread.
    void run();
    /// Ends run() after the present turn. Any thread.
    void stop();
    /// Makes a turn come soon. Any thread.
    void wake();
    /// Runs a task in the next turn. Any thread.
    void post(std::function<void()> task);

    /// Takes an accepted, non-blocking socket over, in the next turn: a connection's deadlines need
    /// a turn's clock. Any thread.
    void post_socket(int fd, MachineSource& source);

    /// Lets a member take part in the turns. It must be removed before it is destroyed, or outlive
    /// run(). Before run(), or this worker's thread.
    void add_member(LoopMember& member) { members_.push_back(&member); }
    void remove_member(LoopMember& member) { std::erase(members_, &member); }
    /// Watches a descriptor for a member, which hears of it by on_events().
    void watch(LoopMember& member, int fd, int operation, std::uint32_t events);

    /// Tells all connections that the program stops.
    void shut_down_connections(ReasonCode reason);
    /// Destroys all connections. After run() has ended.
    void close_all();
    std::size_t connection_count() const { return drivers_.size(); }

    boost::asio::io_context& context() { return context_; }
    std::uint32_t index() const { return index_; }
    MonotonicTime now() const { return now_.monotonic; }

    /// Bytes through this worker's sockets since start.
    struct Counters {
        std::uint64_t bytes_received = 0;
        std::uint64_t bytes_sent = 0;
    };
    Counters& counters() { return counters_; }

    // --- for StreamDriver
    TimerWheel& timers() { return timers_; }
    /// What a socket is read into, and how much at once.
    std::span<std::uint8_t> read_buffer() { return {read_buffer_.get(), read_bytes_max_}; }
    /// A buffer that was read full took so long to work on. The other clients wait meanwhile, so
    /// the next ones are shorter, or longer again.
    void judge_reading(std::chrono::nanoseconds working_time);
    std::unique_ptr<Output> take_output();
    void give_back(std::unique_ptr<Output> output);
    void add_dirty(StreamDriver& driver) { dirty_.push_back(&driver); }
    void add_resumed(StreamDriver& driver) { resumed_.push_back(&driver); }
    void add_leaving(StreamDriver& driver) { leaving_.push_back(&driver); }
    /// A connection that sends more than is read at once is not read while another worker cannot
    /// keep up: what waits there would grow, and with it the time that its clients wait.
    bool must_hold() { return handler_->is_ahead(); }
    void add_held(StreamDriver& driver) { held_.push_back(&driver); }
    void add_finished(StreamDriver& driver) { finished_.push_back(&driver); }
    void watch(StreamDriver& driver, int fd, int operation, std::uint32_t events);
    void unwatch(int fd);
    /// A connection on its way to another worker.
    struct MovedSocket {
        int fd;
        MachineSource* source;
        ByteBuffer input;  // read and not consumed
        std::unique_ptr<LayeredState> layered;
    };
    void hand_over(std::uint32_t worker, MovedSocket socket);
    LayerScratch& scratch() { return scratch_buffers_; }
    /// Whether there is time left in this round for handshakes: those of a crowd that comes at once
    /// must not keep the clients that are in waiting.
    bool has_time_to_open() const { return opening_time_ < opening_time_max; }
    void spend_opening(std::chrono::nanoseconds time) { opening_time_ += time; }
    /// Takes what came from other workers. To be called between reading a socket and working on
    /// what was read: a client that was told of something on another worker finds it done here.
    void take_inbox() { handler_->take_inbox(); }

private:
    using Descriptor = boost::asio::posix::basic_stream_descriptor<Executor>;
    using Timer = boost::asio::basic_waitable_timer<
        std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, Executor>;
    static constexpr std::size_t read_buffer_bytes = 256 * 1024;
    static constexpr std::size_t read_bytes_min = 8 * 1024;
    static constexpr std::chrono::milliseconds working_time_max{4};
    static constexpr std::size_t pooled_bytes_max = 4 << 20;

    static constexpr std::chrono::milliseconds opening_time_max{2};

    struct PostedSocket {
        int fd;
        MachineSource* source;
    };

    StreamDriver& add_driver(int fd, MachineSource& source);
    void wait_for_events();
    void turn();
    bool handle_events();
    void take_posted();
    void release_held();
    void fire_timers();
    void settle();
    void flush_members();
    void arm_timer();

    const std::uint32_t index_;
    std::span<const std::unique_ptr<WorkerLoop>> peers_;
    TurnHandler* handler_ = nullptr;
    boost::asio::io_context context_{1};
    int epoll_fd_;
    int event_fd_;
    Descriptor epoll_descriptor_;
    Timer timer_;
    MonotonicTime armed_for_ = never;
    Now now_;
    TimerWheel timers_;
    std::unique_ptr<std::uint8_t[]> read_buffer_;
    std::size_t read_bytes_max_ = read_buffer_bytes;
    Counters counters_;
    LayerScratch scratch_buffers_;
    std::chrono::nanoseconds opening_time_{0};  // spent in this round

    std::vector<LoopMember*> members_;
    std::vector<std::unique_ptr<StreamDriver>> drivers_;
    std::vector<StreamDriver*> dirty_, resumed_, leaving_, held_, finished_;
    std::vector<StreamDriver*> scratch_;
    std::vector<std::unique_ptr<Output>> pool_;
    std::size_t pooled_bytes_ = 0;

    std::atomic<bool> is_woken_{false};
    std::mutex posted_mutex_;  // guards the three below
    std::vector<PostedSocket> posted_sockets_;
    std::vector<MovedSocket> moved_sockets_;
    std::vector<std::function<void()>> posted_tasks_;
};

}  // namespace gw::transport
