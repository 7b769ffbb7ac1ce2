#include "gateway/auth/auth_pool.hpp"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

namespace gw::auth {

Result<void> UserReader::open() {
    const std::uint64_t epoch = epoch_.load(std::memory_order_relaxed);
    if (store_ && opened_epoch_ == epoch) {
        return {};
    }
    store_.reset();
    auto opened = UserStore::open(path_, UserStore::Mode::existing);
    if (!opened) {
        return std::move(opened).error();
    }
    store_.emplace(std::move(*opened));
    opened_epoch_ = epoch;
    return {};
}

Result<std::optional<User>> UserReader::find(std::string_view username) {
    if (auto opened = open(); !opened) {
        return std::move(opened).error();
    }
    auto user = store_->find(username);
    if (!user) {
        store_.reset();  // perhaps it works with a new connection
    }
    return user;
}

Result<std::string> UserReader::secret() {
    if (auto opened = open(); !opened) {
        return std::move(opened).error();
    }
    return store_->secret();
}

AuthPool::AuthPool(Options options) : options_(std::move(options)) {
    for (std::uint32_t i = 0; i < options_.thread_count; ++i) {
        threads_.emplace_back([this] { run(); });
    }
}

AuthPool::~AuthPool() {
    stop();
}

bool AuthPool::submit(Job job) {
    {
        const std::lock_guard lock{mutex_};
        if (is_stopping_ || jobs_.size() >= options_.waiting_count_max) {
            return false;
        }
        jobs_.push_back(std::move(job));
        waiting_count_.store(jobs_.size(), std::memory_order_relaxed);
    }
    has_job_.notify_one();
    return true;
}

void AuthPool::stop() {
    {
        const std::lock_guard lock{mutex_};
        is_stopping_ = true;
        jobs_.clear();
        waiting_count_.store(0, std::memory_order_relaxed);
    }
    has_job_.notify_all();
    for (std::thread& thread : threads_) {
        if (thread.joinable()) {
            thread.join();
        }
    }
}

void AuthPool::run() {
    ::pthread_setname_np(::pthread_self(), options_.name.c_str());
    // On Linux a thread has a priority of its own.
    constexpr int niceness = 5;
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), niceness);
    UserReader users{options_.users_path, users_epoch_};
    for (;;) {
        Job job;
        {
            std::unique_lock lock{mutex_};
            has_job_.wait(lock, [this] { return is_stopping_ || !jobs_.empty(); });
            if (is_stopping_) {
                return;
            }
            job = std::move(jobs_.front());
            jobs_.pop_front();
            waiting_count_.store(jobs_.size(), std::memory_order_relaxed);
        }
        job(users);
    }
}

}  // namespace gw::auth
