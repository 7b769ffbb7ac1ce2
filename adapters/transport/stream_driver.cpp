#include "adapters/transport/stream_driver.hpp"

#include "adapters/transport/listen_socket.hpp"
#include "adapters/transport/worker_loop.hpp"

#include <cerrno>
#include <chrono>
#include <ctime>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace gw::transport {

namespace {
/// How long a peer may take to read the rest and close its side.
constexpr Milliseconds drain_time{3000};

/// What this thread has worked, without the time that others had the processor.
std::chrono::nanoseconds thread_time() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

}  // namespace

StreamDriver::StreamDriver(WorkerLoop& loop, int fd, MachineSource& source)
    : loop_(loop), source_(source), fd_(fd) {}

StreamDriver::~StreamDriver() {
    loop_.timers().cancel(*this);
    machine_.reset();
    if (output_) {
        loop_.give_back(std::move(output_));
    }
    if (layered_ && layered_->wire) {
        loop_.give_back(std::move(layered_->wire));
    }
    if (fd_ >= 0) {
        ::close(fd_);
        source_.on_connection_closed(loop_.index());
    }
}

void StreamDriver::start_accepted() {
    LayerSetup setup = source_.make_layers(loop_.index());
    if (setup.layers.empty()) {
        make_machine();
    } else {
        state_ = State::opening;
        layered_ = std::make_unique<LayeredState>(std::move(setup.layers));
        layered_->opening_bytes_max = setup.bytes_max;
        layered_->while_opening = std::move(setup.while_opening);
        loop_.timers().schedule(*this, loop_.now() + setup.timeout);
    }
    update_interest();
}

void StreamDriver::start_moved(ByteBuffer input, std::unique_ptr<LayeredState> layered) {
    layered_ = std::move(layered);
    make_machine();
    if (layered_) {
        settle_wire();
        arm_layered();
    }
    update_interest();
    if (!input.empty()) {
        keep(input.view());
        feed_kept();
    }
    if (layered_ && layered_->is_end_pending) {
        end_stream();
    }
}

void StreamDriver::make_machine() {
    PeerInfo peer = peer_of(fd_);
    if (layered_) {
        layered_->stack.describe(peer);
    }
    machine_ = layered_ && layered_->upgrade
                   ? layered_->upgrade->make_machine(loop_.index(), *this, std::move(peer))
                   : source_.make_machine(loop_.index(), *this, std::move(peer));
}

// -------------------------------------------------------------------------------------- output

ByteBuffer& StreamDriver::output() {
    mark_dirty();
    if (!output_) {
        output_ = loop_.take_output();
    }
    return output_->bytes();
}

void StreamDriver::gather(const MessagePtr& message, Bytes bytes) {
    output();
    output_->gather(message, bytes);
}

void StreamDriver::mark_dirty() {
    if (!is_dirty_) {
        is_dirty_ = true;
        loop_.add_dirty(*this);
    }
}

std::size_t StreamDriver::unsent_bytes() const {
    const std::size_t plain = output_ ? output_->unsent_bytes() : 0;
    return layered_ && layered_->wire ? plain + layered_->wire->unsent_bytes() : plain;
}

/// Whether it is worth trying again.
bool StreamDriver::send_some(Output& output) {
    ssize_t written = 0;
    if (output.is_plain()) {
        const Bytes bytes = output.plain();
        written = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    } else {
        struct iovec parts[64];
        msghdr header{};
        header.msg_iov = parts;
        header.msg_iovlen = output.fill(parts, 64);
        written = ::sendmsg(fd_, &header, MSG_NOSIGNAL);
    }
    if (written < 0) {
        if (errno == EAGAIN || errno == EINTR) {
            is_write_blocked_ = errno == EAGAIN;
            return errno == EINTR;
        }
        // Broken: what is unsent is lost. Reading will find the end of the connection.
        output.clear();
        return true;
    }
    loop_.counters().bytes_sent += static_cast<std::uint64_t>(written);
    output.advance(static_cast<std::size_t>(written));
    return true;
}

/// As far as the socket takes it; buffers that became empty go back.
void StreamDriver::write_all() {
    if (layered_) {
        write_layers();
    } else if (output_ && !is_write_blocked_) {
        while (output_->unsent_bytes() != 0 && send_some(*output_)) {
        }
    }
    if (output_ && output_->unsent_bytes() == 0) {
        loop_.give_back(std::move(output_));
    }
}

void StreamDriver::flush() {
    is_dirty_ = false;
    if (state_ == State::finished || state_ == State::moving) {
        return;
    }
    const bool had_output = output_ || (layered_ && layered_->wire);
    write_all();
    if (had_output && unsent_bytes() == 0 && machine_ && wants_drained) {
        wants_drained = false;
        is_in_machine_ = true;
        machine_->on_output_drained();
        is_in_machine_ = false;
        leave();
    }
    if (state_ == State::closing && unsent_bytes() == 0) {
        if (layered_) {
            say_goodbye();
            write_all();
        }
        if (unsent_bytes() == 0) {
            begin_drain();
        }
    }
    update_interest();
}

// --------------------------------------------------------------------------------------- input

void StreamDriver::on_events(std::uint32_t events) {
    if (state_ == State::finished) {
        return;
    }
    if ((events & EPOLLOUT) != 0 && is_write_blocked_) {
        is_write_blocked_ = false;
        mark_dirty();
    }
    if (state_ == State::opening && !loop_.has_time_to_open()) {
        return;  // epoll says it again in the next round
    }
    const bool has_ended = (events & (EPOLLERR | EPOLLHUP)) != 0;
    const bool is_readable = (events & EPOLLIN) != 0 || (is_held_ && has_ended);
    if (is_readable && !(is_paused_ && is_open())) {
        // What a peer had sent before it went is read all the same.
        if (has_ended || !must_wait()) {
            read_some();
        }
    } else if (has_ended) {
        on_socket_end();
    }
}

/// Whether other workers must first take what they have been given; the loop knows of it then.
bool StreamDriver::must_wait() {
    if (state_ != State::open) {
        return false;
    }
    if (!is_held_ && has_filled_buffer_ && loop_.must_hold()) {
        is_held_ = true;
        loop_.add_held(*this);
        update_interest();
    }
    return is_held_;
}

void StreamDriver::on_socket_end() {
    if (state_ == State::opening && layered_->received_bytes != 0) {
        // Whoever connects and says nothing looks whether the port is open: no failure.
        source_.on_open_failed(loop_.index(),
                               {HandshakeFailure::peer_closed, "the peer closed the connection"},
                               peer_of(fd_));
    }
    tell_closed(ReasonCode::connection_lost);
    finish();
}

void StreamDriver::tell_closed(ReasonCode reason) {
    if (machine_) {
        is_in_machine_ = true;
        machine_->on_closed(reason);
        is_in_machine_ = false;
    }
}

void StreamDriver::read_some() {
    if (state_ == State::upgrading) {
        return;  // for the next machine
    }
    const std::span<std::uint8_t> buffer = loop_.read_buffer();
    const ssize_t count = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (count <= 0) {
        on_socket_end();
        return;
    }
    if (!machine_ && state_ != State::opening) {
        return;  // closing: thrown away
    }
    loop_.counters().bytes_received += static_cast<std::uint64_t>(count);
    const Bytes bytes{buffer.data(), static_cast<std::size_t>(count)};
    has_filled_buffer_ = bytes.size() == buffer.size();
    if (!has_filled_buffer_) {
        take(bytes);
        return;
    }
    const std::chrono::nanoseconds start = thread_time();
    take(bytes);
    loop_.judge_reading(thread_time() - start);
}

/// What was read goes where the connection stands.
void StreamDriver::take(Bytes bytes) {
    if (layered_) {
        receive(bytes);
    } else if (input_) {
        keep(bytes);
        feed_kept();
    } else {
        give(bytes);
    }
}

/// Bytes in the loop's buffer go to the machine; what it leaves is kept.
void StreamDriver::give(Bytes bytes) {
    is_in_machine_ = true;
    const std::size_t consumed = machine_->on_bytes(bytes);
    is_in_machine_ = false;
    if (consumed < bytes.size() && state_ != State::closing && state_ != State::finished) {
        keep(bytes.subspan(consumed));
    }
    leave();
}

void StreamDriver::keep(Bytes bytes) {
    if (!input_) {
        input_ = std::make_unique<ByteBuffer>();
    }
    input_->append(bytes);
}

void StreamDriver::feed_kept() {
    is_resumed_ = false;
    if (!machine_ || !input_ || is_paused_) {
        return;
    }
    is_in_machine_ = true;
    const std::size_t consumed = machine_->on_bytes(input_->view());
    is_in_machine_ = false;
    if (consumed >= input_->size()) {
        input_.reset();
    } else {
        input_->consume(consumed);
    }
    leave();
    if (layered_ && layered_->is_end_pending && state_ == State::open) {
        end_stream();
    }
}

/// What the machine asked for while it was on the stack and that would have destroyed it there.
void StreamDriver::leave() {
    if (is_in_machine_) {
        return;
    }
    if (state_ == State::moving) {
        hand_over();
    } else if (state_ == State::upgrading) {
        perform_upgrade();
    } else if (state_ != State::open) {
        drop_machine();
    }
}

void StreamDriver::hand_over() {
    ByteBuffer bytes = input_ ? std::move(*input_) : ByteBuffer{};
    input_.reset();
    machine_.reset();
    loop_.timers().cancel(*this);
    while (layered_ && output_ && output_->unsent_bytes() != 0) {
        wrap_some();
    }
    state_ = State::finished;
    loop_.add_finished(*this);
    loop_.hand_over(target_worker_,
                    {std::exchange(fd_, -1), &source_, std::move(bytes), std::move(layered_)});
}

void StreamDriver::drop_machine() {
    machine_.reset();
    input_.reset();
}

void StreamDriver::pause_reading() {
    is_paused_ = true;
    update_interest();
}

void StreamDriver::resume_reading() {
    is_paused_ = false;
    if (!is_resumed_) {
        is_resumed_ = true;
        loop_.add_resumed(*this);
    }
    update_interest();
}

void StreamDriver::release() {
    is_held_ = false;
    update_interest();
}

void StreamDriver::update_interest() {
    if (state_ == State::finished || state_ == State::moving) {
        return;
    }
    std::uint8_t wanted = 0;
    // A peer that makes the layers answer and does not read the answers must wait.
    constexpr std::size_t answer_bytes_max = 256 * 1024;
    const bool has_room = state_ == State::draining || !layered_ || !layered_->wire ||
                          layered_->wire->unsent_bytes() < answer_bytes_max;
    if (!((is_paused_ || is_held_) && is_open()) && has_room) {
        wanted |= EPOLLIN;
    }
    if (is_write_blocked_) {
        wanted |= EPOLLOUT;
    }
    // A socket watched for nothing still reports errors; the bit also says that it was added.
    wanted |= EPOLLERR;
    if (wanted != interest_) {
        loop_.watch(*this, fd_, interest_ == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, wanted);
        interest_ = wanted;
    }
}

// ---------------------------------------------------------------------------------------- time

void StreamDriver::set_deadline(MonotonicTime when) {
    if (state_ != State::open) {
        return;
    }
    if (layered_) {
        layered_->machine_deadline = when;
        arm_layered();
    } else {
        loop_.timers().schedule(*this, when);
    }
}

void StreamDriver::on_deadline() {
    if (state_ == State::opening) {
        source_.on_open_failed(loop_.index(),
                               {HandshakeFailure::timeout, "not done within the time allowed"},
                               peer_of(fd_));
        finish();
    } else if (machine_ && layered_) {
        on_layered_deadline();
    } else if (machine_) {
        tell_deadline();
    } else {
        finish();  // the peer did not read the rest, or did not close, in time
    }
}

void StreamDriver::tell_deadline() {
    is_in_machine_ = true;
    machine_->on_deadline();
    is_in_machine_ = false;
    leave();
}

void StreamDriver::on_shutdown(ReasonCode reason) {
    if (layered_) {
        layered_->stack.on_shutdown();
    }
    if (machine_ && state_ == State::open) {
        is_in_machine_ = true;
        machine_->on_shutdown(reason);
        is_in_machine_ = false;
        leave();
    } else if (state_ == State::opening) {
        finish();
    }
}

// ------------------------------------------------------------------------------------- closing

void StreamDriver::close(CloseMode mode) {
    if (state_ != State::open) {
        return;
    }
    if (mode == CloseMode::abort) {
        finish();
        return;
    }
    begin_closing();
    if (!is_in_machine_) {
        // Closed from outside of a call of ours (takeover, kick): its own call is on the stack.
        loop_.add_leaving(*this);
    }
}

void StreamDriver::begin_closing() {
    state_ = State::closing;
    loop_.timers().schedule(*this, loop_.now() + drain_time);
    mark_dirty();
}

void StreamDriver::begin_drain() {
    state_ = State::draining;
    if (::shutdown(fd_, SHUT_WR) != 0) {
        finish();
    }
}

void StreamDriver::move_to(std::uint32_t worker) {
    if (state_ == State::open) {
        target_worker_ = static_cast<std::uint8_t>(worker);  // there are 255 at most
        state_ = State::moving;
        loop_.unwatch(fd_);
    }
}

void StreamDriver::finish() {
    if (state_ != State::finished) {
        state_ = State::finished;
        loop_.unwatch(fd_);
        loop_.timers().cancel(*this);
        loop_.add_finished(*this);
    }
}

}  // namespace gw::transport
