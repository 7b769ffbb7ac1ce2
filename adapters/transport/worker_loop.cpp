#include "adapters/transport/worker_loop.hpp"

#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace gw::transport {

namespace {

/// Set in what epoll keeps for a member's descriptor; pointers leave the bit free.
constexpr std::uint64_t member_mark = 1;
static_assert(alignof(LoopMember) > member_mark);

int checked(int fd, const char* what) {
    if (fd < 0) {
        throw std::system_error{errno, std::generic_category(), what};
    }
    return fd;
}

}  // namespace

Now read_clocks() {
    using std::chrono::duration_cast;
    return {MonotonicTime{
                duration_cast<Milliseconds>(std::chrono::steady_clock::now().time_since_epoch())},
            std::chrono::time_point_cast<Milliseconds>(std::chrono::system_clock::now())};
}

WorkerLoop::WorkerLoop(std::uint32_t index)
    : index_(index),
      epoll_fd_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      event_fd_(checked(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")),
      epoll_descriptor_(context_, epoll_fd_),
      timer_(context_),
      now_(read_clocks()),
      timers_(now_.monotonic),
      read_buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(read_buffer_bytes)) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = nullptr;  // the wake-up has no driver
    checked(::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, event_fd_, &event), "epoll_ctl");
}

WorkerLoop::~WorkerLoop() {
    close_all();
    for (const PostedSocket& socket : posted_sockets_) {
        ::close(socket.fd);
    }
    for (const MovedSocket& socket : moved_sockets_) {
        ::close(socket.fd);
    }
    ::close(event_fd_);
}

void WorkerLoop::close_all() {
    dirty_.clear();
    resumed_.clear();
    leaving_.clear();
    held_.clear();
    finished_.clear();
    drivers_.clear();
}

void WorkerLoop::set_peers(std::span<const std::unique_ptr<WorkerLoop>> peers) {
    peers_ = peers;
}

void WorkerLoop::run() {
    wait_for_events();
    turn();
    context_.run();
}

void WorkerLoop::stop() {
    context_.stop();
}

void WorkerLoop::wake() {
    if (!is_woken_.exchange(true, std::memory_order_acq_rel)) {
        const std::uint64_t one = 1;
        // Cannot fail in a way that matters: a full counter has woken the worker already.
        [[maybe_unused]] const ssize_t written = ::write(event_fd_, &one, sizeof one);
    }
}

void WorkerLoop::post(std::function<void()> task) {
    {
        const std::lock_guard lock{posted_mutex_};
        posted_tasks_.push_back(std::move(task));
    }
    wake();
}

void WorkerLoop::post_socket(int fd, MachineSource& source) {
    {
        const std::lock_guard lock{posted_mutex_};
        posted_sockets_.push_back({fd, &source});
    }
    wake();
}

void WorkerLoop::hand_over(std::uint32_t worker, MovedSocket socket) {
    WorkerLoop& to = *peers_[worker];
    {
        const std::lock_guard lock{to.posted_mutex_};
        to.moved_sockets_.push_back(std::move(socket));
    }
    to.wake();
}

StreamDriver& WorkerLoop::add_driver(int fd, MachineSource& source) {
    auto driver = std::make_unique<StreamDriver>(*this, fd, source);
    driver->index_ = static_cast<std::uint32_t>(drivers_.size());
    drivers_.push_back(std::move(driver));
    return *drivers_.back();
}

void WorkerLoop::shut_down_connections(ReasonCode reason) {
    for (LoopMember* const member : members_) {
        member->shut_down(reason);
    }
    for (std::size_t i = 0; i < drivers_.size(); ++i) {
        drivers_[i]->on_shutdown(reason);
    }
}

// --------------------------------------------------------------------------------------- turns

void WorkerLoop::wait_for_events() {
    epoll_descriptor_.async_wait(Descriptor::wait_read,
                                 [this](const boost::system::error_code& error) {
                                     if (!error) {
                                         turn();
                                         wait_for_events();
                                     }
                                 });
}

void WorkerLoop::turn() {
    // Again while there is more than one call gives, but not for ever: timers and acceptors of the
    // io_context want their turn too.
    for (int round = 0; round < 16; ++round) {
        now_ = read_clocks();
        opening_time_ = {};
        handler_->begin_turn(now_);
        release_held();
        const bool more = handle_events();
        take_posted();
        handler_->take_inbox();
        for (LoopMember* const member : members_) {
            member->take_inbox();
        }
        fire_timers();
        for (LoopMember* const member : members_) {
            member->settle();
        }
        handler_->before_output();
        settle();
        flush_members();
        handler_->end_turn();
        if (!more) {
            break;
        }
    }
    arm_timer();
}

bool WorkerLoop::handle_events() {
    constexpr int event_count_max = 256;
    epoll_event events[event_count_max];
    const int count = ::epoll_wait(epoll_fd_, events, event_count_max, 0);
    take_inbox();
    for (int i = 0; i < count; ++i) {
        if (events[i].data.ptr == nullptr) {
            std::uint64_t value = 0;
            [[maybe_unused]] const ssize_t got = ::read(event_fd_, &value, sizeof value);
            is_woken_.store(false, std::memory_order_release);
        } else if ((events[i].data.u64 & member_mark) != 0) {
            const std::uint64_t address = events[i].data.u64 & ~member_mark;
            reinterpret_cast<LoopMember*>(address)  // NOLINT(performance-no-int-to-ptr)
                ->on_events(events[i].events);
        } else {
            static_cast<StreamDriver*>(events[i].data.ptr)->on_events(events[i].events);
        }
    }
    return count == event_count_max;
}

void WorkerLoop::take_posted() {
    std::vector<PostedSocket> sockets;
    std::vector<MovedSocket> moved;
    std::vector<std::function<void()>> tasks;
    {
        const std::lock_guard lock{posted_mutex_};
        sockets.swap(posted_sockets_);
        moved.swap(moved_sockets_);
        tasks.swap(posted_tasks_);
    }
    for (const PostedSocket& socket : sockets) {
        add_driver(socket.fd, *socket.source).start_accepted();
    }
    for (MovedSocket& socket : moved) {
        add_driver(socket.fd, *socket.source)
            .start_moved(std::move(socket.input), std::move(socket.layered));
    }
    for (const auto& task : tasks) {
        task();
    }
}

void WorkerLoop::release_held() {
    if (held_.empty() || handler_->is_ahead()) {
        return;
    }
    for (StreamDriver* const driver : held_) {
        driver->release();
    }
    held_.clear();
}

void WorkerLoop::fire_timers() {
    handler_->on_deadline();
    for (LoopMember* const member : members_) {
        member->on_deadline();
    }
    while (TimerNode* const node = timers_.pop_expired(now_.monotonic)) {
        static_cast<StreamDriver&>(*node).on_deadline();
    }
}

void WorkerLoop::settle() {
    // Feeding and flushing may make more of both; a connection that always has more waits for the
    // next turn, which comes at once.
    for (int round = 0; round < 8 && (!dirty_.empty() || !resumed_.empty()); ++round) {
        scratch_.swap(resumed_);
        for (StreamDriver* const driver : scratch_) {
            driver->feed_kept();
        }
        scratch_.clear();
        scratch_.swap(dirty_);
        for (StreamDriver* const driver : scratch_) {
            driver->flush();
        }
        scratch_.clear();
    }
    if (!dirty_.empty() || !resumed_.empty()) {
        wake();
    }
    for (StreamDriver* const driver : leaving_) {
        driver->leave();
    }
    leaving_.clear();
    scratch_buffers_.trim();
    if (!dirty_.empty()) {
        wake();
    }
    if (finished_.empty()) {
        return;
    }
    std::erase_if(dirty_, [](const StreamDriver* driver) { return driver->is_finished(); });
    std::erase_if(resumed_, [](const StreamDriver* driver) { return driver->is_finished(); });
    std::erase_if(held_, [](const StreamDriver* driver) { return driver->is_finished(); });
    // Destroying a machine may end its session, publish its will and so make others dirty or, by
    // a takeover of nobody, finished: the list may grow while it is worked off.
    for (std::size_t i = 0; i < finished_.size(); ++i) {
        const std::uint32_t index = finished_[i]->index_;
        std::unique_ptr<StreamDriver> gone = std::move(drivers_[index]);
        if (index + 1 != drivers_.size()) {
            drivers_[index] = std::move(drivers_.back());
            drivers_[index]->index_ = index;
        }
        drivers_.pop_back();
    }
    finished_.clear();
    if (!dirty_.empty()) {
        wake();
    }
}

void WorkerLoop::flush_members() {
    if (members_.empty()) {
        return;
    }
    for (LoopMember* const member : members_) {
        member->flush();
    }
    // A member that came to an end of something may have made streams speak.
    if (!dirty_.empty() || !resumed_.empty()) {
        wake();
    }
}

void WorkerLoop::arm_timer() {
    MonotonicTime next = std::min(timers_.next_deadline(), handler_->next_deadline());
    for (const LoopMember* const member : members_) {
        next = std::min(next, member->next_deadline());
    }
    if (next == armed_for_ || next == never) {
        return;
    }
    if (armed_for_ != never && armed_for_ < next && armed_for_ > now_.monotonic) {
        return;  // wakes earlier than needed, once
    }
    armed_for_ = next;
    timer_.expires_at(std::chrono::steady_clock::time_point{next.time_since_epoch()});
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            armed_for_ = never;
            turn();
        }
    });
}

// ------------------------------------------------------------------------------- for the driver

void WorkerLoop::judge_reading(std::chrono::nanoseconds working_time) {
    // What was too much is known by its time; what was too little is found out step by step, for
    // the next connection's bytes may be those that take long.
    const std::chrono::nanoseconds time_max = working_time_max;
    if (working_time > time_max) {
        const double part =
            static_cast<double>(time_max.count()) / static_cast<double>(working_time.count());
        read_bytes_max_ = std::max(
            read_bytes_min, static_cast<std::size_t>(static_cast<double>(read_bytes_max_) * part));
    } else if (working_time < time_max / 2) {
        read_bytes_max_ = std::min(read_buffer_bytes, read_bytes_max_ * 2);
    }
}

std::unique_ptr<Output> WorkerLoop::take_output() {
    if (pool_.empty()) {
        return std::make_unique<Output>();
    }
    std::unique_ptr<Output> output = std::move(pool_.back());
    pool_.pop_back();
    pooled_bytes_ -= output->capacity();
    return output;
}

void WorkerLoop::give_back(std::unique_ptr<Output> output) {
    if (pooled_bytes_ + output->capacity() > pooled_bytes_max) {
        return;
    }
    output->clear();
    pooled_bytes_ += output->capacity();
    pool_.push_back(std::move(output));
}

void WorkerLoop::watch(StreamDriver& driver, int fd, int operation, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &driver;
    if (::epoll_ctl(epoll_fd_, operation, fd, &event) != 0) {
        throw std::system_error{errno, std::generic_category(), "epoll_ctl"};
    }
}

void WorkerLoop::watch(LoopMember& member, int fd, int operation, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = reinterpret_cast<std::uint64_t>(&member) | member_mark;
    if (::epoll_ctl(epoll_fd_, operation, fd, &event) != 0) {
        throw std::system_error{errno, std::generic_category(), "epoll_ctl"};
    }
}

void WorkerLoop::unwatch(int fd) {
    ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
}

}  // namespace gw::transport
