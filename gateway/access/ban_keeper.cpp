#include "gateway/access/ban_keeper.hpp"

#include "gateway/access/ban_file.hpp"

#include <utility>

namespace gw {

BanKeeper::BanKeeper(std::filesystem::path data_dir, Source source, Log& log)
    : data_dir_(std::move(data_dir)),
      source_(std::move(source)),
      log_(log),
      thread_([this] { run(); }) {}

BanKeeper::~BanKeeper() {
    {
        const std::lock_guard lock{mutex_};
        is_stopping_ = true;
    }
    wanted_.notify_one();
    thread_.join();
}

void BanKeeper::note_kept() {
    const std::uint64_t version = source_.version();
    const std::lock_guard lock{mutex_};
    version_kept_ = version;
}

void BanKeeper::look() {
    {
        const std::lock_guard lock{mutex_};
        ++asked_;
    }
    wanted_.notify_one();
}

Result<void> BanKeeper::keep() {
    std::unique_lock lock{mutex_};
    const std::uint64_t mine = ++asked_;
    wanted_.notify_one();
    written_.wait(lock, [&] { return answered_ >= mine; });
    if (!failure_.empty()) {
        return Error{Errc::io, failure_};
    }
    return {};
}

void BanKeeper::run() {
    std::unique_lock lock{mutex_};
    for (;;) {
        wanted_.wait(lock, [this] { return is_stopping_ || asked_ != answered_; });
        const std::uint64_t asked = asked_;
        const bool is_last = is_stopping_;
        write(lock);
        answered_ = asked;
        written_.notify_all();
        if (is_last) {
            return;
        }
    }
}

void BanKeeper::write(std::unique_lock<std::mutex>& lock) {
    lock.unlock();
    const std::uint64_t version = source_.version();
    lock.lock();
    if (version_kept_ == version) {
        failure_.clear();
        return;
    }
    lock.unlock();
    const auto result = write_bans(data_dir_, source_.bans());
    lock.lock();
    if (result) {
        version_kept_ = version;
        failure_.clear();
    } else {
        tell_failure(result.error().text());
    }
}

/// Once, not at each try.
void BanKeeper::tell_failure(const std::string& text) {
    if (std::exchange(failure_, text) != text) {
        log_.error("ban.not_kept", {{"error", text}});
    }
}

}  // namespace gw
