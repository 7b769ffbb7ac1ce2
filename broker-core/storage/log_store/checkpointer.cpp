#include "broker-core/storage/log_store/checkpointer.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace gw {

namespace {

/// Copying goes on beside the commits until a round copied no more than this, or no fewer pages
/// than the one before: then commits write as fast as it copies.
constexpr int last_round_pages = 64;
constexpr int round_count_max = 16;

}  // namespace

Checkpointer::Checkpointer(Database database, CommitGate& gate, const LogStoreOptions& options,
                           std::uint32_t page_bytes)
    : database_(std::move(database)),
      gate_(gate),
      options_(options),
      page_bytes_(page_bytes),
      pages_max_(std::max<std::uint64_t>(options.checkpoint_bytes / page_bytes, 1)),
      pages_due_(pages_max_) {}

Checkpointer::~Checkpointer() {
    stop();
}

Result<void> Checkpointer::start() {
    // A connection learns that there is a write-ahead log with its first read; before, checkpoints
    // silently do nothing.
    const auto tables = database_.integer("SELECT count(*) FROM sqlite_schema");
    if (!tables) {
        return tables.error();
    }
    // Only speed is lost when there is no room for it: commits lengthen the file then.
    (void)database_.extend_log_file(pages_max_ * page_bytes_);
    thread_ = std::thread{[this] {
        run();
    }};
    return {};
}

void Checkpointer::stop() {
    {
        const std::scoped_lock lock{mutex_};
        is_stopping_ = true;
    }
    due_.notify_one();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void Checkpointer::on_commit(std::uint64_t wal_pages) {
    commit_count_.fetch_add(1, std::memory_order_relaxed);
    const std::uint64_t before = wal_pages_.exchange(wal_pages, std::memory_order_relaxed);
    const std::uint64_t due = pages_due_.load(std::memory_order_relaxed);
    if (wal_pages < before) {
        pages_due_.store(pages_max_, std::memory_order_relaxed);  // it started anew
    } else if (wal_pages >= due && before < due) {
        // Taken so that the notification cannot fall between the other's look and its sleep.
        const std::scoped_lock lock{mutex_};
        due_.notify_one();
    }
}

void Checkpointer::run() {
    const auto is_due = [this] {
        return is_stopping_ || wal_pages_.load(std::memory_order_relaxed) >=
                                   pages_due_.load(std::memory_order_relaxed);
    };
    std::uint64_t commits_seen = 0;
    bool is_tidy = true;
    std::unique_lock lock{mutex_};
    while (!is_stopping_) {
        const bool is_retry = !is_healthy();
        const bool due = is_retry ? !due_.wait_for(lock, options_.checkpoint_retry_after,
                                                   [this] { return is_stopping_; })
                                  : due_.wait_for(lock, options_.tidy_after, is_due);
        if (is_stopping_) {
            return;
        }
        const std::uint64_t commits = commit_count_.load(std::memory_order_relaxed);
        lock.unlock();
        if (due) {
            run_checkpoint();
            is_tidy = false;
        } else if (commits != commits_seen) {
            commits_seen = commits;  // not idle
            is_tidy = false;
        } else if (!is_tidy) {
            tidy();
            is_tidy = true;
        }
        lock.lock();
    }
}

void Checkpointer::run_checkpoint() {
    int copied_before = 0;
    int round_before = 0;
    Result<void> done;
    for (int round = 0; round < round_count_max; ++round) {
        const auto progress = database_.checkpoint();
        if (!progress) {
            done = progress.error();
            break;
        }
        const int round_pages = progress->copied_pages - copied_before;
        if (round_pages <= last_round_pages || (round > 0 && round_pages >= round_before)) {
            break;
        }
        copied_before = progress->copied_pages;
        round_before = round_pages;
    }
    if (done) {
        done = copy_rest();
    }
    if (done) {
        ++checkpoints_;
    }
    note(done);
    pages_due_.store(wal_pages_.load(std::memory_order_relaxed) + pages_max_,
                     std::memory_order_relaxed);
}

/// Copies what is left while no commit runs, so that the next one starts the log anew. Should it
/// fail, nothing is lost: the log goes on growing, and the next checkpoint tries again.
Result<void> Checkpointer::copy_rest() {
    gate_.pause();
    const auto start = std::chrono::steady_clock::now();
    const auto progress = database_.checkpoint();
    const auto pause = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now() - start);
    gate_.resume();
    longest_pause_us_ =
        std::max<std::uint64_t>(longest_pause_us_, static_cast<std::uint64_t>(pause.count()));
    return progress ? Result<void>{} : Result<void>{progress.error()};
}

/// Nothing has been written for a while: empties the log, and gives back what a burst or a long
/// read made it grow beyond the usual.
void Checkpointer::tidy() {
    const auto size = database_.log_file_bytes();
    if (!size) {
        return;
    }
    if (*size <= 2 * pages_max_ * page_bytes_) {
        run_checkpoint();
        return;
    }
    gate_.pause();
    const auto progress = database_.checkpoint_truncate();
    if (progress) {
        // As in start().
        (void)database_.extend_log_file(pages_max_ * page_bytes_);
        wal_pages_.store(0, std::memory_order_relaxed);
        pages_due_.store(pages_max_, std::memory_order_relaxed);
        ++checkpoints_;
    }
    gate_.resume();
    note(progress ? Result<void>{} : Result<void>{progress.error()});
}

/// Somebody who reads or writes just now is no failure.
void Checkpointer::note(const Result<void>& done) {
    const bool is_healthy = done || done.error().code() == Errc::unavailable;
    const std::scoped_lock lock{mutex_};
    last_error_ = is_healthy ? std::string{} : "checkpoint: " + done.error().text();
    is_healthy_.store(is_healthy, std::memory_order_relaxed);
}

std::string Checkpointer::last_error() const {
    const std::scoped_lock lock{mutex_};
    return last_error_;
}

}  // namespace gw
