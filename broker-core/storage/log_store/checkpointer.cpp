#include "broker-core/storage/log_store/checkpointer.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace gw {

namespace {

/// Copying goes on beside the commits until a round copied no more than this.
constexpr int last_round_pages = 256;
constexpr int round_count_max = 6;

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

void Checkpointer::start() {
    thread_ = std::thread{[this] {
        run();
    }};
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
    bool is_truncated = true;
    std::unique_lock lock{mutex_};
    while (!is_stopping_) {
        const bool due = due_.wait_for(lock, options_.truncate_after, is_due);
        if (is_stopping_) {
            return;
        }
        const std::uint64_t commits = commit_count_.load(std::memory_order_relaxed);
        lock.unlock();
        if (due) {
            run_checkpoint();
            is_truncated = false;
        } else if (commits != commits_seen) {
            commits_seen = commits;  // not idle
            is_truncated = false;
        } else if (!is_truncated) {
            truncate();
            is_truncated = true;
        }
        lock.lock();
    }
}

void Checkpointer::run_checkpoint() {
    int copied_before = 0;
    bool went_well = true;
    for (int round = 0; round < round_count_max && went_well; ++round) {
        const auto progress = database_.checkpoint();
        went_well = progress.has_value();
        if (!went_well || progress->copied_pages - copied_before <= last_round_pages) {
            break;
        }
        copied_before = progress->copied_pages;
    }
    if (went_well) {
        const auto start = std::chrono::steady_clock::now();
        gate_.pause();
        // Should it fail, nothing is lost: the log goes on growing, and the next one tries again.
        (void)database_.checkpoint();
        gate_.resume();
        const auto pause = std::chrono::duration_cast<std::chrono::microseconds>(
            std::chrono::steady_clock::now() - start);
        longest_pause_us_ =
            std::max<std::uint64_t>(longest_pause_us_, static_cast<std::uint64_t>(pause.count()));
        ++checkpoints_;
    }
    pages_due_.store(wal_pages_.load(std::memory_order_relaxed) + pages_max_,
                     std::memory_order_relaxed);
}

void Checkpointer::truncate() {
    gate_.pause();
    const auto progress = database_.checkpoint_truncate();
    gate_.resume();
    if (progress) {
        wal_pages_.store(0, std::memory_order_relaxed);
        pages_due_.store(pages_max_, std::memory_order_relaxed);
        ++checkpoints_;
    }
}

}  // namespace gw
