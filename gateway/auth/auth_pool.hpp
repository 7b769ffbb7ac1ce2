#pragma once

#include "gateway/auth/user_store.hpp"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace gw::auth {

/// One thread's own connection to the file of users, opened when first needed and again when the
/// file has been replaced.
class UserReader {
public:
    UserReader(std::string path, const std::atomic<std::uint64_t>& epoch)
        : path_(std::move(path)), epoch_(epoch) {}

    /// @error  not_found  there is no file; else those of UserStore
    Result<std::optional<User>> find(std::string_view username);
    /// UserStore::secret(), once the file could be opened.
    Result<std::string> secret();

private:
    Result<void> open();

    const std::string path_;
    const std::atomic<std::uint64_t>& epoch_;  // counts the files that stood at this path
    std::uint64_t opened_epoch_ = 0;
    std::optional<UserStore> store_;
};

/// Threads for what must not hold up a worker: hashing, signatures, the file of users. They run at
/// a low priority, so that a flood of logins leaves the cores to those who are in. The queue is
/// bounded: what does not fit is refused at once. Jobs that nobody waits for any more look so
/// themselves.
class AuthPool {
public:
    using Job = std::function<void(UserReader&)>;

    struct Options {
        std::string name;  // of the threads
        std::uint32_t thread_count = 1;
        std::size_t waiting_count_max = 500;
        std::string users_path;
    };
    explicit AuthPool(Options options);
    ~AuthPool();
    AuthPool(const AuthPool&) = delete;
    AuthPool& operator=(const AuthPool&) = delete;

    // Any thread.
    /// False: too many are waiting.
    bool submit(Job job);
    std::size_t waiting_count() const { return waiting_count_.load(std::memory_order_relaxed); }
    /// The file of users was replaced by another.
    void reopen_users() { users_epoch_.fetch_add(1, std::memory_order_relaxed); }
    /// Throws away what waits and ends the threads.
    void stop();

private:
    void run();

    const Options options_;
    std::atomic<std::uint64_t> users_epoch_{0};
    std::atomic<std::size_t> waiting_count_{0};
    std::mutex mutex_;  // guards the two below
    std::deque<Job> jobs_;
    bool is_stopping_ = false;
    std::condition_variable has_job_;
    std::vector<std::thread> threads_;
};

}  // namespace gw::auth
